"""Times: what is accepted, what it becomes, what is refused, and how far ahead of the clock a version may be."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.times import EPOCH, LAST, check_not_ahead, epoch_milliseconds, format_time, parse_time, parse_version

moments = st.datetimes(timezones=st.just(UTC))
offsets = st.integers(-23 * 60 - 59, 23 * 60 + 59).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(moments)
def test_what_is_written_is_read_to_the_millisecond(moment: datetime) -> None:
    text = format_time(moment)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", text)
    found = parse_time(text)
    assert timedelta() <= moment - found < timedelta(milliseconds=1)
    assert format_time(found) == text


@given(moments.filter(lambda moment: 2 < moment.year < 9998), offsets)
def test_the_offset_does_not_matter(moment: datetime, offset: timezone) -> None:
    assert parse_time(moment.astimezone(offset).isoformat()) == parse_time(moment)


@given(moments, moments)
def test_the_order_of_times_is_that_of_their_texts_and_versions(one: datetime, other: datetime) -> None:
    texts = [format_time(one), format_time(other)]
    parsed = [parse_time(text) for text in texts]
    versions = [epoch_milliseconds(moment) for moment in parsed]
    assert (texts[0] < texts[1]) == (parsed[0] < parsed[1]) == (versions[0] < versions[1])


@given(st.text(max_size=40) | st.from_regex(r"\A\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)\Z"))
def test_any_text_is_a_time_in_utc_or_is_refused_in_one_sentence(text: str) -> None:
    try:
        found = parse_time(text)
    except ValueError as error:
        told = str(error)
    else:
        told = "must be the same again"
        assert found.tzinfo is UTC
        assert found.microsecond % 1000 == 0
        assert parse_time(format_time(found)) == found
    assert told.startswith("must ")


@pytest.mark.parametrize(
    ("given_time", "kept"),
    [
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999Z"),
        ("2016-12-31T23:59:60.5+00:00", "2016-12-31T23:59:59.999Z"),
        ("1990-12-31T15:59:60-08:00", "1990-12-31T23:59:59.999Z"),
        ("2017-01-01T05:29:60.25+05:30", "2016-12-31T23:59:59.999Z"),
        ("9999-12-31T23:59:60Z", "9999-12-31T23:59:59.999Z"),
        ("2024-07-01T12:00:00-00:00", "2024-07-01T12:00:00.000Z"),
        ("2024-07-01T12:00:00+23:59", "2024-06-30T12:01:00.000Z"),
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.999Z"),
        (f"2024-07-01T12:00:00.{'1' * 100_000}Z", "2024-07-01T12:00:00.111Z"),
    ],
)
def test_leap_seconds_and_the_ends_of_time_are_kept_as_documented(given_time: str, kept: str) -> None:
    assert format_time(parse_time(given_time)) == kept


def test_a_leap_second_stands_between_its_neighbours() -> None:
    before, leap, after = map(parse_time, ("2016-12-31T23:59:59Z", "2016-12-31T23:59:60Z", "2017-01-01T00:00:00Z"))
    assert before < leap < after
    assert leap.date() == before.date()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ("2024-07-01T24:00:00Z", "does not exist"),
        ("2024-07-01T24:00:01Z", "does not exist"),
        ("2024-07-01T12:00:60Z", "second 60"),
        ("2024-07-01T23:59:60+01:00", "second 60"),
        ("2024-07-01T23:59:61Z", "does not exist"),
        ("2024-02-30T12:00:00Z", "does not exist"),
        ("0000-01-01T00:00:00Z", "does not exist"),
        ("10000-01-01T00:00:00Z", "RFC 3339"),
        ("2024-07-01T12:00:00+24:00", "does not exist"),
        ("2024-07-01T12:00:00+23:60", "does not exist"),
        ("9999-12-31T23:59:59-00:01", "years 1 to 9999"),
        ("0001-01-01T00:00:00+00:01", "years 1 to 9999"),
        ("9999-12-31T23:59:60-00:01", "years 1 to 9999"),
        ("2024-07-01T12:00:00.Z", "RFC 3339"),
        ("2024-07-01T12:00:00Z\n", "RFC 3339"),
        ("２０２４-07-01T12:00:00Z", "RFC 3339"),
        ("2024-07-01T12:00:00", "RFC 3339"),
        (datetime(2024, 7, 1), "RFC 3339"),
        (True, "RFC 3339"),
    ],
)
def test_what_does_not_exist_is_refused_with_what_is_right(wrong: object, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        parse_time(wrong)


def test_a_version_does_not_lie_before_1970() -> None:
    assert parse_version("1970-01-01T00:00:00Z") == EPOCH
    with pytest.raises(ValueError, match="before 1970"):
        parse_version("1969-12-31T23:59:59.999Z")


def test_a_version_too_far_ahead_of_the_clock_is_refused() -> None:
    now = datetime(2024, 7, 1, tzinfo=UTC)
    day, second = timedelta(days=1), timedelta(seconds=1)
    check_not_ahead(now + day, day, now=now)
    check_not_ahead(EPOCH, timedelta(), now=now)
    check_not_ahead(LAST, timedelta(seconds=400_000_000_000), now=now)
    for most, told in ((day, "1 day"), (7 * day, "7 days"), (3_600 * second, "3,600 seconds"), (0 * day, "0 seconds")):
        with pytest.raises(ValueError, match=f"more than {told} ahead of the clock"):
            check_not_ahead(now + most + second, most, now=now)
    with pytest.raises(ValueError, match="ahead"):
        check_not_ahead(LAST, day)
