"""One SMS, made from its fields as text."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.conversation import Direction
from service.sources.phone_numbers import Peers
from service.sources.shortening import clean
from service.times import EPOCH, parse_time

COLUMNS = ("peer", "date", "text", "direction", "read", "name")
NEEDED = ("peer", "date", "text")
# Android numbers the kinds of messages: 1 received, 2 sent, 3 draft, 4 in the outbox, 5 failed, 6 queued.
DRAFTS = frozenset({"draft", "drafts", "3"})
OUTBOUND = DRAFTS | {"outbound", "out", "sent", "outgoing", "2", "outbox", "4", "failed", "5", "queued", "6"}
INBOUND = frozenset({"inbound", "in", "received", "incoming", "inbox", "1", "", "null"})
READ = {
    "1": True, "true": True, "yes": True, "read": True, "0": False, "false": False, "no": False, "unread": False,
    "": None, "null": None,
}  # fmt: skip
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_NUMBER = re.compile(r"(\d{9,19})(?:\.(\d{1,9}))?", re.ASCII)
_UNITS = ((10**17, 10**9), (10**14, 10**6), (10**11, 10**3))  # larger numbers: nano-, micro-, milliseconds
_DIGITS = re.compile(r"((?:19|20)\d\d)(\d\d)(\d\d)(?:[ _T-]?(\d\d)(\d\d)(\d\d)?)?", re.ASCII)  # 20240701120000
_ISO = re.compile(
    r"(\d{4})[-/.](\d\d?)[-/.](\d\d?)(?:[Tt ,]+(\d\d?):(\d\d)(?::(\d\d)(?:[.,]\d+)?)?)? ?(Z|z|UTC|GMT|[+-]\d\d:?\d\d)?",
    re.ASCII,
)
_FORMS = (  # with the month's name, or with dots: with these, the day always comes first
    "%b %d, %Y %I:%M:%S %p", "%b %d, %Y %H:%M:%S", "%b %d, %Y %I:%M %p", "%b %d, %Y %H:%M", "%d %b %Y %H:%M:%S",
    "%d %b %Y %H:%M", "%d-%b-%Y %H:%M:%S", "%d %b %Y %I:%M:%S %p", "%a, %d %b %Y %H:%M:%S", "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M", "%d.%m.%Y, %H:%M:%S", "%d.%m.%Y, %H:%M", "%a %b %d %H:%M:%S %Y", "%Y%m%dT%H%M%S",
)  # fmt: skip
_LETTERS_OR_DIGITS = re.compile(r"[^\W\d_]+|\d+")


def _shape(text: str) -> str:
    """The text with one letter for each word and one digit for each number."""
    return _LETTERS_OR_DIGITS.sub(lambda match: "0" if match[0][0].isdigit() else "a", text)


def _by_shape(forms: tuple[str, ...]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for form in forms:
        found.setdefault(_shape(EPOCH.strftime(form)), []).append(form)
    return found


_FORMS_BY_SHAPE = _by_shape(_FORMS)  # trying all forms would take most of the time of a file with other dates
_ZONE = re.compile(r" ?(?:Z|UTC|GMT|([+-]\d\d):?(\d\d))$")
_LONGEST_DATE = 100
SHOWN_BYTES = 2_000  # of a rejected message, in the rejects file


@dataclass(frozen=True, slots=True)
class Sms:
    """One message. `date` is in UTC, to the millisecond. `attachments` are those of an MMS."""

    peer: str
    date: datetime
    text: str
    direction: Direction
    read: bool | None
    name: str | None
    attachments: int = 0
    is_draft: bool = False


class Unusable(str):
    """Why a message cannot be imported, with its `text` in the file."""

    __slots__ = ("text",)
    text: bytes

    def __new__(cls, reason: str, text: bytes = b"") -> Unusable:
        made = super().__new__(cls, reason)
        made.text = text[:SHOWN_BYTES]
        return made


def sms_of(values: Mapping[str, str | None], peers: Peers, *, attachments: int = 0) -> Sms:
    """A message from its fields as text. Raises ValueError with the reason if one is not valid."""
    peer = peers.of(clean(values.get("peer") or ""))
    if not peer:
        raise ValueError("has no peer number")
    direction = (values.get("direction") or "").strip().lower()
    if direction not in OUTBOUND | INBOUND:
        raise ValueError(f"direction {direction[:50]!r} must be inbound or outbound")
    read = (values.get("read") or "").strip().lower()
    if read not in READ:
        raise ValueError(f"read {read[:50]!r} must be true or false")
    text = _CONTROLS.sub(" ", clean(values.get("text") or ""))
    return Sms(
        peer=peer,
        date=date_of((values.get("date") or "").strip()),
        text=text,
        direction="outbound" if direction in OUTBOUND else "inbound",
        read=READ[read],
        name=clean(values.get("name") or "").strip() or None,
        attachments=attachments,
        is_draft=direction in DRAFTS,
    )


def date_of(text: str) -> datetime:
    """Parses a time since 1970 in seconds, milliseconds, microseconds or nanoseconds, or one of many written forms.

    A time without a zone is in UTC. Forms that do not tell the day from the month (01/02/2024) are refused. Raises
    ValueError.
    """
    try:
        date = _in_digits(text) or _counted(text) or _written(text[:_LONGEST_DATE])
    except (ValueError, OverflowError):
        raise ValueError(
            f"date {text[:50]!r} must be an RFC 3339 time, or milliseconds or seconds since 1970"
        ) from None
    if date < EPOCH:
        raise ValueError(f"date {text[:50]!r} must not lie before 1970")
    return parse_time(date)


def _in_digits(text: str) -> datetime | None:
    """A day, perhaps with a time, in digits only. As seconds since 1970, it would be before all SMS or far ahead."""
    if (match := _DIGITS.fullmatch(text)) is None:
        return None
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    try:
        return datetime(year, month, day, hour, minute, second, tzinfo=UTC)
    except ValueError:
        return None


def _counted(text: str) -> datetime | None:
    """A number of seconds, or of parts of a second if it is large. So milliseconds before 1973 are not recognized."""
    if (match := _NUMBER.fullmatch(text)) is None:
        if text.isascii() and text.isdigit():
            return EPOCH + timedelta(seconds=int(text[:20]))
        return None
    number = int(match[1])
    parts = next((parts for least, parts in _UNITS if number > least), 1)
    fraction = int(((match[2] or "") + "000")[:3]) if parts == 1 else 0
    return EPOCH + timedelta(seconds=number // parts, milliseconds=number % parts * 1000 // parts + fraction)


def _written(text: str) -> datetime:
    try:
        return parse_time(text)
    except ValueError:
        pass
    if match := _ISO.fullmatch(text):
        year, month, day, hour, minute, second = (int(part or 0) for part in match.groups()[:6])
        return _in_zone(datetime(year, month, day, hour, minute, second, tzinfo=UTC), match[7] or "")
    zone = _ZONE.search(text)
    plain = " ".join((text[: zone.start()] if zone else text).replace("\u202f", " ").split())
    for form in _FORMS_BY_SHAPE.get(_shape(plain), []):
        try:
            return _in_zone(datetime.strptime(plain, form).replace(tzinfo=UTC), zone[0].strip() if zone else "")
        except ValueError:
            continue
    raise ValueError(text)


def _in_zone(date: datetime, zone: str) -> datetime:
    if zone[:1] not in ("+", "-"):
        return date
    hours, minutes = int(zone[1:3]), int(zone[-2:])
    ahead = timedelta(hours=hours, minutes=minutes)
    return date - ahead if zone[0] == "+" else date + ahead
