"""Finds codes and numbers that can be written with or without groups: order numbers, account numbers, amounts.

A code has letters and digits. Hyphens may divide it into any groups: as one word, it is a term of `subject.stems`.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

LEAST_GROUPED = 5  # digits: shorter numbers are not joined, because 1.5 is not 15
LEAST_PHONE = 7  # digits; shorter ones may be something else: 100-200 is a range of pages, and 2024-11 a month
LONGEST_NUMBER = 30  # digits
MOST_NUMBERS = 8  # pieces of a text; in longer texts, numbers in groups are not joined
MOST_GROUPS = 6  # pieces of one number in groups
MOST_CODES = 16  # pieces of a text; in longer texts, codes in groups are not joined (an IBAN has up to nine)
SHORTEST = 5  # letters and digits of a code
SHORTEST_DOTTED = 10  # of a code that looks like a version: v1.2 is not v12

_GROUPED = re.compile(r"\W*([0-9]+(?:[-.,'’/()_]{1,3}[0-9]+)*)\W*")
# In these, the groups have a meaning: an IP address, a date without leading zeros, an amount with decimals.
_IPV4 = re.compile(r"\W*(?:[0-9]{1,3}\.){3}[0-9]{1,3}\W*")
_DATE = re.compile(
    r"\W*(?:[0-9]{1,2}([-./])[0-9]{1,2}\1(?:[0-9]{2}|[0-9]{4})|[0-9]{4}([-./])[0-9]{1,2}\2[0-9]{1,2})\W*"
)
_LONE_DIGIT = re.compile(r"(?<![0-9])[0-9](?![0-9])")
_DECIMAL = re.compile(r"\W*([0-9]{1,15}|[0-9]{1,3}(?:[.,'’][0-9]{3})+)[.,]([0-9]{1,2})\W*")
_AMOUNT = re.compile(r"\W*([1-9][0-9]{0,2}(?:[.,'’ ][0-9]{3})+|[1-9][0-9]{3,14})(?:[.,]([0-9]{1,2}))?\W*")
_DIGITS_APART = re.compile("[0-9][^0-9A-Za-z]{1,4}[0-9]")
_PHONE = re.compile(r"[^\w@]*[0-9](?:[^\w@]*[0-9])*[^\w@]*")
_ENDED = re.compile(r"[^0-9)]$")
_OF_PHONE = re.compile(r"\(?[+0]")  # the start of a phone number, recognized even if few digits are typed
# An amount in groups whose last digit is not typed yet.
_AMOUNT_BEGUN = re.compile(
    r"[1-9][0-9]{1,2}(?:[.,'’ ][0-9]{3})*[.,'’ ][0-9]{2}|[1-9](?:[.,'’ ][0-9]{3})+[.,'’ ][0-9]{2}"
)
_SHORT_NUMBER = re.compile(rf"\W*([0-9]{{1,{LEAST_GROUPED - 1}}})\W*")

_CODE = re.compile(r"\W*([A-Za-z0-9]+(?:[-_/\u2010\u2011\u2013\u2212][A-Za-z0-9]+)*)\W*")
_DOTTED = re.compile(r"\W*([A-Za-z0-9]+(?:[-_/.:\u2010\u2011\u2013\u2212][A-Za-z0-9]+)*)\W*")
# A few digits with signs between them are an amount, a range or a section: 12.5 kg is not 125kg.
_SHORT_NUMBERS = re.compile(r"(?=(?:\D*\d){2,4}\D*\Z)\W*\d+(?:[-_/.,:\u2010\u2011\u2013\u2212]\d+)+\W*", re.ASCII)
_GROUP = re.compile(r"[A-Za-z0-9]{1,8}")
_OF_CAPITALS = re.compile(r"[A-Z0-9]{1,8}|(?=[a-z]*[0-9])[a-z0-9]{1,8}")
_DIGITS_BETWEEN = re.compile(r"(?:[0-9]{0,2}[A-Za-z]{1,4})?([0-9]{5,})[A-Za-z]{1,4}")
# What is usually written in groups: an account number (IBAN) in fours, a number in North America as 1 800 555 1234, the
# number of a parcel as 1Z 999 AA1 01 2345 6784, the address of a network card as 00:1A:2B:3C:4D:5E.
_IBAN = re.compile(r"\W*([A-Z]{2}[0-9]{2}[A-Z0-9]{11,30})\W*", re.IGNORECASE | re.ASCII)
_IN_GROUPS = (
    re.compile(r"\W*(1)([0-9]{3})([0-9]{3})([0-9]{4})\W*", re.ASCII),
    re.compile(r"\W*(1Z)([A-Z0-9]{3})([A-Z0-9]{3})([0-9]{2})([0-9]{4})([0-9]{4})\W*", re.IGNORECASE | re.ASCII),
    re.compile(r"\W*(?=[A-F]*[0-9])" + "([0-9A-F]{2})" * 6 + r"\W*", re.IGNORECASE | re.ASCII),
)


def short_number(piece: str) -> str:
    """The number, if the piece is a number of at most four digits; else an empty text."""
    found = _SHORT_NUMBER.fullmatch(piece)
    return found[1] if found else ""


def digits_in(piece: str) -> str:
    """The digits of a number in any groups, such as a phone number. Empty if the groups have a meaning."""
    found = _GROUPED.fullmatch(piece)
    if not found or _IPV4.fullmatch(piece) or _DECIMAL.fullmatch(piece):
        return ""
    is_date = _DATE.fullmatch(piece) and _LONE_DIGIT.search(piece)
    return "" if is_date else re.sub("[^0-9]", "", found[1])


def phone_number(text: str) -> str:
    """The digits of a text that is only a phone number, in any groups: `491701234567` of `+49 (170) 123-45 67`."""
    digits = re.sub("[^0-9]", "", text) if _PHONE.fullmatch(text) else ""
    return digits if LEAST_PHONE <= len(digits) <= LONGEST_NUMBER else ""


def whole_number(piece: str) -> str:
    """The digits of a phone number in any groups, or of an amount in thousands. Empty if the piece is neither."""
    digits = digits_in(piece)
    return digits if len(digits) >= LEAST_PHONE or (digits and amounts(piece)) else ""


def whole_numbers(text: str) -> list[str]:
    """The numbers in groups in the text, each in one word: `10000` of `10,000`, `442079460958` of `+44 20 7946 0958`.

    A number may begin at any piece of neighbouring groups, because a year or an order number may stand before it.
    """
    if not _DIGITS_APART.search(text):
        return []
    pieces = text.split()
    groups = [_groups_of(piece) for piece in pieces]
    numbers = (_number_from(start, pieces, groups) for start in range(len(pieces)) if groups[start])
    return [number for number in numbers if 0 < len(number) <= LONGEST_NUMBER]


def _groups_of(piece: str) -> str:
    """The digits of a piece that may belong to a number in groups, without decimals."""
    if not _has_digit(piece) or _has_letter(piece):
        return ""
    decimal = _DECIMAL.fullmatch(piece)
    return re.sub("[^0-9]", "", decimal[1]) if decimal else digits_in(piece)


def _number_from(start: int, pieces: Sequence[str], groups: Sequence[str]) -> str:
    """The longest number that begins at this piece. Empty if there is none, or if it has no groups."""
    end = start + 1
    while end < min(len(pieces), start + MOST_GROUPS) and groups[end] and not _ENDED.search(pieces[end - 1]):
        end += 1
    number = "".join(groups[start:end])
    is_grouped = end - start > 1 or number not in pieces[start]
    is_whole = len(number) >= LEAST_PHONE or amounts(" ".join(pieces[start:end]))
    return number if is_grouped and is_whole else ""


def number_begun(pieces: Sequence[str]) -> tuple[list[str], list[str]]:
    """The last pieces, if they may begin a number in groups, and the possible beginnings of this number in one word.

    A single piece of plain digits is such a beginning already, so nothing is returned for it.
    """
    start = len(pieces)
    while start > max(0, len(pieces) - MOST_GROUPS) and digits_in(pieces[start - 1]):
        start -= 1
        if pieces[start].startswith("+"):
            break
    run = list(pieces[start:])
    text, number = " ".join(run), "".join(map(digits_in, run))
    for amount in (run, list(pieces[-1:])):
        if _AMOUNT_BEGUN.fullmatch(" ".join(amount)):
            digits = re.sub("[^0-9]", "", " ".join(amount))
            return amount, [digits + one for one in "0123456789"]
    is_grouped = len(run) > 1 or number not in text
    least = LEAST_GROUPED if _OF_PHONE.match(text) else LEAST_PHONE
    return (run, [number]) if is_grouped and len(number) >= least and not _DATE.fullmatch(text) else ([], [])


def amounts(piece: str) -> list[str]:
    """The other form of a number of four or more digits: `1 234 567 50` for `1234567,50`, `1234567` for `1,234,567`.

    Decimals follow a space, because search splits a number there.
    """
    if not (found := _AMOUNT.fullmatch(piece)):
        return []
    whole, decimals = found[1], found[2]
    digits = re.sub("[^0-9]", "", whole)
    grouped = " ".join(re.findall("[0-9]{1,3}", digits[::-1]))[::-1]
    return [" ".join(filter(None, (grouped if whole == digits else digits, decimals)))]


def code_in(piece: str) -> str:
    """The code in one word: `rg2024001` of `RG-2024-001`. An empty text if the piece is not a code.

    A code has letters and digits, in groups or not.
    """
    if code := short_code_in(piece):
        return code if len(code) >= SHORTEST else ""
    if not (found := _DOTTED.fullmatch(piece)):
        return ""
    code = _joined(found[1])
    least = SHORTEST_DOTTED if _may_be_version(found[1]) else SHORTEST
    return code if len(code) >= least and _has_both(code) else ""


def _may_be_version(text: str) -> bool:
    """Whether at most one group has letters, and the first is not a name: v1.2 and python3.11, but not INV.2024.07."""
    first, *others = re.split("[^A-Za-z0-9]", text)
    is_name = first.isalpha() and len(first) > 1
    return not is_name and sum(map(_has_letter, (first, *others))) < 2


def _has_letter(text: str) -> bool:
    return bool(re.search("[A-Za-z]", text))


def short_code_in(piece: str) -> str:
    """The code in one word, however short: `f16` of `F-16`."""
    found = _CODE.fullmatch(piece)
    code = _joined(found[1]) if found else ""
    return code if _has_both(code) else ""


def groups_between(code: str) -> int:
    """How many times the digits before the last letters may be divided, as in `RR 123 456 789 DE`."""
    found = _DIGITS_BETWEEN.fullmatch(code)
    return len(found[1]) // 2 - 1 if found else 0


def in_usual_groups(piece: str) -> list[str]:
    """The code or the number in the groups in which it is usually written. Empty if none are usual."""
    ways = [" ".join(found.groups()) for pattern in _IN_GROUPS if (found := pattern.fullmatch(piece))]
    if found := _IBAN.fullmatch(piece):
        ways.append(" ".join(re.findall(".{1,4}", found[1])))
    return ways


def joined_numbers(pieces: Sequence[str]) -> dict[str, str]:
    """For each piece of a number in groups, such as `030 123 456`, the whole number; decimals follow a space."""
    found: dict[str, str] = {}
    run: list[str] = []
    for piece in (*pieces, "") if len(pieces) <= MOST_NUMBERS else ():
        decimal = _DECIMAL.fullmatch(piece) if run else None
        if decimal or digits_in(piece):
            run.append(piece)
        if decimal or not digits_in(piece):
            found |= _number(run, decimal)
            run = []
    return found


def _number(run: list[str], decimal: re.Match[str] | None) -> dict[str, str]:
    whole = [*run[:-1], decimal[1]] if decimal else run
    number = "".join(map(digits_in, whole))
    if len(run) < 2 or not (len(number) >= LEAST_GROUPED or amounts(" ".join(whole))):
        return {}
    return dict.fromkeys(run, f"{number} {decimal[2]}" if decimal else number)


def codes_through(pieces: Sequence[str]) -> dict[str, list[str]]:
    """For each piece, all codes that it and its neighbours could be, written in one word."""
    found: dict[str, list[str]] = {}
    if len(pieces) > MOST_CODES or not any(map(str.isdigit, "".join(pieces))):
        return found
    groups = [_group(piece) for piece in pieces]
    for start, end in itertools.combinations(range(len(pieces) + 1), 2):
        code = "".join(groups[start:end]).lower()
        if end - start > 1 and all(groups[start:end]) and len(code) >= SHORTEST and _has_both(code):
            for piece in pieces[start:end]:
                found.setdefault(piece, []).append(code)
    return found


def joined_codes(pieces: Sequence[str]) -> dict[str, str]:
    """For each piece of a code in groups, such as `DE89 3704 0044 0532 0130 00`, the whole code."""
    found: dict[str, str] = {}
    whole = [_group(piece) for piece in pieces] if len(pieces) <= MOST_CODES else []
    places = itertools.groupby(range(len(whole)), lambda place: bool(_OF_CAPITALS.fullmatch(whole[place])))
    for is_code, group in places:
        run = list(itertools.dropwhile(lambda place: not re.search("[0-9]", whole[place]), group if is_code else ()))
        code = "".join(whole[place] for place in run)
        if len(run) > 1 and len(code) >= SHORTEST and _has_both(code):
            found |= dict.fromkeys((pieces[place] for place in run), code)
    return found


def _group(piece: str) -> str:
    """The letters and digits of a piece that may be a group of a code; else an empty text."""
    found = _DOTTED.fullmatch(piece) if not _SHORT_NUMBERS.fullmatch(piece) else None
    return joined if found and _GROUP.fullmatch(joined := re.sub("[^A-Za-z0-9]", "", found[1])) else ""


def _has_digit(text: str) -> bool:
    return bool(re.search("[0-9]", text))


def _joined(text: str) -> str:
    return re.sub("[^A-Za-z0-9]", "", text).lower()


def _has_both(text: str) -> bool:
    return _has_letter(text) and _has_digit(text)
