"""Folds text in Python about as the index does, where words are picked out of subjects: case, accents, width."""

from __future__ import annotations

import unicodedata


def fold(text: str) -> str:
    """NFKD, combining marks with a combining class dropped, case-folded."""
    if text.isascii():
        return text.lower()
    return "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).casefold()
