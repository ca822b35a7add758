"""Grapheme clusters (UAX #29), which a reader sees as one character, as far as highlights need them."""

from __future__ import annotations

import re
import unicodedata

_JOINER = "\u200d"
# Tones of skin, tags of flags, the Thai and Lao vowel am, the vowels and last consonants of Hangul in parts, joiners,
# and the voicing marks of half-width kana.
_EXTENDS = re.compile("[\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f\u0e33\u0eb3\u1160-\u11ff\u200d\uff9e\uff9f]")
_LETTER_OF_FLAG = re.compile("[\U0001f1e6-\U0001f1ff]")
_VIRAMAS = frozenset("\u094d\u09cd\u0acd\u0b4d\u0c4d\u0d4d")  # of scripts in which they join two consonants (GB9c)


def whole_clusters(text: str, start: int, end: int) -> tuple[int, int]:
    """The range, with the rest of the clusters in which it begins and ends."""
    while 0 < start < len(text) and not _is_boundary(text, start):
        start -= 1
    while 0 < end < len(text) and not _is_boundary(text, end):
        end += 1
    return start, end


def _is_boundary(text: str, at: int) -> bool:
    """Whether a cluster ends before this character, which is not the first one of the text."""
    before, character = text[at - 1], text[at]
    if unicodedata.category(before) in ("Cc", "Zl", "Zp") or before == " ":
        return True
    if unicodedata.category(character)[0] == "M" or _EXTENDS.match(character):
        return False
    if _LETTER_OF_FLAG.match(character):
        return _letters_before(text, at) % 2 == 0
    category = unicodedata.category(character)
    if before == _JOINER and category in ("So", "Cn"):
        return not _is_pictured(text, at - 1)
    return category != "Lo" or not _is_joined(text, at)


def _letters_before(text: str, at: int) -> int:
    """How many flag letters are directly before this position. Two of them are one flag."""
    start = at
    while start and _LETTER_OF_FLAG.match(text[start - 1]):
        start -= 1
    return at - start


def _is_pictured(text: str, at: int) -> bool:
    """Whether a pictograph, such as an emoji, is before this position, with its marks."""
    while at and (unicodedata.category(text[at - 1])[0] == "M" or _EXTENDS.match(text[at - 1])):
        at -= 1
    return at > 0 and unicodedata.category(text[at - 1]) in ("So", "Cn", "Po", "Sm")


def _is_joined(text: str, at: int) -> bool:
    """Whether a virama joins the consonant at this position to the one before it; marks may be around the virama."""
    while at and (unicodedata.combining(text[at - 1]) or text[at - 1] == _JOINER):
        at -= 1
        if text[at] in _VIRAMAS:
            return at > 0
    return False
