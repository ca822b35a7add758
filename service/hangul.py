"""Korean syllables as the sequences of keys that type them.

While somebody types 주문 (order), the input method shows ㅈ, 주, 줌, 주무 and 주문: a consonant belongs to the syllable
before it until a vowel follows. The keys of each of these are a prefix of the keys of 주문.
"""

from __future__ import annotations

import unicodedata
from functools import cache

# The keys of the two-set keyboard (KS X 5002), in the order of Unicode's consonants, vowels and finals (chapter 3.12).
# A digit is a key with Shift.
_CONSONANTS = "r1se2faq3t4dw5czxvg"
_VOWELS = (
    "k",
    "o",
    "i",
    "6",
    "j",
    "p",
    "u",
    "7",
    "h",
    "hk",
    "ho",
    "hl",
    "y",
    "n",
    "nj",
    "np",
    "nl",
    "b",
    "m",
    "ml",
    "l",
)
_FINALS = (
    "",
    "r",
    "1",
    "rt",
    "s",
    "sw",
    "sg",
    "e",
    "f",
    "fr",
    "fa",
    "fq",
    "ft",
    "fx",
    "fv",
    "fg",
    "a",
    "q",
    "qt",
    "t",
    "4",
    "d",
    "w",
    "c",
    "z",
    "x",
    "v",
    "g",
)
_FIRST, _LAST = "가", "힣"
_OF_CONSONANT, _OF_VOWEL = len(_VOWELS) * len(_FINALS), len(_FINALS)
_KEYS = {
    **{chr(0x1100 + place): keys for place, keys in enumerate(_CONSONANTS)},
    **{chr(0x1161 + place): keys for place, keys in enumerate(_VOWELS)},
    **{chr(0x11A8 + place): keys for place, keys in enumerate(_FINALS[1:])},
}

Range = tuple[str, str]


def keys_of(letter: str) -> str:
    """The keys that type a syllable of Hangul, or a consonant or vowel alone. Empty for other letters."""
    return "".join(_KEYS.get(part, "") for part in unicodedata.normalize("NFKD", letter))


def syllables_begun(letter: str) -> list[Range]:
    """The syllables that begin with the same keys, as ranges from the first to the last."""
    return _ranges(keys_of(letter)) if len(letter) == 1 else []


def parted(letter: str) -> tuple[str, list[Range]] | None:
    """The syllable without its last consonant, and the syllables that begin with it: for 줌, 주 and 마 to 밓."""
    if not _FIRST <= letter <= _LAST or not (final := (ord(letter) - ord(_FIRST)) % _OF_VOWEL):
        return None
    keys = _FINALS[final]
    return chr(ord(letter) - final + _FINALS.index(keys[:-1])), _ranges(keys[-1])


def _ranges(keys: str) -> list[Range]:
    places = [place for place, typed in enumerate(_all_syllables()) if keys and typed.startswith(keys)]
    starts = [place for place in places if place - 1 not in set(places)]
    ends = [place for place in places if place + 1 not in set(places)]
    return [(chr(ord(_FIRST) + one), chr(ord(_FIRST) + other)) for one, other in zip(starts, ends, strict=True)]


@cache
def _all_syllables() -> list[str]:
    """The keys of each syllable. This takes 40 ms, so it is done only when a highlight first needs it."""
    return [keys_of(chr(code_point)) for code_point in range(ord(_FIRST), ord(_LAST) + 1)]
