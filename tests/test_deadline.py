"""The deadline of a request: what remains of it, and the middleware around small ASGI applications."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.middleware.deadline import Deadline
from service.deadline import remaining, within
from service.errors import BodyIncomplete, SearchTimeout, SlowRequest
from tests import virtual_time

SECONDS = 0.2
Received = Callable[[], Awaitable[dict[str, Any]]]


async def _for_ever() -> dict[str, Any]:
    await asyncio.Event().wait()
    raise AssertionError("an event that nobody sets was set")


def run(
    app: Any,
    *messages: dict[str, Any],
    method: str = "POST",
    then: Received = _for_ever,
    body_seconds: float = SECONDS,
) -> list[dict[str, Any]]:
    """What the application sent. It receives these messages, and after them those of `then`."""
    sent: list[dict[str, Any]] = []
    left = list(messages)

    async def receive() -> dict[str, Any]:
        return left.pop(0) if left else await then()

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": method, "state": {"notes": {}}}
    virtual_time.run(Deadline(app, seconds=SECONDS, body_seconds=body_seconds)(scope, receive, send))  # type: ignore[arg-type]
    return sent


@pytest.mark.parametrize("reads_body", [False, True])
def test_an_answer_that_has_begun_may_take_any_time(reads_body: bool) -> None:
    """While an answer is streamed, the server calls receive() to notice a disconnect, not to read a body."""

    async def app(_scope: Any, receive: Any, send: Any) -> None:
        if reads_body:
            await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        watching = asyncio.create_task(receive())
        for _ in range(4):
            await asyncio.sleep(SECONDS)
            await send({"type": "http.response.body", "body": b"x", "more_body": True})
        watching.cancel()
        await send({"type": "http.response.body", "body": b""})

    body = [{"type": "http.request", "body": b""}] if reads_body else []
    sent = run(app, *body, method="GET")
    assert [message.get("body") for message in sent[1:]] == [b"x"] * 4 + [b""]


def test_a_body_that_ends_before_it_is_complete_is_the_callers_fault() -> None:
    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        while (await receive()).get("more_body"):
            pass

    begun = {"type": "http.request", "body": b"{}", "more_body": True}
    with pytest.raises(BodyIncomplete):
        run(app, begun, {"type": "http.disconnect"})


def test_a_slow_body_and_a_slow_handler_are_different_errors() -> None:
    async def reads(_scope: Any, receive: Any, _send: Any) -> None:
        await receive()

    async def thinks(_scope: Any, _receive: Any, _send: Any) -> None:
        await asyncio.Event().wait()

    with pytest.raises(SlowRequest):
        run(reads)
    with pytest.raises(SearchTimeout):
        run(thinks)


@given(st.integers(0, 99), st.integers(1, 99), st.none() | st.integers(1, 99), st.integers(0, 200))
def test_the_remaining_time_ends_at_the_deadline_and_has_a_maximum(
    slept: int, left: int, moved: int | None, most: int
) -> None:
    """If the deadline is moved, the new one counts."""

    ends = left if moved is None else moved

    async def waits() -> None:
        async with within(slept + left) as limit:
            await asyncio.sleep(slept)
            if moved is not None:
                limit.reschedule(asyncio.get_running_loop().time() + moved)
            assert remaining(most) == min(most, ends)
            await asyncio.Event().wait()

    async def work() -> float:
        assert remaining(most) == most
        with pytest.raises(TimeoutError):
            await waits()
        assert remaining(most) == most
        return asyncio.get_running_loop().time()

    assert virtual_time.run(work()) == slept + ends


@pytest.mark.parametrize(
    ("size", "every", "ends"),
    [
        (1, 1.0, 10.0),  # 1 byte a second: as if nothing had come
        (25_000, 1.0, 20.0),  # 10 + 0.5 t = t
        (100_000, 1.0, 60.0),  # quick enough, but never complete
        (1_000_000, 100.0, 10.0),
    ],
)
def test_a_body_must_keep_a_minimum_speed(size: int, every: float, ends: float) -> None:
    """50,000 bytes a second, after the first 10 s."""
    clock: list[float] = []

    async def more() -> dict[str, Any]:
        await asyncio.sleep(every)
        return {"type": "http.request", "body": b"x" * size, "more_body": True}

    async def app(_scope: Any, receive: Any, _send: Any) -> None:
        clock.append(asyncio.get_running_loop().time())
        try:
            while True:
                await receive()
        finally:
            clock.append(asyncio.get_running_loop().time())

    with pytest.raises(SlowRequest, match="50,000 bytes a second"):
        run(app, then=more, body_seconds=60.0)
    assert clock[1] - clock[0] == pytest.approx(ends, abs=1.1)
