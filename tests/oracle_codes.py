"""Codes and numbers in groups, and marks of owners, by definitions of their own for tests/oracle.py."""

from __future__ import annotations

import random
import re
import unicodedata
from collections.abc import Sequence
from functools import cache


def in_other_groups(at: int, pieces: list[str], subject: str) -> bool:
    """Whether the subject has the code or number that the piece makes with its neighbours, in whatever groups.

    A code has a digit in its first group, ten characters or more, and its capital letters and digits in at least three
    groups; a number has five digits or more. So what is compared are letters and digits without what stands between.
    """
    wanted = _wanted(at, tuple(pieces))
    if not wanted:
        return False
    there = [group for group in re.split(r"[\s./()+-]+", unicodedata.normalize("NFKC", subject).casefold()) if group]
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
    return len(run) <= 8 and all(map(str.isdecimal, groups)) and len("".join(groups)) > 4


def _is_code(run: Sequence[str]) -> bool:
    groups = [group for piece in run for group in re.split("[-.]", piece)]
    code = "".join(groups)
    in_groups = all(re.fullmatch("[A-Z0-9]{1,8}|[a-z0-9]{1,8}", group) for group in groups) and len(groups) > 2
    is_whole = len(run) == 1 and code.isalnum()
    has_both = any(map(str.isdigit, code)) and any(map(str.isalpha, code))
    return len(run) <= 16 and (in_groups or is_whole) and len(code) >= 10 and has_both and code.isascii()


def owned(text: str) -> str:
    """The text without the marks of owners beside a word."""
    return re.sub(r"(?<=[^\W_])\s?[©®℗℠™]+|[©®℗]+(?=[^\W_])", " ", text)


def _grouped(text: str, rng: random.Random, between: str) -> str:
    """The digits in groups of two to five."""
    groups = []
    while len(text) > 5:
        size = rng.randint(2, min(5, len(text) - 2))
        groups.append(text[:size])
        text = text[size:]
    return between.join([*groups, text])


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
    found["ORD48213"] = ["ORD48213", "ORD-48213", "ord 48213", "ORD/48213", "#ORD-48213"]
    found["zorbly"] = ["Zorbly", "ZORBLY®", "Zorbly™", "©Zorbly", "zorbly"]
    return found
