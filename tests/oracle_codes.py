"""Codes and numbers in groups, and signs such as ™, by independent definitions for tests/oracle.py."""

from __future__ import annotations

import itertools
import random
import re
import unicodedata
from collections.abc import Sequence
from functools import cache

# A word with signs within it: between any letters, and quotation marks between Hebrew ones.
_SIGN = "(?:[-.'‘’ʼ`/&·–−\u200b\u200c_]|(?<=[א-ת])[\"״”](?=[א-ת]))"
IN_PARTS = re.compile(rf"\W*([^\W\d_ʼ]+({_SIGN}[^\W\d_ʼ]+)+)\W*")


def in_other_groups(at: int, pieces: list[str], subject: str) -> bool:
    """Whether the subject has the code or number that the piece makes with its neighbours, in any groups.

    A code has letters and digits, five characters or more, and a digit in its first group if spaces divide it. A number
    has five digits or more, and seven if it is one piece with signs between them. Only the letters and digits are
    compared, without the signs and spaces between them.
    """
    wanted = _wanted(at, tuple(pieces))
    if not wanted:
        return False
    there = [group for group in re.split(r"[\s./:()_+-]+", unicodedata.normalize("NFKC", subject).casefold()) if group]
    most = max(map(len, wanted))  # groups are of at least one character
    stretches = ("".join(there[start:end]) for start in range(len(there)) for end in _ends(start, there, most))
    return not wanted.isdisjoint(stretches)


@cache
def _wanted(at: int, pieces: tuple[str, ...]) -> frozenset[str]:
    runs = [pieces[start:end] for start in range(at + 1) for end in range(at + 1, len(pieces) + 1)]
    codes = ["".join(run) for run in runs if _is_number(run) or _is_code(run)]
    return frozenset("".join(filter(str.isalnum, code)).casefold() for code in codes)


def _ends(start: int, groups: list[str], most: int) -> range:
    return range(start + 1, min(start + most, len(groups)) + 1)


def _is_number(run: Sequence[str]) -> bool:
    groups = [group for piece in run for group in re.split(r"[-./()+]+", piece) if group]
    least = 7 if len(run) == 1 and len(groups) > 1 else 5
    return len(run) <= 8 and all(map(str.isdecimal, groups)) and len("".join(groups)) >= least


def numbers_in(subject: str) -> list[str]:
    """The phone numbers of seven digits and more, and the amounts in thousands, each without what groups it.

    A number may begin after each space, and has up to six groups with spaces between them. It may be followed by more
    digits, because numbers are compared by their beginnings.
    """
    pieces = [re.fullmatch(r"\W*(\d[\d.,'’/()-]*)\W*", piece) for piece in subject.split()]
    found = []
    for start in range(len(pieces)):
        behind = itertools.takewhile(lambda at: pieces[at], range(start, min(start + 6, len(pieces))))
        run = [one[1] for at in behind if (one := pieces[at])]
        digits = "".join(filter(str.isdecimal, "".join(run)))
        is_amount = re.fullmatch(r"[1-9]\d{0,2}([ .,'’]\d{3})+([.,]\d{1,2})?", " ".join(run))
        found += [digits] if len(digits) > 6 or is_amount else []
    return found


def begins_number(piece: str, subject: str) -> bool:
    """Whether the piece is the beginning of a number in groups, and the subject has one that begins so."""
    digits = "".join(filter(str.isdecimal, piece))
    is_amount = re.fullmatch(r"[1-9]\d{0,2}([.,'’]\d{3})*[.,'’]\d\d", piece) and len(digits) > 3
    is_number = re.fullmatch(r"[+(]*\d+([-.,'’/()]{1,3}\d+)+", piece) and len(digits) >= (5 if piece[0] in "+(0" else 7)
    return bool(is_amount or is_number) and any(number.startswith(digits) for number in numbers_in(subject))


