"""Addresses as people paste them: whole addresses, and names with an address in angle brackets."""

from __future__ import annotations

import re

from service.text import trimmed

_WHOLE = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s.*]{2,}")
_MAILTO = re.compile(r"^(?:mailto:)++(?=\S+@)", re.IGNORECASE)  # as a browser copies an address
_IN_BRACKETS = re.compile(r"<\s*([^<>\s]+@[^<>\s]+)\s*>\s*$")
_WORD = r'(?!-|OR[\s<])[^<>"():@,\s]+'
# Ada Lovelace <ada@example.com>, "Lovelace, Ada" <ada@example.com> or <ada@example.com>
PASTED = re.compile(rf'(?:"[^"]*"|{_WORD}(?:,?[ \t]+{_WORD})*)?[ \t]*<[^<>\s]+@[^<>\s]+>')


def is_whole(text: str) -> bool:
    """Whether the text is a whole address, with a domain that has a dot."""
    return _WHOLE.fullmatch(text) is not None


def address_in(text: str) -> str:
    """The address in angle brackets, if the text ends with one; else the text. Removes `mailto:` before an address."""
    text = trimmed(text)
    found = _IN_BRACKETS.search(text)
    return _MAILTO.sub("", text if found is None else trimmed(found[1]))
