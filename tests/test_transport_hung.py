"""Nodes that answer probes but no searches, such as one whose disk hangs, in virtual time and without a network."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from service.client.node_health import State
from service.client.transport import Transport
from tests.fake_nodes import (
    ANSWERS,
    HUNG,
    HUNG_AT_SEARCHES,
    LATE,
    POLICY,
    SECONDS,
    SOON,
    Behaviour,
    World,
    ask,
    connected,
)
from tests.virtual_time import run

SEARCH = SECONDS / 2
FOUND_HUNG = LATE + 3 * SEARCH + SOON
"""The greatest time from a read until it is known that its node answers no searches."""
BACK = SEARCH + POLICY.probe_seconds + SOON


@pytest.mark.parametrize("hung", [0, 1, 2])
def test_reads_avoid_a_node_that_answers_no_search(hung: int) -> None:
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
@pytest.mark.parametrize("hung", [HUNG, HUNG_AT_SEARCHES])
@pytest.mark.parametrize("others_every", [0.3, 2.0, 1e6])
def test_nobody_waits_for_a_cluster_that_answers_no_search(count: int, hung: Behaviour, others_every: float) -> None:
    """Once all nodes are found to hang. Before, every read ends at its own deadline. Other calls are still sent."""
    world = World([hung] * count)

    async def work() -> None:
        async with connected(world) as client:
            others: list[int | str] = []
            calling = asyncio.create_task(call_regularly(client, others_every, others))
            times = [0.5 * number for number in range(240)]
            ends = await asyncio.gather(*(ask(client, at=time) for time in times))
            for time, (what, when) in zip(times, ends, strict=True):
                assert what in ("silent", "dead")
                assert when <= time + SECONDS + SOON
                if time > 2 * FOUND_HUNG:
                    assert what == "dead"
                    assert when == pytest.approx(time)
            calling.cancel()
            assert hung is HUNG or all(isinstance(what, int) for what in others)

            world.behaviours[:] = [ANSWERS] * count
            await asyncio.sleep(BACK)
            assert {(await ask(client))[0] for _read in range(6)} == set(range(1, count + 1))

    run(work())


async def call_regularly(client: Transport, every: float, found: list[int | str]) -> None:
    """Sends a call that is no search again and again, and notes what it gets."""
    while True:
        (what, _when), _slept = await asyncio.gather(ask(client, "/x/_open"), asyncio.sleep(every))
        found.append(what)


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


@pytest.mark.parametrize("count", [1, 3])
@pytest.mark.parametrize("seconds", [SECONDS, 30.0, 60.0])
@pytest.mark.parametrize("share", [0.3, 0.49, 0.9])
def test_the_answers_of_nodes_that_are_slow_for_everything_are_believed(
    count: int, seconds: float, share: float
) -> None:
    """They are members of their cluster, and all of them are equally slow."""
    world = World([Behaviour("answers", share * seconds)] * count)

    async def work() -> None:
        async with connected(world, replace(POLICY, timeout=seconds)) as client:
            times = [0.5 * number for number in range(240)]
            ends = await asyncio.gather(*(ask(client, at=time) for time in times))
            assert all(isinstance(what, int) for what, _when in ends)
            assert all(when <= time + share * seconds + SOON for time, (_what, when) in zip(times, ends, strict=True))

    run(work())


def test_calls_avoid_a_node_whose_proxy_answers_only_probes() -> None:
    world = World([Behaviour("sick"), ANSWERS, ANSWERS])

    async def work() -> None:
        async with connected(world) as client:
            for _call in range(60):
                await asyncio.sleep(0.5)
                assert (await ask(client))[0] in (2, 3)
            assert [number for number, _method in world.asked].count(1) == 1

    run(work())
