"""Recognizes the different ways to write one phone number."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import phonenumbers

from service.errors import Misconfigured

GROUP = "~"  # between the members of a group, as Android's backups write it
_SEPARATORS = re.compile(r"\s*[~;|]\s*")
_WRITTEN = re.compile(r"[(+]*\d[\d\s()./\-–]*")
# A number as spreadsheets write it: as text after an apostrophe, or as a number with a fraction.
_OF_TABLES = re.compile(r"'?(\+?\d{5,})(?:\.0)?", re.ASCII)
_PUNCTUATION = re.compile(r"[\s()./\-–]")
_SCHEME = re.compile(r"^(?:tel|sms|smsto|mms|mmsto|mailto):(?://)?", re.IGNORECASE)
LONGEST_NUMBER = 40


COMPARED_DIGITS = 9  # the last digits of a number as it is dialled in its country


class Peers:
    """Gives one text for all ways to write a peer, which is the other side of an SMS.

    A number with a country code (+49 or 0049) becomes +49…; with a `region` such as DE, so does any number valid there.
    Other numbers only lose their punctuation. E-mail addresses become lower-case. Names of senders stay as they are.
    The members of a group are sorted.
    """

    def __init__(self, region: str | None = None) -> None:
        self.region = check_region(region) if region is not None else None
        self.of = lru_cache(maxsize=50_000)(self._of)

    def _of(self, written: str) -> str:
        members = {self._one(member) for member in _SEPARATORS.split(written)}
        return GROUP.join(sorted(member for member in members if member))

    def _one(self, written: str) -> str:
        plain = "".join(character for character in written if unicodedata.category(character) != "Cf")
        plain = _SCHEME.sub("", unicodedata.normalize("NFKC", plain).strip())
        if not plain or plain.lower() in ("null", "insert-address-token"):
            return ""
        if "@" in plain:
            return plain.lower()
        plain = match[1] if (match := _OF_TABLES.fullmatch(plain)) is not None else plain
        digits = "".join(str(unicodedata.decimal(character, character)) for character in plain)
        if len(digits) <= LONGEST_NUMBER and _WRITTEN.fullmatch(digits):
            return self._international(digits) or _PUNCTUATION.sub("", digits)
        return plain if not _WRITTEN.fullmatch(digits) else _PUNCTUATION.sub("", digits)

    def _international(self, number: str) -> str | None:
        if self.region is None and not number.startswith("+"):
            if not number.startswith("00"):  # the international prefix of most countries
                return None
            number = f"+{number[2:]}"
        try:
            parsed = phonenumbers.parse(number, self.region)
        except phonenumbers.NumberParseException:
            return None
        if not phonenumbers.is_valid_number(parsed):
            return None
        return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)


def is_international(peer: str) -> bool:
    """Whether the country of the number, or of each number in a group, is known."""
    return all(member.startswith("+") for member in peer.split(GROUP))


@lru_cache(maxsize=50_000)
def without_country(peer: str) -> tuple[str, ...]:
    """How the number, or group of numbers, is written without a country: 0170… for +49170…."""
    if not is_international(peer):
        return ()
    members = [_short(member) for member in peer.split(GROUP)]
    return tuple(dict.fromkeys(GROUP.join(sorted(form)) for form in zip(*members, strict=True)))


def _short(number: str) -> tuple[str, str]:
    """The number as it is dialled in its country, and without the plus."""
    try:
        national = phonenumbers.format_number(phonenumbers.parse(number), phonenumbers.PhoneNumberFormat.NATIONAL)
    except phonenumbers.NumberParseException:
        national = number
    return "".join(filter(str.isdigit, national)), number[1:]


@lru_cache(maxsize=50_000)
def compared(peer: str) -> str:
    """A text that is the same for all ways to write the peer. It recognizes copies of one message.

    It must differ between people: one text that is sent to thousands at once is not a message with copies.
    """
    return GROUP.join(sorted(_compared(member) for member in peer.split(GROUP)))


def _compared(member: str) -> str:
    digits = _short(member)[0] if member.startswith("+") else member
    return digits.lstrip("0")[-COMPARED_DIGITS:] if digits.isdigit() else member


def check_region(region: str) -> str:
    """The region in upper case. Raises Misconfigured if it is not known."""
    if region.upper() not in phonenumbers.SUPPORTED_REGIONS:
        raise Misconfigured(f"--region {region}: must be a country's code of two letters, such as DE or US")
    return region.upper()
