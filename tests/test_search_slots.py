"""A search gets its slot before Litestar handles it, if its organization is known without much work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from service.api.auth import Tokens
from service.api.limits import CHARGED, SHED, Limits
from service.api.middleware.deadline import Deadline
from service.api.middleware.search_slots import SearchSlots
from service.errors import SearchTimeout
from service.identity.caller import Caller
from service.settings import Settings
from tests import virtual_time

ONE, TWO, THREE = (UUID(int=number, version=4) for number in (1, 2, 3))
LIST = "/api/conversations"
ADA = Caller("ada", frozenset(), None).identity


class Rig:
    """The middleware around an application. `held` notes the used slots when a request comes, works and is answered."""

    def __init__(self, settings: Settings) -> None:
        self.tokens = Tokens(settings)
        self.limits = Limits.of(settings)
        self.token = self.tokens.mint("ada", [ONE, TWO], default=ONE)
        self.held: list[tuple[str, int]] = []
        self.sent: list[dict[str, Any]] = []
        seconds = settings.request_timeout
        within = Deadline(self._application, seconds=seconds, body_seconds=seconds)
        self.slots = SearchSlots(within, tokens=self.tokens, limits=self.limits, seconds=seconds)
        self.fails = False
        self.takes = 0.0

    async def _application(self, scope: Any, _receive: Any, send: Any) -> None:
        self.held.append(("comes", self.limits.searches._held))
        async with self.limits.search(scope, scope["asked"]):
            self.held.append(("works", self.limits.searches._held))
        await asyncio.sleep(self.takes)
        if self.fails:
            raise ValueError("a fault")
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def _send(self, message: Any) -> None:
        if message["type"] == "http.response.start":
            self.held.append(("begins", self.limits.searches._held))
        self.sent.append(message)

    async def ask(
        self, query: str, *, path: str = LIST, token: str | None = None, asked: UUID = ONE, method: str = "GET"
    ) -> dict[str, Any]:
        authorization = f"Bearer {token or self.token}".encode()
        scope: Any = {
            "type": "http", "path": path, "method": method, "query_string": query.encode(), "asked": asked,
            "headers": [(b"authorization", authorization)], "state": {"notes": {"request_id": "an-id"}},
        }  # fmt: skip

        async def receive() -> Any:
            return await asyncio.Event().wait()

        await self.slots(scope, receive, self._send)
        state: dict[str, Any] = scope["state"]
        return state

    async def remember(self) -> None:
        await self.tokens.verify(f"Bearer {self.token}")


def run(settings: Settings, work: Callable[[Rig], Any]) -> None:
    async def whole() -> None:
        rig = Rig(settings)
        await rig.remember()
        await work(rig)
        assert (rig.limits.searches._held, rig.limits.searches._queued) == (0, 0)

    virtual_time.run(whole())


@pytest.mark.parametrize(
    ("query", "path", "asked"),
    [
        ("", LIST, ONE),
        (f"organization_uid={TWO}", LIST, TWO),
        (f"q=x&organization_uid={ONE}&page=2", f"{LIST}/count", ONE),
        (f"q=x&organization_uid={TWO}", f"{LIST}/suggest", TWO),
    ],
)
def test_a_search_has_one_slot_until_its_answer_begins(
    bare_settings: Settings, query: str, path: str, asked: UUID
) -> None:
    async def work(rig: Rig) -> None:
        await rig.ask(query, path=path, asked=asked)
        assert rig.held == [("comes", 1), ("works", 1), ("begins", 0)]

    run(bare_settings, work)


@pytest.mark.parametrize(
    ("query", "path", "method"),
    [
        (f"organization_uid={THREE}", LIST, "GET"),  # not the caller's: its handler refuses it
        (f"organization%5Fuid={TWO}", LIST, "GET"),
        (f"%6frganization_uid={TWO}", LIST, "GET"),
        (f"q=x&org%61niz%41tion_uid={TWO}&%6Frganization_uid={TWO}", LIST, "GET"),
        (f"organization_uid={TWO.hex}", LIST, "GET"),
        ("organization_uid=x", LIST, "GET"),
        ("", f"{LIST}/export", "GET"),
        ("", f"{LIST}/bulk", "POST"),
        ("", f"{LIST}/{ONE}", "GET"),
        ("", "/api/caller", "GET"),
    ],
)
def test_a_request_that_is_no_simple_search_gets_its_slot_in_its_handler(
    bare_settings: Settings, query: str, path: str, method: str
) -> None:
    async def work(rig: Rig) -> None:
        await rig.ask(query, path=path, method=method, asked=TWO)
        assert rig.held == [("comes", 0), ("works", 1), ("begins", 0)]

    run(bare_settings, work)


def test_a_request_with_an_unverified_token_gets_its_slot_in_its_handler(bare_settings: Settings) -> None:
    async def work(rig: Rig) -> None:
        other = rig.tokens.mint("bob", [ONE], default=ONE)
        await rig.ask("", token=other)
        assert rig.held == [("comes", 0), ("works", 1), ("begins", 0)]

    run(bare_settings, work)


def test_a_search_that_is_refused_a_slot_never_reaches_the_application(bare_settings: Settings) -> None:
    few = bare_settings.but(
        searches=2, searches_per_organization=1, searches_waiting=0, searches_waiting_per_organization=0
    )

    async def work(rig: Rig) -> None:
        searches = rig.limits.searches
        async with searches.slot(TWO.bytes), searches.slot(ONE.bytes):
            before = rig.limits.callers.balance(ADA).left
            state = await rig.ask("")
            assert rig.limits.callers.balance(ADA).left == before - 1
        assert state[CHARGED] == ADA
        assert SHED not in state
        assert _refused(rig) == (429, "too_many_requests", b"1")
        rig.sent.clear()
        async with searches.slot(TWO.bytes), searches.slot(THREE.bytes):
            state = await rig.ask("")
        assert state[SHED]
        assert _refused(rig) == (503, "busy", b"1")
        assert [what for what, _held in rig.held] == ["begins", "begins"]

    run(few, work)


def test_a_caller_above_its_rate_does_not_wait_for_a_slot(bare_settings: Settings) -> None:
    async def work(rig: Rig) -> None:
        rig.limits.callers.take(ADA)
        await rig.ask("", asked=TWO)
        assert rig.held == [("comes", 0), ("works", 1), ("begins", 0)]

    run(bare_settings.but(caller_rate=0.01, caller_burst=1), work)


def test_a_slot_is_given_back_after_a_fault_and_a_cancellation(bare_settings: Settings) -> None:
    async def work(rig: Rig) -> None:
        rig.fails = True
        with pytest.raises(ValueError, match="a fault"):
            await rig.ask("")
        rig.fails = False
        async with rig.limits.searches.slot(ONE.bytes):
            waits = [asyncio.create_task(rig.ask("")) for _ in range(3)]
            await asyncio.sleep(0.001)
            assert rig.limits.searches._queued == 3
            for one in waits:
                one.cancel()
            await asyncio.gather(*waits, return_exceptions=True)

    run(bare_settings.but(searches=1, searches_per_organization=1), work)


@pytest.mark.parametrize("held", [0.7, 1.2])
def test_waiting_for_a_slot_counts_for_the_deadline(bare_settings: Settings, held: float) -> None:
    """The application itself takes 0.5 s."""

    async def work(rig: Rig) -> None:
        rig.takes = 0.5
        clock = asyncio.get_running_loop().time
        async with rig.limits.searches.slot(ONE.bytes):
            asked = asyncio.create_task(rig.ask(""))
            began = clock()
            await asyncio.sleep(held)
        with pytest.raises(SearchTimeout):
            await asked
        assert clock() - began == pytest.approx(max(1.0, held), abs=0.01)

    run(bare_settings.but(searches=1, searches_per_organization=1, search_patience=60.0, request_timeout=1.0), work)


def _refused(rig: Rig) -> tuple[int, str, bytes]:
    begin, body = rig.sent
    return begin["status"], msgspec.json.decode(body["body"])["error"]["code"], dict(begin["headers"])[b"retry-after"]
