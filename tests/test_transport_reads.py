"""Reads against nodes that answer, are slow, refuse, break off or fall silent, in virtual time and without a network.

What a read gets, and when, is compared with a plain model. The nodes are objects in place of connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import ConnectionTimeout, TransportError

from service.client import _Json
from service.client.connection import Connection
from service.client.probes import SILENT_SECONDS
from service.client.probes import TIMEOUT as PROBE
from service.client.transport import FIRST_PAUSE_SECONDS, Policy, Transport
from service.errors import CircuitOpen
from tests.virtual_time import run

SECONDS = 10.0
SHARE = 0.25
POLICY = Policy(timeout=SECONDS, slow_share=SHARE, failures=3, probe_seconds=1.0)
LATE = SHARE * SECONDS
ALL_DEAD = LATE + 3 * PROBE + FIRST_PAUSE_SECONDS
"""The greatest time until three silent probes of each node: the second begins when the first has ended."""
SOON = 1e-6


@dataclass(frozen=True)
class Behaviour:
    """What a node does: "answers", "breaks" (the connection), or is "sick" (a proxy's page), after so many seconds.

    Or it "refuses" connections, at once, or is "silent". Probes of a node that answers are answered at once, with the
    version of its cluster state, and whether it has a cluster manager.
    """

    does: str
    after: float = 0.0
    version: int = 2
    has_manager: bool = True

    @property
    def is_silent_to_probes(self) -> bool:
        return self.does != "answers" and self.after >= PROBE


REFUSES, SILENT = Behaviour("refuses"), Behaviour("silent", 1e9)
BEHAVIOURS = (
    st.sampled_from((REFUSES, SILENT))
    | st.builds(Behaviour, st.just("answers"), st.sampled_from((0.0, 1.0, 5.0, 8.5)))
    | st.builds(Behaviour, st.sampled_from(("breaks", "sick")), st.sampled_from((0.0, 1.0, 3.0, 8.5)))
)
PROBED = b'{"cluster_name":"c","version":%d,"cluster_manager_node":%s}'
COUNTED = b'{"count":%d,"pit_id":"p","_shards":{"total":1,"successful":1,"skipped":0,"failed":0}}'
ANSWERS = Behaviour("answers")
ALONE = Behaviour("answers", has_manager=False)
OLD = Behaviour("answers", version=1)
NOTICED = 2 * POLICY.probe_seconds + SOON
"""The greatest time until a node that is cut off is found: by its version, it takes two rounds."""


@dataclass
class World:
    """The behaviours of the nodes 1, 2, ..., and which of them got which calls, apart from probes."""

    behaviours: list[Behaviour]
    asked: list[tuple[int, str]] = field(default_factory=list)


class FakeNode(Connection):
    """A node, in place of a connection to it. Its number is its port."""

    def __init__(self, *, world: World, **options: Any) -> None:
        super().__init__(**options)
        self.world = world

    async def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (the base class has it)
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        assert self.port is not None
        assert timeout is not None
        behaviour = self.world.behaviours[self.port - 1]
        is_probe = url == "/" or url.startswith("/_cluster/state")
        if not is_probe:
            self.world.asked.append((self.port, method))
        if behaviour == REFUSES:
            raise Unreachable("N/A", "", aiohttp.ClientConnectorError(None, OSError()))  # type: ignore[arg-type]
        after = 0.0 if is_probe and behaviour.does == "answers" else behaviour.after
        await asyncio.sleep(min(after, timeout))
        if after >= timeout:
            raise ConnectionTimeout("TIMEOUT", "", TimeoutError())
        if behaviour.does == "breaks":
            raise Unreachable("N/A", "", aiohttp.ServerDisconnectedError())
        if behaviour.does == "sick":
            raise TransportError(502, "unknown", None)
        probed = PROBED % (behaviour.version, b'"m"' if behaviour.has_manager else b"null")
        return 200, {"content-type": "application/json"}, probed if is_probe else COUNTED % self.port


@asynccontextmanager
async def connected(world: World, policy: Policy = POLICY) -> AsyncIterator[Transport]:
    """A transport that knows nothing of these nodes yet, and asks them in their order."""
    hosts = [{"host": "node", "port": number, "world": world} for number in range(1, len(world.behaviours) + 1)]
    client = Transport(
        hosts, policy=policy, connection_class=FakeNode, serializer=_Json(), max_retries=0, retry_on_status=()
    )
    try:
        yield client
    finally:
        await client.close()


async def ask_at(times: Sequence[float], nodes: list[Behaviour]) -> list[tuple[float, int | str, float]]:
    """Reads that are sent at these times: when each was sent, what it got, and when."""
    async with connected(World(nodes)) as client:
        ends = await asyncio.gather(*(ask(client, at=time) for time in times))
    return [(time, what, when) for time, (what, when) in zip(times, ends, strict=True)]


def named(error: TransportError) -> str:
    """The kind of an error, as the model calls it."""
    if isinstance(error, ConnectionTimeout):
        return "silent"
    if isinstance(error, Unreachable):
        return {CircuitOpen: "dead", aiohttp.ClientConnectorError: "refuses"}.get(type(error.info), "breaks")
    assert error.status_code == 502
    return "sick"


async def ask(client: Transport, url: str = "/x/_count", *, at: float = 0.0) -> tuple[int | str, float]:
    """Sends a call at this time. Returns the node that answered, or the kind of the error; and when it ended."""
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(at - clock())
    try:
        answer = await client.perform_request("POST", url, body=b"{}")
    except TransportError as error:
        return named(error), clock()
    assert isinstance(answer, dict)
    return answer["count"], clock()


def modelled(nodes: Sequence[Behaviour]) -> tuple[int | str, float]:
    """What the first read gets, and when, if no node is ever found dead."""
    untried = list(range(1, len(nodes) + 1))

    def attempt(begun: float) -> tuple[float, int | str] | None:
        """When the next node that can be reached ends it, and how; None if there is none."""
        while untried:
            number = untried.pop(0)
            node = nodes[number - 1]
            if node == REFUSES:
                continue
            ends = begun + node.after
            return (SECONDS, "silent") if ends >= SECONDS else (ends, number if node.does == "answers" else node.does)
        return None

    first = attempt(0.0)
    if first is None:
        return "refuses", 0.0
    when, what = first
    if isinstance(what, int) and when <= LATE:
        return what, when
    is_last = not untried
    if when > LATE and nodes[0] == REFUSES:  # the probes of that node have shown which of the others are silent
        untried.sort(key=lambda number: nodes[number - 1].is_silent_to_probes)
    second = attempt(min(when, LATE))
    if second is None:
        return ("refuses" if when <= LATE and not is_last else what), when
    ends = sorted([second] if when <= LATE else [first, second], key=lambda one: one[0])
    when, what = next((one for one in ends if isinstance(one[1], int)), ends[-1])
    return what, when


@given(st.lists(BEHAVIOURS, min_size=1, max_size=4))
@example([SILENT, REFUSES, ANSWERS])
@example([REFUSES, SILENT, SILENT, ANSWERS])
def test_a_read_gets_what_the_model_says_and_when(nodes: list[Behaviour]) -> None:
    world = World(nodes)

    async def read() -> None:
        async with connected(world, replace(POLICY, failures=1000)) as client:
            what, when = await ask(client)
        assert what == modelled(nodes)[0]
        assert when == pytest.approx(modelled(nodes)[1])
        reached = [number for number, _method in world.asked if nodes[number - 1] != REFUSES]
        assert len(reached) == len(set(reached)) <= 2

    run(read())


@given(
    st.lists(st.sampled_from((SILENT, SILENT, REFUSES)), min_size=1, max_size=4),
    st.lists(st.floats(0, 20), min_size=1, max_size=12),
)
def test_nobody_waits_for_a_cluster_that_is_found_dead(nodes: list[Behaviour], times: list[float]) -> None:
    """From the first caller on. And all that wait when it is found dead end at that moment."""
    found_dead = min(times) + ALL_DEAD

    async def read() -> None:
        ends = await ask_at(times, nodes)
        for time, what, when in ends:
            assert what == "dead" or (what == "refuses" and REFUSES in nodes)
            assert when <= max(time, found_dead) + SOON
        waited = [when for time, _what, when in ends if when > time + SOON]
        assert max(waited, default=0.0) - min(waited, default=0.0) < SOON

    run(read())


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_write_that_may_have_been_executed_is_waited_for(nodes: int) -> None:
    world = World([SILENT] * nodes)

    async def work() -> None:
        async with connected(world) as client:
            written, read, late = await asyncio.gather(
                ask(client, "/_bulk"), ask(client, at=1.0), ask(client, "/_bulk", at=SECONDS - 1)
            )
        assert written == ("silent", SECONDS)
        assert read[0] == "dead"
        assert read[1] <= ALL_DEAD + 1
        assert late == ("dead", SECONDS - 1)

    run(work())
    assert world.asked[0] == (1, "POST")
    assert len(world.asked) <= 3  # the write is sent once, and the read to two nodes at most


@given(st.lists(st.floats(0, 20), min_size=1, max_size=12), st.integers(0, 2))
def test_one_silent_node_of_several_ends_no_read(times: list[float], silent: int) -> None:
    nodes = [ANSWERS] * 3
    nodes[silent] = SILENT

    async def read() -> None:
        for time, what, when in await ask_at(times, nodes):
            assert isinstance(what, int)
            assert when <= time + LATE + SOON

    run(read())


@pytest.mark.parametrize("nodes", [1, 3])
def test_a_dead_cluster_that_wakes_up_is_asked_again(nodes: int) -> None:
    world = World([SILENT] * nodes)

    async def read() -> None:
        async with connected(world) as client:
            what, when = await ask(client)
            assert what == "dead"
            world.behaviours[:] = [ANSWERS] * nodes
            woken = when + PROBE + POLICY.probe_seconds + SOON
            what, when = await ask(client, at=woken)
            assert isinstance(what, int)
            assert when == woken

    run(read())


def test_a_snapshot_is_not_opened_on_two_nodes_at_the_same_time() -> None:
    world = World([Behaviour("answers", 5.0), ANSWERS])

    async def open_one() -> None:
        async with connected(world) as client:
            assert await ask(client, "/x/_search/point_in_time") == (1, 5.0)

    run(open_one())
    assert world.asked == [(1, "POST")]


@pytest.mark.parametrize("cut_off", [ALONE, OLD])
def test_a_node_that_is_cut_off_is_not_believed_until_it_is_back(cut_off: Behaviour) -> None:
    """Though it answers everything at once. No reads are needed to find it."""
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with connected(world) as client:
            assert (await ask(client))[0] == 1
            await asyncio.sleep(POLICY.probe_seconds)
            world.behaviours[1] = cut_off
            await asyncio.sleep(NOTICED)
            assert {(await ask(client))[0] for _read in range(6)} == {1, 3}
            world.behaviours[1] = ANSWERS
            await asyncio.sleep(NOTICED)
            assert {(await ask(client))[0] for _read in range(6)} == {1, 2, 3}

    run(work())


def test_a_running_read_of_a_node_that_is_cut_off_goes_to_another() -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with connected(world) as client:
            assert (await ask(client))[0] == 1
            world.behaviours[1] = replace(ALONE, after=LATE - SOON)
            assert (await ask(client))[0] == 3

    run(work())


def test_a_node_that_was_silent_while_nobody_asked_is_not_believed_when_it_wakes_up() -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with connected(world) as client:
            assert (await ask(client))[0] == 1
            world.behaviours[1] = SILENT
            await asyncio.sleep(POLICY.probe_seconds + SILENT_SECONDS + SOON)
            world.behaviours[1] = OLD
            assert {(await ask(client))[0] for _read in range(6)} == {1, 3}

    run(work())


@pytest.mark.parametrize("silent", [0, 1])
def test_reads_go_on_while_a_manager_is_elected(silent: int) -> None:
    """As long as most nodes answer, no others can have elected one and changed the index."""
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with connected(world) as client:
            assert (await ask(client))[0] == 1
            world.behaviours[:] = [SILENT] * silent + [ALONE] * (3 - silent)
            await asyncio.sleep(20.0)
            for _read in range(6):
                assert isinstance((await ask(client))[0], int)

    run(work())


def test_the_last_node_is_not_believed_without_a_manager() -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with connected(world) as client:
            assert (await ask(client))[0] == 1
            world.behaviours[:] = [SILENT, ALONE, SILENT]
            await asyncio.sleep(20.0)
            assert (await ask(client))[0] == (await ask(client, "/_bulk"))[0] == "dead"
            world.behaviours[1] = ANSWERS
            await asyncio.sleep(NOTICED)
            assert (await ask(client))[0] == 2

    run(work())


@given(st.lists(BEHAVIOURS, min_size=1, max_size=4), st.floats(0, 20))
def test_a_client_can_be_closed_at_any_time(nodes: list[Behaviour], at: float) -> None:
    async def work() -> None:
        async with connected(World(nodes)) as client:
            reads = [asyncio.create_task(ask(client, at=time)) for time in (0.0, 5.0)]
            await asyncio.sleep(at)
            await client.close()
            await asyncio.gather(*reads, return_exceptions=True)

    run(work())
