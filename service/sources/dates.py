"""Reads the time of sending, as mailers write it.

Usual dates (RFC 5322) are read by one regular expression. Others are read word by word: a word is a time, a year, a
day, a month in one of many languages, or a zone; other words are skipped.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from service.sources.date_words import LONG_ZONES, MONTHS, ZONES
from service.sources.encoded_words import decoded_words
from service.sources.headers import Headers
from service.text import fold
from service.times import EPOCH, MAX_AHEAD

BELIEVED = datetime(1971, 1, 1, tzinfo=UTC)  # older dates are those of clocks that were never set
DATE_CHARACTERS = 300  # of a header that are read
WORDS = 40

_USUAL = re.compile(
    r"\s*(?:[A-Za-z]{3},?\s+)?(\d{1,2})\s+([A-Za-z]{3})\s+(\d{4})\s+(\d{1,2}):(\d\d)(?::(\d\d))?\s+([+-])(\d\d)([0-5]\d)\b",
    re.ASCII,
)
_TIME = re.compile(
    r"(?<![\d:.])(\d{1,2})(?:[:h](\d\d)(?:[:.](\d\d))?|\.(\d\d)\.(\d\d))(?:[.,]\d+)?(?![\d:])"
    r"|(?<!\d)(\d{1,2})\s*[時时시點点]\s*(?:(\d{1,2})\s*[分분]\s*)?(?:(\d{1,2})\s*[秒초])?",
    re.ASCII,
)
_ISO = re.compile(r"(?<!\d)(\d{4})([-/.]?)(\d\d)\2(\d\d)(?=[T\s_,]|\Z)T?", re.ASCII)
_ISO_TIME = re.compile(r"(?<=\dT)(\d\d)(\d\d)(\d\d)?(?!\d|:)", re.ASCII)
_EASTERN = re.compile(r"(\d{4})\s*[年년]\s*(\d{1,2})\s*[月월]\s*(\d{1,2})\s*[日일]?", re.ASCII)
_NUMBERS = re.compile(r"(?<!\d)(\d{1,4})([-/.])\s?(\d{1,2})\2\s?(\d{1,4})\.?(?!\d)", re.ASCII)
_OFFSET = re.compile(
    r"(?:(?:GMT|UTC|UT|Z)\s?)?(?<!\d)([+\u2212-])(\d{1,2}):?(\d\d)?(?![\d:])", re.IGNORECASE | re.ASCII
)
_LOOSE_OFFSET = re.compile(
    r"(?:([+\u2212-])\s+|\s)(0\d|1[0-4])([0-5]\d)\s*\Z", re.ASCII
)  # a space after the sign, or no sign
_ZONE_NAME = re.compile(r"(?<![^\W\d_])[A-Za-z]{1,5}(?![^\W\d_])")
_LONG_ZONE = re.compile(r"((?:[a-z]+\.?\s+){1,3})(standard|mean|daylight|summer)\s+time\b", re.IGNORECASE | re.ASCII)
_HALF = re.compile(
    r"(?P<morning>\ba\.?\s?m\b\.?|上午|早上|凌晨|午前|오전)|(?P<afternoon>\bp\.?\s?m\b\.?|下午|午[後后]|오후)"
    r"|(?P<noon>中午)|(?P<evening>晚上)",
    re.IGNORECASE,
)
_WORD = re.compile(r"[^\W\d_]+|\d+")
_HYPHENS = re.compile(r"(?<!\d)(\d{1,2})-([^\W\d_]+\.?)-(\d{2,4})(?!\d)")
_COMMENT = re.compile(r"\(([^()]*)\)?")
_WEEKDAY = re.compile(r"^\s*[^\W\d_]+\.?\s*,")
_BEGIN = re.compile(rb"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*\b", re.IGNORECASE)
_UNIX = re.compile(r"\s*(\d{9,10})(?:\.\d*)?\s*", re.ASCII)  # seconds since 1970
_Y2K = re.compile(r"191\d\d\Z")
_PATCH = re.compile(rb"From [0-9a-f]{40} Mon Sep 17 00:00:00 2001")


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of an import, and how far ahead of it a message's date may lie."""

    now: datetime
    max_ahead: timedelta = MAX_AHEAD

    def believes(self, date: datetime) -> bool:
        return date - self.now <= self.max_ahead


