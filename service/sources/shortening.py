"""Shortens texts and lists to the limits of a document, so that an import does not lose a message.

A text that was cut ends in "…". A list that was cut ends in an item such as "… and 4,001 more".
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import msgspec

from service.conversation import LIMITS

ELLIPSIS = "…"
LIST_BYTES = 48_000  # of one list as JSON; the four lists of an item leave enough room for its other fields


@dataclass(slots=True)
class Fit:
    """Shortens the fields of one conversation. `shortened` is whether anything was cut."""

    shortened: bool = False

    def text(self, field: str, text: str | None) -> str | None:
        return None if text is None else self._cut(text, LIMITS[field].characters)

    def texts(self, field: str, texts: Iterable[str]) -> list[str]:
        """The texts that are not blank, each cut to the field's limit, and at most as many as the field may have."""
        limit = LIMITS[field]
        present = [text for text in texts if text and not text.isspace()]
        kept: list[str] = []
        left = LIST_BYTES
        for number, text in enumerate(present):
            cut = self._cut(text, limit.characters)
            left -= len(msgspec.json.encode(cut)) + 1
            is_last = number + 1 == len(present)
            if left < 0 or (len(kept) + 1 == limit.items and not is_last):
                self.shortened = True
                return [*kept, f"{ELLIPSIS} and {len(present) - len(kept):,} more"]
            kept.append(cut)
        return kept

    def _cut(self, text: str, characters: int) -> str:
        text = clean(text)
        if len(text) <= characters:
            return text
        self.shortened = True
        return text[: characters - len(ELLIPSIS)].rstrip() + ELLIPSIS


def clean(text: str) -> str:
    """The text without lone surrogates and U+0000."""
    if text.isascii() and "\0" not in text:
        return text
    return text.replace("\0", "").encode("utf-8", "ignore").decode()
