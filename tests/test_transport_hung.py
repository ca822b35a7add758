"""Nodes that answer probes but no searches, such as one whose disk hangs, in virtual time and without a network."""

from __future__ import annotations

import asyncio

import pytest

from service.client.node_health import State
from service.client.probes import SEARCH_TIMEOUT
from tests.fake_nodes import ANSWERS, HUNG, LATE, POLICY, SECONDS, SOON, Behaviour, World, ask, connected
from tests.virtual_time import run

FOUND_DEAD = LATE + 3 * SEARCH_TIMEOUT + SOON
"""The greatest time from a read until its node is found dead."""
BACK = SEARCH_TIMEOUT + POLICY.probe_seconds + SOON


@pytest.mark.parametrize("hung", [0, 1, 2])
def test_reads_leave_a_node_alone_that_answers_none(hung: int) -> None:
    """Two reads a second for two minutes: the first ones are late, and no others."""
    world = World([HUNG if number == hung else ANSWERS for number in range(3)])

    async def work() -> None:
        async with connected(world) as client:
            times = [0.5 * number for number in range(240)]
            ends = await asyncio.gather(*(ask(client, at=time) for time in times))
            late = [time for time, (_what, when) in zip(times, ends, strict=True) if when > time + SOON]
            assert {what for what, _when in ends} == {1, 2, 3} - {hung + 1}
            assert all(when <= time + LATE + SOON for time, (_what, when) in zip(times, ends, strict=True))
            assert late
            assert max(late) <= min(late) + LATE

            world.behaviours[hung] = ANSWERS
            await asyncio.sleep(BACK)
            assert {(await ask(client))[0] for _read in range(6)} == {1, 2, 3}

    run(work())


@pytest.mark.parametrize("count", [1, 3])
def test_nobody_waits_for_a_cluster_that_answers_no_search(count: int) -> None:
    """Once all nodes are found dead. Before, every read ends at its own deadline."""
    world = World([HUNG] * count)

    async def work() -> None:
        async with connected(world) as client:
            times = [0.5 * number for number in range(120)]
            for time, (what, when) in zip(
                times, await asyncio.gather(*(ask(client, at=time) for time in times)), strict=True
            ):
                assert what in ("silent", "dead")
                assert when <= time + SECONDS + SOON
                if time > 2 * FOUND_DEAD:
                    assert (what, when) == ("dead", time)
            assert all(node.state is State.DEAD for node in client._nodes.all)

            world.behaviours[:] = [ANSWERS] * count
            await asyncio.sleep(BACK)
            assert {(await ask(client))[0] for _read in range(6)} == set(range(1, count + 1))

    run(work())


@pytest.mark.parametrize("count", [1, 3])
def test_a_node_whose_slow_reads_are_not_its_fault_stays_in_use(count: int) -> None:
    """It answers the search of a probe at once, so the reads themselves take that long."""
    world = World([Behaviour("answers", SECONDS - 1, search_after=0.0)] * count)

    async def work() -> None:
        async with connected(world) as client:
            for _round in range(5):
                reads = [asyncio.create_task(ask(client)) for _read in range(30)]
                for _moment in range(9):
                    await asyncio.sleep(1.0)
                    assert all(node.state is State.READY for node in client._nodes.all)
                assert all(isinstance(what, int) for what, _when in await asyncio.gather(*reads))

    run(work())


@pytest.mark.parametrize("after", [LATE + 1, SECONDS - 1])
def test_the_answers_of_nodes_that_are_slow_for_everything_are_believed(after: float) -> None:
    """They are part of their cluster, and one of them rests no less than the others."""
    world = World([Behaviour("answers", after)] * 3)

    async def work() -> None:
        async with connected(world) as client:
            times = [0.5 * number for number in range(120)]
            ends = await asyncio.gather(*(ask(client, at=time) for time in times))
            assert all(isinstance(what, int) for what, _when in ends)
            assert all(when <= time + after + SOON for time, (_what, when) in zip(times, ends, strict=True))

    run(work())


def test_calls_leave_a_node_alone_whose_proxy_answers_only_probes() -> None:
    world = World([Behaviour("sick"), ANSWERS, ANSWERS])

    async def work() -> None:
        async with connected(world) as client:
            for _call in range(60):
                await asyncio.sleep(0.5)
                assert (await ask(client))[0] in (2, 3)
            assert [number for number, _method in world.asked].count(1) == 1

    run(work())