def _is_code(run: Sequence[str]) -> bool:
    """Groups of capital letters and digits, in pieces or with signs between; one piece may have small letters."""
    text = " ".join(run)
    groups = re.split("[-_.: ]", text)
    code = "".join(groups)
    has_both = any(map(str.isdigit, code)) and any(map(str.isalpha, code))
    in_pieces = all(re.fullmatch("[A-Z0-9]{1,8}|(?=[a-z]*[0-9])[a-z0-9]{1,8}", piece) for piece in run)
    begins = any(map(str.isdigit, run[0]))
    least = 10 if "." in text or ":" in text else 5
    is_one = len(run) == 1 or (in_pieces and begins and len(run) <= 16)
    return is_one and code.isascii() and code.isalnum() and has_both and len(code) >= least


def plain(text: str) -> str:
    """The text in NFKC, with ASCII digits, and with an apostrophe in place of an accent sign between letters."""
    normalized = unicodedata.normalize("NFKC", re.sub(r"(?<=[^\W\d_])´(?=[^\W\d_])", "'", text))
    return "".join(str(unicodedata.decimal(character, character)) for character in normalized)


def owned(text: str) -> str:
    """The text without signs such as ® and ™ beside a word."""
    return re.sub(r"(?<=[^\W_])\s?[©®℗℠™]+|[©®℗]+(?=[^\W_])", " ", text)


def _grouped(text: str, rng: random.Random, between: str) -> str:
    """The digits in groups of two to five."""
    groups = []
    while len(text) > 5:
        size = rng.randint(2, min(5, len(text) - 2))
        groups.append(text[:size])
        text = text[size:]
    return between.join([*groups, text])


def _hyphenated(text: str, rng: random.Random) -> str:
    """The code with a hyphen at each of two or three places."""
    places = sorted(rng.sample(range(1, len(text)), rng.randint(2, 3)))
    return "-".join(text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True))


def _in_fours(text: str, between: str) -> str:
    return between.join(text[at : at + 4] for at in range(0, len(text), 4))


def written_codes(rng: random.Random) -> dict[str, list[str]]:
    """By each code: ways to write it. All of them are different codes."""
    numbers = ["".join(rng.choices("123456789", k=rng.randint(8, 12))) for _ in range(4)]
    accounts = ["CH" + "".join(rng.choices("0123456789", k=19)), "GB29NWBK" + "".join(rng.choices("0123456789", k=14))]
    toll_free = "1800" + "".join(rng.choices("0123456789", k=7))
    found = {one: [one, *(_grouped(one, rng, sign) for sign in (" ", "-", "/", ".")), f"+{_grouped(one, rng, ' ')}"]
             for one in numbers}  # fmt: skip
    found |= {one: [one, one.lower(), *(_in_fours(one, sign) for sign in " -."), _in_fours(one.lower(), " ")]
              for one in accounts}  # fmt: skip
    written = (toll_free[:1], toll_free[1:4], toll_free[4:7], toll_free[7:])
    found[toll_free] = [toll_free, " ".join(written), "-".join(written), "+{} ({}) {}-{}".format(*written)]
    for one in ("RG2024001", "XK97Q2ZZ1", "B1234", "550e8400e29b41d4a716446655440000"):
        found[one] = [one, *(_hyphenated(one, rng) for _ in range(3)), one.lower()]
    found["001A2B3C4D5E"] = [
        "001A2B3C4D5E", "00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "00 1A 2B 3C 4D 5E", "001a.2b3c.4d5e"
    ]  # fmt: skip
    found["1Z999AA10123456784"] = ["1Z999AA10123456784", "1Z 999 AA1 01 2345 6784", "1z999aa10123456784"]
    found["RR473124829DE"] = ["RR473124829DE", "RR 473 124 829 DE", "RR-473-124-829-DE", "RR 47 31 24 829 DE"]
    found["ORD48213"] = ["ORD48213", "ORD-48213", "ord 48213", "ORD/48213", "#ORD-48213"]
    found["zorbly"] = ["Zorbly", "ZORBLY®", "Zorbly™", "©Zorbly", "zorbly"]
    return found
