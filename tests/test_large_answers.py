"""Large answers that nobody reads: how many bytes of them there may be, and how slowly a client may read."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import pytest
from litestar import Litestar, Response, get
from litestar.params import FromPath
from litestar.response import Stream

from service.api import conditional_requests
from service.api.errors import error_response
from service.api.limits import CHARGED, Limits
from service.api.middleware.answer_bytes import AnswerBytes
from service.api.requests import ApiRequest
from service.settings import Settings
from tests import virtual_time
from tests.slow_reader import assert_cut_off_after_30_seconds, made

LARGE, SMALL = 20_000_000, 900_000


class Rig:
    """An application and clients that read only the first part of an answer.

    Answers have `size` bytes. Callers have names such as one@its-organization.
    """

    def __init__(self) -> None:
        self.limits = Limits.of(Settings.load())

        @get("/{who:str}/{size:int}")
        async def page(request: ApiRequest, who: FromPath[str], size: FromPath[int]) -> Response[bytes] | Stream:
            pieces = [b"x" * 100_000] * (size // 100_000)
            request.scope["state"][CHARGED], _, organization = who.partition("@")
            hold = partial(self.limits.hold_answer, request.scope, organization or who)
            return await conditional_requests.answer(request, pieces, {}, hold=hold)

        handlers: Any = {Exception: error_response}
        self.app = AnswerBytes(Litestar([page], exception_handlers=handlers, logging_config=None, openapi_config=None))
        self.reads = asyncio.Event()

    async def holds(self, size: int) -> None:
        """Waits until the answers that nobody reads have so many bytes."""
        async with asyncio.timeout(60):
            while self.limits.answers.organizations._held != size:  # noqa: ASYNC110
                await asyncio.sleep(0.01)

    async def ask(self, who: str, size: int, *, etag: str = "") -> tuple[int, int]:
        """The status and the bytes of the answer."""
        found = [0, 0]
        is_complete = asyncio.Event()

        async def send(message: Any) -> None:
            if message["type"] == "http.response.start":
                found[0] = message["status"]
            elif message["body"]:
                found[1] += len(message["body"])
                if found[0] == 200:
                    await self.reads.wait()
            if message["type"] == "http.response.body" and not message.get("more_body"):
                is_complete.set()

        async def receive() -> Any:
            await is_complete.wait()
            return {"type": "http.disconnect"}

        scope: Any = {
            "type": "http", "path": f"/{who}/{size}", "raw_path": b"/", "root_path": "", "method": "GET",
            "query_string": b"", "headers": [(b"if-none-match", etag.encode())], "state": {"notes": {"request_id": "an-id"}},
            "scheme": "http", "server": ("x", 1), "client": ("y", 2), "http_version": "1.1", "asgi": {"version": "3.0"},
        }  # fmt: skip
        await self.app(scope, receive, send)
        return found[0], found[1]


@pytest.mark.slow
def test_answers_that_nobody_reads_are_bounded_in_all_and_for_each_organization() -> None:
    async def work() -> None:
        rig = Rig()
        unread = [asyncio.create_task(rig.ask("one", LARGE)) for _ in range(3)]
        await rig.holds(3 * LARGE)
        assert (await rig.ask("one", LARGE))[0] == 429, "also while it is alone"
        unread += [asyncio.create_task(rig.ask("one", SMALL)) for _ in range(20)]
        assert (await rig.ask("one", LARGE, etag="*"))[0] == 304
        unread += [asyncio.create_task(rig.ask("two", LARGE)) for _ in range(3)]
        await rig.holds(6 * LARGE)
        assert (await rig.ask("three", LARGE))[0] == 503
        unread.pop(0).cancel()  # its client goes
        await rig.holds(5 * LARGE)
        unread += [asyncio.create_task(rig.ask("three", LARGE))]
        await rig.holds(6 * LARGE)
        rig.reads.set()
        assert {*await asyncio.gather(*unread)} == {(200, LARGE), (200, SMALL)}
        assert rig.limits.answers.organizations._held == 0

    asyncio.run(work())


@pytest.mark.slow
def test_a_caller_of_two_organizations_holds_half_of_all_at_most() -> None:
    async def work() -> None:
        rig = Rig()
        unread = [asyncio.create_task(rig.ask(f"one@{number}", LARGE)) for number in (1, 2, 1)]
        await rig.holds(3 * LARGE)
        assert (await rig.ask("one@2", LARGE))[0] == 429
        unread += [asyncio.create_task(rig.ask("other@2", LARGE)) for _ in range(2)]
        await rig.holds(5 * LARGE)
        rig.reads.set()
        assert {*await asyncio.gather(*unread)} == {(200, LARGE)}
        assert rig.limits.answers.organizations._held == rig.limits.answers.callers._held == 0

    asyncio.run(work())


@pytest.mark.parametrize(
    ("speed", "part", "lasts"),
    [
        (0, 250_000, 30),
        (8_000, 250_000, 50),  # 30 s, and 0.4 s back for each second
        (8_000, 10_000_000, 50),  # all at once
        (15_000, 250_000, 120),
        pytest.param(25_000, 250_000, None, marks=pytest.mark.slow),
        pytest.param(25_000, 10_000_000, None, marks=pytest.mark.slow),
        (1_000_000, 250_000, None),
    ],
)
def test_a_client_that_reads_too_slowly_for_long_is_cut_off(speed: float, part: int, lasts: float | None) -> None:
    async def work() -> float | None:
        protocol, reader = made(speed)
        clock = asyncio.get_running_loop().time
        for _ in range(100_000_000 // part):
            reader.write(part)
            protocol.pause_writing()
            while reader.get_write_buffer_size() > 16_384:
                await asyncio.sleep(0.1)
                if reader.is_gone:
                    return clock()
            protocol.resume_writing()
            await asyncio.sleep(5)  # OpenSearch takes its time, which is not the client's
        return None

    found = virtual_time.run(work())
    assert found == (lasts if lasts is None else pytest.approx(lasts, rel=0.4)), found


def test_reading_quickly_gives_no_more_time_later() -> None:
    async def work() -> None:
        protocol, reader = made(10_000_000)
        for _ in range(1_000):
            reader.write(250_000)
            protocol.pause_writing()
            await asyncio.sleep(0.025)
            protocol.resume_writing()
        reader.speed = 0
        reader.write(250_000)
        protocol.pause_writing()
        await assert_cut_off_after_30_seconds(reader)

    virtual_time.run(work())
