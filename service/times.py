"""Parses and formats RFC 3339 times, in UTC and milliseconds, and checks that versions are not in the future."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
LAST = datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
MAX_AHEAD = timedelta(days=1)

_RFC3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:(\d\d)(?:\.\d+)?(?:[Zz]|[+-]\d\d:\d\d)", re.ASCII)
_SECONDS = slice(17, 19)  # the position of the seconds in an RFC 3339 time
_FORM = "must be an RFC 3339 time with an offset, such as 2024-07-01T12:00:00.000Z"
_EXISTING = f"{_FORM}: this day, hour (00 to 23), minute, second or offset (up to 23:59) does not exist"


def parse_time(value: object) -> datetime:
    """Parses an RFC 3339 time, or takes an aware datetime. Returns it in UTC, truncated to the millisecond.

    A leap second (23:59:60 in UTC; RFC 3339, 5.7) becomes the last millisecond before it, so that it stays in its day.
    The hour 24 of ISO 8601 is refused, because RFC 3339 does not have it. Raises ValueError.
    """
    if isinstance(value, str):
        return _parsed(value)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(_FORM)
    return _in_utc(value)


def _parsed(text: str) -> datetime:
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(_FORM)
    is_leap = match[1] == "60"
    if is_leap:
        text = f"{text[: _SECONDS.start]}59{text[_SECONDS.stop :]}"
    if text[11:13] == "24":  # newer versions of Python accept it
        raise ValueError(_EXISTING)
    try:
        value = datetime.fromisoformat(text.upper())
    except ValueError:
        raise ValueError(_EXISTING) from None
    value = _in_utc(value)
    return _before_leap(value) if is_leap else value


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is not UTC:
        try:
            value = value.astimezone(UTC)
        except OverflowError:
            raise ValueError("must lie in the years 1 to 9999 in UTC") from None
    finer = value.microsecond % 1000
    return value.replace(microsecond=value.microsecond - finer) if finer else value


def _before_leap(value: datetime) -> datetime:
    if (value.hour, value.minute) != (23, 59):
        raise ValueError("must not have the second 60: only the last minute of a day in UTC can have a leap second")
    return value.replace(microsecond=999_000)


def parse_version(value: object) -> datetime:
    """Like `parse_time`, for a document's version, which must not lie before 1970. Raises ValueError."""
    version = parse_time(value)
    if version < EPOCH:
        raise ValueError("must not lie before 1970: it is the version of the document, and versions are not negative")
    return version


def check_not_ahead(version: datetime, most: timedelta, *, now: datetime | None = None) -> None:
    """Raises ValueError if a version lies further ahead of the clock than `most`.

    A version from a wrong clock would win against every later write until that time. Every way to write makes this
    check. The validation of documents does not, so that the validity of a stored document does not depend on the clock.
    """
    if version - (now or datetime.now(UTC)) > most:
        raise ValueError(f"must not lie more than {_span(most)} ahead of the clock")


def _span(span: timedelta) -> str:
    if span and span % timedelta(days=1) == timedelta():
        return f"{span.days:,} day{'s' if span.days > 1 else ''}"
    return f"{span.total_seconds():,.0f} seconds"


def format_time(value: datetime) -> str:
    """The time, which must be in UTC, in RFC 3339 with milliseconds and `Z`: 2024-07-01T12:00:00.000Z."""
    return f"{value.isoformat(timespec='milliseconds')[:-6]}Z"  # without +00:00


def epoch_milliseconds(value: datetime) -> int:
    """The milliseconds since 1970."""
    return (value - EPOCH) // timedelta(milliseconds=1)