def sent(headers: Headers, separator: bytes, clock: Clock) -> tuple[datetime, bool]:
    """The best known time of sending, and whether a better source had a date too far ahead of the clock.

    A date of 1970 counts only if the message has no other. Raises ValueError if the message has no valid date.
    """
    is_ahead, unset = False, None
    for date in _dates(headers, separator):
        if date < BELIEVED:
            unset = unset or date
        elif clock.believes(date):
            return date, is_ahead
        else:
            is_ahead = True
    if unset is not None:
        return unset, False
    if is_ahead:
        return clock.now, True
    raise ValueError("has no valid date in Date, Received, or the mailbox's separator line")


def _dates(headers: Headers, separator: bytes) -> Iterator[datetime]:
    """The valid dates, the best first: Date, then Received (the last server first), then the separator line.

    Received comes before the separator because it has a zone, and because some programs put the time of an export into
    the separator. Headers of redirected mail come last.
    """
    for value in headers.get("date", [])[:2]:
        if (date := parse_date(value)) is not None:
            yield date
    for value in (*headers.get("received", []), *headers.get("x-received", [])):
        if (date := parse_date(value.rpartition(";")[2])) is not None:
            yield date
    if separator and (date := _of_separator(separator)) is not None:
        yield date
    for name in ("delivery-date", "resent-date"):
        for value in headers.get(name, []):
            if (date := parse_date(value)) is not None:
                yield date


def parse_date(text: str) -> datetime | None:
    """The time in UTC, or None if the text has no day, or one that does not exist. Without a zone it is UTC."""
    usual = _USUAL.match(text)
    if usual is not None and (month := MONTHS.get(usual[2].lower())) is not None:
        year, hour, minute, second = int(usual[3]), int(usual[4]), int(usual[5]), int(usual[6] or 0)
        ahead = _ahead(usual[7], int(usual[8]), int(usual[9]))
        return _moment((year, month, int(usual[1])), (hour, minute, second), ahead)
    return _of_words(text[:DATE_CHARACTERS])


def _of_separator(separator: bytes) -> datetime | None:
    """The date in a separator line, such as: From ada@x.org Wed Jul 30 21:49:08 1993.

    The zone may stand before or after the year. The constant date that git writes for every patch is ignored.
    """
    if _PATCH.match(separator):
        return None
    line = separator[:1000].partition(b" remote from ")[0]
    begin = None
    for begin in _BEGIN.finditer(line):  # noqa: B007 - the last one is the date's
        pass
    words = line[begin.start() :] if begin is not None else line.partition(b" ")[2].partition(b" ")[2]
    return parse_date(words.decode("ascii", "replace")) if b":" in words else None


def _of_words(text: str) -> datetime | None:
    if (unix := _UNIX.fullmatch(text)) is not None:
        return datetime.fromtimestamp(int(unix[1]), UTC)
    if not text.isascii() or "=?" in text:
        text = decoded_words(text)
    comments = " ".join(_COMMENT.findall(text))
    text = _HYPHENS.sub(r"\1 \2 \3", _COMMENT.sub(" ", text))
    day, text = _calendar(text)
    clock, text = _time(text)
    ahead, text = _zone(text, comments)
    if day is None:
        day = _day_of_words(text)
    return _moment(day, clock, ahead) if day is not None else None


Day = tuple[int, int, int]
"""Year, month, day."""


def _calendar(text: str) -> tuple[Day | None, str]:
    """A day that is written in numbers, and the rest of the text."""
    if (iso := _ISO.search(text)) is not None:
        rest = text[iso.end() :]
        time = _ISO_TIME.match(text, iso.end())
        if time is not None:
            rest = f"{time[1]}:{time[2]}:{time[3] or '00'} {text[time.end() :]}"
        return (int(iso[1]), int(iso[3]), int(iso[4])), f"{text[: iso.start()]} {rest}"
    if (eastern := _EASTERN.search(text)) is not None:
        return (int(eastern[1]), int(eastern[2]), int(eastern[3])), text[eastern.end() :]
    has_month = any(fold(word) in MONTHS for word in _WORD.findall(text)[:WORDS])
    if not has_month and (numbers := _NUMBERS.search(text)) is not None and ":" not in text[: numbers.start()]:
        first, middle, last = int(numbers[1]), int(numbers[3]), int(numbers[4])
        rest = f"{text[: numbers.start()]} {text[numbers.end() :]}"
        if len(numbers[1]) > 2:
            return (first, middle, last), rest
        is_month_first = middle > 12 or (numbers[2] == "/" and first <= 12)
        month, day = (first, middle) if is_month_first else (middle, first)
        return (_year(numbers[4], last), month, day), rest
    return None, text


