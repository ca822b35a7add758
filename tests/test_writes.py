"""The body of a bulk request: its lines and their numbers, and that other tasks run while they are judged."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api import writes
from service.api.writes import MAX_LINES, Line, parse_lines
from service.errors import TooLarge

DAY = timedelta(days=1)
ORGANIZATION = UUID(int=1)


def parsed(body: bytes) -> list[Line]:
    return asyncio.run(parse_lines(body, frozenset({ORGANIZATION}), max_ahead=DAY))


@given(
    st.lists(st.sampled_from([b"", b" ", b"\r", b"x", b" x ", b"{}\r", b"\x0b", b"\xff", b"\xef\xbb\xbf"]), max_size=12)
)
def test_every_line_that_is_not_blank_has_its_number(texts: list[bytes]) -> None:
    body = b"\n".join(texts)
    expected = [
        number for number, text in enumerate(body.removeprefix(b"\xef\xbb\xbf").split(b"\n"), 1) if text.strip()
    ]
    assert [line.number for line in parsed(body)] == expected


def test_blank_lines_do_not_count_however_many() -> None:
    body = b"\n \r\n" * 1_000_000 + b"{}" + b"\n" * 1_000_000
    assert [line.number for line in parsed(body)] == [2_000_001]


def test_too_many_lines_are_refused_with_their_number() -> None:
    assert len(parsed(b"{}\n" * MAX_LINES)) == MAX_LINES
    with pytest.raises(TooLarge, match=r"at most 5,000 lines, this one has 5,001:"):
        parsed(b"{}\n" * (MAX_LINES + 1))


def test_other_tasks_run_while_lines_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a budget of 0 s, they run after each line."""
    monkeypatch.setattr(writes, "STEP_SECONDS", 0.0)
    turns = 0

    async def both() -> None:
        async def turn() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        turning = asyncio.create_task(turn())
        await parse_lines(b"{}\n" * 500, frozenset(), max_ahead=DAY)
        turning.cancel()

    asyncio.run(both())
    assert turns >= 1000
