"""Other forms of a typed word: joined, split, without article or ending, and the Japanese and Korean forms.

Codes are in service/codes.py.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from service import codes, korean
from service.search.words.japanese import japanese_forms, without_polite_prefix
from service.search.words.spellings import other_spellings
from service.text import PARTING, SPACELESS, in_one_word

MOST_JOINED, MOST_SPLIT = 8, 4  # pieces of a text: longer texts are not read in other ways, which bounds the clauses
LONGEST_SPLIT = 16  # letters

_LETTERS = r"[^\W\d_]"
_WORD = re.compile(rf"\W*({_LETTERS}+)\W*")
# French and Italian articles and the like, which lose their vowel in front of another one.
_ELIDED = re.compile(
    rf"\W*(?:[cdjlmnstv]|qu|jusqu|lorsqu|puisqu|quoiqu|un|gl|d?all|dell|nell|coll|sull|quell)['’ʼ]({_LETTERS}{{3,}})\W*",
    re.IGNORECASE,
)
# The suffix of a Turkish name after an apostrophe, and the plural and other suffixes of Persian after a non-joiner.
_TURKISH_SUFFIX = re.compile(
    rf"\W*(?=[^\W\d_a-zçğıöşü])({_LETTERS}{{3,}})(?<!qu)['’ʼ]"
    "(?:[dt][ae](?:n|ki)?|[yn]?[aeıiuü]|n?[ıiuü]n|y?l[ae]|l[ıiuü]|l[ae]r)\\W*"
)
_PERSIAN_SUFFIX = re.compile(rf"\W*({_LETTERS}{{2,}})\u200c(?:ها|های|هایی|هایم|هایش|ام|ای|اند|اش|ات|تر|ترین)\W*")
_LONE_LETTER = re.compile("[b-np-vx]", re.IGNORECASE)  # which may begin a word as in e-mail; others are words


def without_separators(piece: str) -> str:
    """The piece in one word: `email` of `e-mail`, `10000` of `10,000`. An empty text if it is not of several parts."""
    if word := in_one_word(piece):
        return word
    if PARTING.search(piece):
        return PARTING.sub("", piece)
    number = codes.whole_number(piece)
    return number if number != piece else ""


def without_article(piece: str) -> str:
    """The word after an elided article or preposition: `hôtel` of `l'hôtel`. An empty text if there is none."""
    found = _ELIDED.fullmatch(piece)
    return found[1] if found else ""


def without_suffix(piece: str) -> str:
    """The word before a suffix: `İstanbul` of `İstanbul'da`, `نامه` of `نامه‌ها`. An empty text if there is none."""
    found = _TURKISH_SUFFIX.fullmatch(piece) or _PERSIAN_SUFFIX.fullmatch(piece)
    return found[1] if found else ""


def joined_words(pieces: Sequence[str]) -> dict[str, list[str]]:
    """For each piece, the words that it makes with a neighbour: `login` of `log in`."""
    found: dict[str, list[str]] = {}
    if len(pieces) > MOST_JOINED:
        return found
    for one, other in itertools.pairwise(pieces):
        if (left := _word(one)) and (right := _word(other)):
            found.setdefault(one, []).append(left + right)
            found.setdefault(other, []).append(left + right)
    return found


def split(piece: str) -> list[str]:
    """The word in two words, at every place: `log in` of `login`, and others that nobody writes."""
    word = _word(piece)
    if len(word) > LONGEST_SPLIT:
        return []
    first = 1 if len(word) > 3 and _LONE_LETTER.match(word) else 2
    return [f"{word[:at]} {word[at:]}" for at in range(first, len(word) - 1)]


def _word(piece: str) -> str:
    found = _WORD.fullmatch(piece)
    return found[1] if found and not SPACELESS.search(piece) else ""


def other_forms(piece: str) -> list[str]:
    """What a run may contain instead of the piece: a Japanese form or spelling, or a word without a Korean ending."""
    polite = without_polite_prefix(piece)
    return list(dict.fromkeys((*japanese_forms(piece), *polite, *spelled(piece), *korean.bare(piece))))


def spelled(piece: str) -> list[str]:
    """The other spellings of a Japanese piece, with and without the polite prefix in front."""
    polite = without_polite_prefix(piece)
    return [one for way in (piece, *polite[:1]) for one in other_spellings(way)]