def _time(text: str) -> tuple[tuple[int, int, int], str]:
    """The time of day, or midnight, and the rest of the text."""
    found = _TIME.search(text)
    if found is None:
        return (0, 0, 0), text
    hour = int(found[1] or found[6])
    minute, second = int(found[2] or found[4] or found[7] or 0), int(found[3] or found[5] or found[8] or 0)
    rest = text[: found.start()] + " " + text[found.end() :]
    if (half := _HALF.search(rest)) is not None:
        rest = rest[: half.start()] + rest[half.end() :]
        if hour <= 12:
            hour = _of_half(str(half.lastgroup), hour % 12)
    return (hour, minute, second), rest


def _of_half(half: str, hour: int) -> int:
    """The hour of the day. `hour` is 0 for 12. Noon has 10 to 2; with "evening", 12 to 4 are after midnight."""
    is_second = {"morning": False, "afternoon": True, "noon": hour < 10, "evening": hour >= 5}
    return hour + 12 * is_second[half]


def _zone(text: str, comments: str) -> tuple[timedelta, str]:
    """How far the zone is ahead of UTC, by its number, or else by its name, which may be in the comments."""
    if (offset := _OFFSET.search(text) or _LOOSE_OFFSET.search(text)) is not None:
        rest = text[: offset.start()] + " " + text[offset.end() :]
        return _ahead(offset[1] or "+", int(offset[2]), int(offset[3] or 0)), rest
    if (named := _LONG_ZONE.search(text) or _LONG_ZONE.search(comments)) is not None:
        return _of_long_name(named), text.replace(named[0], " ")
    for words in (text, comments):
        for word in _ZONE_NAME.findall(words)[:WORDS]:
            if (minutes := ZONES.get(word.upper())) is not None and word.lower() not in MONTHS:
                return timedelta(minutes=minutes), text.replace(word, " ", 1) if words is text else text
    return timedelta(0), text


def _of_long_name(named: re.Match[str]) -> timedelta:
    """The offset of "W. Europe Daylight Time"; 0 for an unknown name."""
    words = named[1].lower().split()
    known = (LONG_ZONES.get(" ".join(words[at:])) for at in range(len(words)))
    minutes = next((minutes for minutes in known if minutes is not None), None)
    if minutes is None:
        return timedelta(0)
    return timedelta(minutes=minutes + 60 * (named[2].lower() in ("daylight", "summer")))


def _ahead(sign: str, hours: int, minutes: int) -> timedelta:
    """The offset; 0 if no time zone has it."""
    if hours > 15 or minutes > 59:
        return timedelta(0)
    ahead = timedelta(hours=hours, minutes=minutes)
    return ahead if sign == "+" else -ahead


def _day_of_words(text: str) -> Day | None:
    """The day of a text with the month as a word: 5 Mar 2024, Mar 5 2024, 5. März 2024, 5 de marzo de 2024."""
    text = _WEEKDAY.sub(" ", text)
    words = _WORD.findall(text)[:WORDS]
    months = [at for at, word in enumerate(words) if not word[0].isdigit() and fold(word) in MONTHS]
    numbers = [
        at
        for at, word in enumerate(words)
        if word.isascii() and word[0].isdigit() and (len(word) <= 4 or _Y2K.match(word))
    ]
    if not months or len(numbers) < 2:
        return None
    month = min(reversed(months), key=lambda at: min(abs(at - number) for number in numbers))
    years = [at for at in numbers if len(words[at]) > 2] or [numbers[-1]]
    days = [at for at in numbers if at != years[-1]]
    if not days:
        return None
    day = min(days, key=lambda at: abs(at - month))
    return _year(words[years[-1]], int(words[years[-1]])), MONTHS[fold(words[month])], int(words[day])


def _year(digits: str, year: int) -> int:
    """A year of two or three digits as RFC 5322 (4.3) reads it. 19100 is how some programs wrote 2000."""
    if len(digits) <= 2:
        return year + (2000 if year < 50 else 1900)
    if _Y2K.match(digits):
        return year - 17_100
    return year + 1900 if len(digits) == 3 else year


def _moment(day: Day, clock: tuple[int, int, int], ahead: timedelta) -> datetime | None:
    """The time in UTC. A leap second becomes the last millisecond of its minute; 24:00 is the end of its day."""
    hour, minute, second = clock
    if hour > 24 or minute > 59 or second > 61 or (hour == 24 and minute + second > 0):
        return None
    try:
        date = datetime(*day, hour % 24, minute, min(second, 59), 999_000 * (second > 59), UTC) - ahead
        date = date + timedelta(days=1) if hour == 24 else date
    except (ValueError, OverflowError):
        return None
    return date if date >= EPOCH else None
