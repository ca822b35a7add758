"""Texts that callers write -> times and bounds: dates, RFC 3339 times, so long ago, spans of these.

Every function raises ValueError saying what is allowed; who calls knows where the text stood.
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

FIRST = datetime(1, 1, 1, tzinfo=UTC)  # no time can lie before it, or behind LAST
NO_ZONES = frozenset({"EST", "Factory", "HST", "MST", "ROC", "localtime", "posixrules"})  # Java does not know these

_DATE = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
_AGO = re.compile(r"-(\d{1,5})([hdw])", re.ASCII)


@dataclass(frozen=True, slots=True)
class Ago:
    """So long before now: resolved when a request is answered, so that a walk's later requests ask the same."""

    amount: int
    unit: Unit

    def at(self, now: datetime) -> datetime:
        """To the minute, so that the same question asked again within one may be answered from a cache."""
        moment = now.replace(second=0, microsecond=0) - timedelta(hours=self.amount * HOURS[self.unit])
        return max(moment, FIRST)

    def __str__(self) -> str:
        return f"-{self.amount}{self.unit}"


Moment = datetime | Ago
Limit = Moment | int
Bounds = tuple[tuple[Operator, Limit], ...]


@dataclass(frozen=True, slots=True)
class Time:
    """A moment, or a span of whole days where only a date was given; `end` is the first moment behind it."""

    start: Moment
    end: Moment | None = None

    def bound(self, operator: Operator) -> tuple[Operator, Moment]:
        """A date as a bound means all of it: `gt` begins behind it, `lte` ends with it."""
        if self.end is None:
            return operator, self.start
        behind: Operator = "gt" if self.end == LAST else "gte"
        up_to: Operator = "lte" if self.end == LAST else "lt"
        bounds: dict[Operator, tuple[Operator, Moment]] = {
            "gte": ("gte", self.start), "gt": (behind, self.end), "lt": ("lt", self.start), "lte": (up_to, self.end),
        }  # fmt: skip
        return bounds[operator]


def parse_zone(text: str) -> ZoneInfo:
    """A name of the IANA time zone database, such as Europe/Berlin."""
    if text not in _zones():
        near = nearest(text, tuple(sorted(_zones())))
        raise ValueError(f"must be a time zone of the IANA database, such as UTC or Europe/Berlin{near}")
    return ZoneInfo(text)


@functools.cache
def _zones() -> frozenset[str]:
    return frozenset(available_timezones()) - NO_ZONES


def parse_when(text: str, zone: ZoneInfo) -> Time:
    """A date (all of its days in that zone), an RFC 3339 time, or so long ago."""
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
        return Time(parse_time(text))
    except ValueError:
        raise ValueError(f"must be {TIMES_ALLOWED}") from None


def _no_such(month: int | None, day: int | None) -> str:
    if month is not None and not 1 <= month <= 12:
        return f"there is no month {month:02}"
    return "there is no such year" if day is None else "there is no such day"


def parse_span(text: str, zone: ZoneInfo) -> Bounds:
    """A time, or two with .. between, of which one may be left out: 2024-01..2024-03, -7d.., ..2023."""
    left, dots, right = text.partition("..")
    if not dots:
        when = parse_when(text, zone)
        if isinstance(when.start, Ago):
            return (when.bound("gte"),)
        return when.bound("gte"), when.bound("lte")
    if not left and not right:
        raise ValueError(f"must name one end at least, each of them {TIMES_ALLOWED}")
    bounds: list[tuple[Operator, Moment]] = []
    if left:
        bounds.append(parse_when(left, zone).bound("gte"))
    if right:
        bounds.append(parse_when(right, zone).bound("lte"))
    check_order(tuple(bounds))
    return tuple(bounds)


def check_order(bounds: Bounds, now: datetime | None = None) -> None:
    """Raises ValueError where nothing can lie between the bounds, as when they were taken for each other."""
    now = now or datetime.now(UTC)
    lows = [(_at(limit, now), operator) for operator, limit in bounds if operator in ("gte", "gt")]
    highs = [(_at(limit, now), operator) for operator, limit in bounds if operator in ("lte", "lt")]
    for low, lower in lows:
        for high, upper in highs:
            if low > high or (low == high and (lower, upper) != ("gte", "lte")):
                raise ValueError("ends before it begins: nothing can lie between its bounds")


def _at(limit: Limit, now: datetime) -> int:
    """A number that orders limits of one kind: the number itself, or the microseconds since FIRST."""
    if isinstance(limit, int):
        return limit
    return ((limit.at(now) if isinstance(limit, Ago) else limit) - FIRST) // timedelta(microseconds=1)


def _midnight(day: date | None, zone: ZoneInfo) -> datetime:
    """When the day begins in the zone, in UTC; no day is the one behind the last. What lies outside time is its end."""
    if day is None:
        return LAST
    try:
        return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
    except OverflowError:
        return FIRST if day.year == 1 else LAST


def _following(first: date, month: int | None, day: int | None) -> date | None:
    """The first day behind the year, the month or the day that begins with `first`; None behind the year 9999."""
    try:
        if day is not None:
            return first + timedelta(days=1)
        if month is not None:
            return date(first.year + month // 12, month % 12 + 1, 1)
        return date(first.year + 1, 1, 1)
    except (OverflowError, ValueError):
        return None
