"""Parses times and spans: dates, RFC 3339 times, times relative to now, and spans of these.

Every function raises ValueError, and its text says what is allowed.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo, available_timezones

from service.message_texts import nearest
from service.query.fields import Operator
from service.times import LAST, parse_time

UTC_ZONE = ZoneInfo("UTC")
Unit = Literal["h", "d", "w"]
HOURS: dict[str, int] = {"h": 1, "d": 24, "w": 24 * 7}
TIMES_ALLOWED = "a date (2024, 2024-07, 2024-07-01), an RFC 3339 time, or so long ago (-12h, -7d, -2w)"

FIRST = datetime(1, 1, 1, tzinfo=UTC)  # the earliest possible time; LAST is the latest
NO_ZONES = frozenset({"EST", "Factory", "HST", "MST", "ROC", "localtime", "posixrules"})  # Java does not know these

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_FINER = re.compile(r":(?!60)\d\d\.\d{3}\d*[1-9]", re.ASCII)  # finer than a millisecond; a leap second becomes .999
_LIKE_SPAN = re.compile(r"[<>=~]|(?<=\d)(?:-|\.|to|–)\d{4}", re.ASCII)  # such as >2024, or 2024-01-01-2024-03-01
_OR_SPAN = "; a span is written with .., as 2024-01..2024-03, 2024.. or ..2024"
_AGO = re.compile(r"-(\d{1,5})([hdw])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ago:
    """A time before now. It stays relative in the query, so all requests of a walk have the same query."""

    amount: int
    unit: Unit

    def at(self, now: datetime) -> datetime:
        """The time, rounded down to the minute, so that OpenSearch can answer a repeated query from its cache."""
        moment = now.replace(second=0, microsecond=0) - timedelta(hours=self.amount * HOURS[self.unit])
        return max(moment, FIRST)

    def __str__(self) -> str:
        return f"-{self.amount}{self.unit}"


Moment = datetime | Ago
Limit = Moment | int
Bounds = tuple[tuple[Operator, Limit], ...]


@dataclass(frozen=True, slots=True)
class Time:
    """A moment or, for a date, the span of its days. `end` is the first moment after the span.

    With `is_later`, the moment is after `start` and before the next millisecond. Stored times are whole milliseconds.
    """

    start: Moment
    end: Moment | None = None
    is_later: bool = False

    def bound(self, operator: Operator) -> tuple[Operator, Moment]:
        """This time as a bound. A date means all of its days: `gt` begins after the last one, `lte` includes it."""
        if self.end is None:
            return _OF_LATER.get(operator, operator) if self.is_later else operator, self.start
        behind: Operator = "gt" if self.end == LAST else "gte"
        up_to: Operator = "lte" if self.end == LAST else "lt"
        bounds: dict[Operator, tuple[Operator, Moment]] = {
            "gte": ("gte", self.start), "gt": (behind, self.end), "lt": ("lt", self.start), "lte": (up_to, self.end),
        }  # fmt: skip
        return bounds[operator]


_OF_LATER: dict[Operator, Operator] = {"gte": "gt", "lt": "lte"}


def parse_zone(text: str) -> ZoneInfo:
    """Parses a name of the IANA time zone database, such as Europe/Berlin."""
    if text not in _zones():
        near = nearest(text, tuple(sorted(_zones())))
        raise ValueError(f"must be a time zone of the IANA database, such as UTC or Europe/Berlin{near}")
    return ZoneInfo(text)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - NO_ZONES


def parse_when(text: str, zone: ZoneInfo) -> Time:
    """Parses a date (all of its days in this zone), an RFC 3339 time, or a time such as -7d."""
    if found := _AGO.fullmatch(text):
        return Time(Ago(int(found[1]), "h" if found[2] == "h" else "d" if found[2] == "d" else "w"))
    if found := _DATE.fullmatch(text):
        year, month, day = (None if part is None else int(part) for part in found.groups())
        try:
            first = date(year or 0, month or 1, day or 1)
        except ValueError:
            raise ValueError(f"{_no_such(month, day)}; it must be {TIMES_ALLOWED}") from None
        return Time(_midnight(first, zone), _midnight(_following(first, month, day), zone))
    try:
        return Time(parse_time(text), is_later=_FINER.search(text) is not None)
    except ValueError:
        raise ValueError(f"must be {TIMES_ALLOWED}") from None


def _no_such(month: int | None, day: int | None) -> str:
    if month is not None and not 1 <= month <= 12:
        return f"there is no month {month:02}"
    return "there is no such year" if day is None else "there is no such day"


def parse_span(text: str, zone: ZoneInfo) -> Bounds:
    """Parses a time or a span: 2024-01, 2024-01..2024-03, -7d.. or ..2023."""
    left, dots, right = text.partition("..")
    if not dots:
        try:
            when = parse_when(text, zone)
        except ValueError as error:
            raise ValueError(f"{error}{_OR_SPAN if _LIKE_SPAN.search(text) else ''}") from None
        if isinstance(when.start, Ago):
            return (when.bound("gte"),)
        return when.bound("gte"), when.bound("lte")
    if not left and not right:
        raise ValueError(f"must have at least one end, and each end must be {TIMES_ALLOWED}")
    bounds: list[tuple[Operator, Moment]] = []
    if left:
        bounds.append(parse_when(left, zone).bound("gte"))
    if right:
        bounds.append(parse_when(right, zone).bound("lte"))
    check_order(tuple(bounds))
    return tuple(bounds)


def check_order(bounds: Bounds, now: datetime | None = None) -> None:
    """Raises ValueError if nothing can be within the bounds, for example because they are swapped."""
    now = now or datetime.now(UTC)
    lows = [(_at(limit, now), operator) for operator, limit in bounds if operator in ("gte", "gt")]
    highs = [(_at(limit, now), operator) for operator, limit in bounds if operator in ("lte", "lt")]
    for low, lower in lows:
        for high, upper in highs:
            if low > high or (low == high and (lower, upper) != ("gte", "lte")):
                raise ValueError("ends before it begins: nothing can be within its bounds")


def _at(limit: Limit, now: datetime) -> int:
    """A number that orders limits of one kind: the number itself, or the microseconds since FIRST."""
    if isinstance(limit, int):
        return limit
    return ((limit.at(now) if isinstance(limit, Ago) else limit) - FIRST) // timedelta(microseconds=1)


def _midnight(day: date | None, zone: ZoneInfo) -> datetime:
    """The start of the day in the zone, in UTC: LAST for None, and FIRST or LAST if it is out of range."""
    if day is None:
        return LAST
    try:
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return FIRST if day.year == 1 else LAST


def _following(first: date, month: int | None, day: int | None) -> date | None:
    """The first day after the year, month or day that begins with `first`; None after the year 9999."""
    try:
        if day is not None:
            return first + timedelta(days=1)
        if month is not None:
            return date(first.year + month // 12, month % 12 + 1, 1)
        return date(first.year + 1, 1, 1)
    except (OverflowError, ValueError):
        return None
