"""Readiness is decided within a few seconds. What a silent minority of nodes hides is only reported.

In virtual time, with checks that are functions. tests/node/test_ready.py and tests/node/test_cluster.py ask real nodes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import pytest

from service.api.errors import message_for_callers
from service.api.readiness import SECONDS, Readiness, Ready
from service.client.node_health import Answering
from service.errors import (
    NO_INDEX,
    CircuitOpen,
    IndexMissing,
    IndexUnusable,
    Overloaded,
    SearchTimeout,
    SearchUnavailable,
)
from service.index.silent_nodes import Members
from tests.virtual_time import run

FITS, WRITES = "whether the index fits this version", "whether the index takes writes"
ONE_SILENT = Members(3, ("node-3",))
UNKNOWN = f"node-3 does not answer, so it is unknown {WRITES}"


async def well() -> None:
    await asyncio.sleep(0.01)


async def silent() -> None:
    await asyncio.sleep(1e6)


def failing(error: Exception) -> Callable[[], Awaitable[None]]:
    async def fail() -> None:
        raise error

    return fail


@dataclass
class Service:
    """A service with these checks. `nodes` lists, for each reading, how many nodes answered the last calls."""

    search: Callable[[], Awaitable[None]] = well
    fits: Callable[[], Awaitable[None]] = well
    takes_writes: Callable[[], Awaitable[None]] = well
    found: Members | None = ONE_SILENT
    reason: str | None = None
    nodes: list[Answering] = field(default_factory=lambda: [Answering(3, 3)])

    @property
    def readiness(self) -> Readiness:
        async def members() -> Members | None:
            await asyncio.sleep(0.5)
            return self.found

        async def reason() -> str | None:
            return self.reason

        def nodes() -> Answering:
            return self.nodes.pop(0) if len(self.nodes) > 1 else self.nodes[0]

        others = {FITS: self.fits, WRITES: self.takes_writes}
        return Readiness(self.search, others, seconds=SECONDS, reason=reason, members=members, nodes=nodes)

    def asked(self) -> tuple[Ready | str, float]:
        """The result, and the seconds until then. If the service is not ready, the result is the reason."""

        async def ask() -> tuple[Ready | str, float]:
            try:
                found: Ready | str = await self.readiness()
            except SearchUnavailable as error:
                found = str(error) if type(error) is SearchUnavailable else "another status than 503"
            return found, asyncio.get_running_loop().time()

        return run(ask())


def test_all_is_well() -> None:
    found, seconds = Service().asked()
    assert found == Ready("3 of 3 nodes of OpenSearch answer")
    assert seconds < 0.1


@pytest.mark.parametrize(
    ("service", "unknown"),
    [
        (Service(takes_writes=silent), WRITES),
        (Service(fits=silent), FITS),
        (Service(fits=silent, takes_writes=silent), f"{FITS} and {WRITES}"),
        (Service(takes_writes=failing(SearchTimeout("a call of it took too long"))), WRITES),
    ],
)
def test_a_check_that_a_silent_node_prevents_is_reported_and_the_service_stays_ready(
    service: Service, unknown: str
) -> None:
    found, seconds = service.asked()
    told = f"node-3 does not answer, so it is unknown {unknown}"
    assert found == Ready("2 of 3 nodes of OpenSearch answer", told)
    assert seconds <= SECONDS


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (None, ""), (Members(3), ""), (Members(1), ""), (Members(1, ("a",)), " (a does not answer)"),
        (Members(3, ("a", "b")), " (a, b does not answer)"), (Members(2, ("a",)), " (a does not answer)"),
    ],
)  # fmt: skip
def test_the_service_is_not_ready_if_the_silent_nodes_are_no_minority(found: Members | None, named: str) -> None:
    expected = f"OpenSearch did not respond to the health check within 3 s{named}: try again"
    told, seconds = Service(takes_writes=silent, found=found).asked()
    assert (told, round(seconds, 3)) == (expected, SECONDS)


def test_the_service_is_not_ready_if_no_search_is_answered() -> None:
    told = "OpenSearch did not respond to the health check within 3 s (node-3 does not answer): try again"
    found, seconds = Service(search=silent).asked()
    assert (found, round(seconds, 3)) == (told, SECONDS)


def test_a_search_that_hangs_is_sent_again() -> None:
    sent: list[float] = []

    async def search() -> None:
        sent.append(asyncio.get_running_loop().time())
        await (silent if len(sent) <= 2 else well)()

    found, seconds = Service(search=search, takes_writes=silent).asked()
    assert found == Ready("2 of 3 nodes of OpenSearch answer", UNKNOWN)
    assert len(sent) == 3
    assert seconds <= SECONDS


@pytest.mark.parametrize("error", [SearchUnavailable("blocked"), Overloaded("blocked"), CircuitOpen("blocked")])
def test_an_error_is_reported_although_a_node_is_silent(error: SearchUnavailable) -> None:
    assert Service(fits=silent, takes_writes=failing(error)).asked()[0] == "blocked"
    assert Service(search=failing(error)).asked()[0] == "blocked"


def test_a_full_disk_is_reported_before_the_timeout() -> None:
    found, seconds = Service(takes_writes=silent, found=Members(1), reason="the disk is full").asked()
    assert found == "the disk is full"
    assert seconds < SECONDS


def test_a_fault_of_the_service_is_raised() -> None:
    with pytest.raises(KeyError):
        Service(takes_writes=failing(KeyError("x"))).asked()


def test_with_no_node_that_answers_it_is_not_ready() -> None:
    none = Answering(0, 3)
    found, seconds = Service(nodes=[none]).asked()
    assert (found, round(seconds)) == ("0 of 3 nodes of OpenSearch answer: try again shortly", SECONDS)
    found, seconds = Service(nodes=[none, none, Answering(1, 3)]).asked()
    assert found == Ready("1 of 3 nodes of OpenSearch answer")
    assert seconds < 0.5


def test_the_checks_run_once_a_second_or_if_the_number_of_nodes_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    runs: list[float] = []

    async def search() -> None:
        runs.append(now[0])

    service = Service(search=search)

    async def ask() -> None:
        asked = service.readiness
        for at, count, expected in ((0.0, 3, 1), (0.9, 3, 1), (0.9, 2, 2), (1.95, 2, 3)):
            now[0], service.nodes = at, [Answering(count, 3)]
            assert await asked() == Ready(f"{count} of 3 nodes of OpenSearch answer")
            assert len(runs) == expected, at

    run(ask())


@pytest.mark.parametrize("reason", [None, "a disk is full"])
def test_callers_are_not_told_to_create_a_missing_index(reason: str | None) -> None:
    service = Service(fits=failing(IndexMissing("x does not exist: create it")), reason=reason)

    async def ask() -> SearchUnavailable:
        with pytest.raises(SearchUnavailable) as found:
            await service.readiness()
        return found.value

    assert message_for_callers(run(ask())) == (reason or NO_INDEX)


def test_callers_are_told_other_reasons() -> None:
    service = Service(fits=failing(IndexUnusable("x points to several indices: remove it from all but one")))

    async def ask() -> SearchUnavailable:
        with pytest.raises(SearchUnavailable) as found:
            await service.readiness()
        return found.value

    assert message_for_callers(run(ask())) == "x points to several indices: remove it from all but one"
