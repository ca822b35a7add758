"""Reads of nodes that answer, are slow, refuse, break off or fall silent: a simple model predicts result and time."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from service.client.probes import TIMEOUT as PROBE
from tests.fake_nodes import (
    ALL_DEAD,
    ANSWERS,
    BEHAVIOURS,
    LATE,
    POLICY,
    REFUSES,
    SECONDS,
    SILENT,
    SOON,
    Behaviour,
    World,
    ask,
    ask_at,
    connected,
)
from tests.virtual_time import run


def modelled(nodes: Sequence[Behaviour]) -> tuple[int | str, float]:
    """The result of the first read and its time, if no node is ever found dead."""
    untried = list(range(1, len(nodes) + 1))

    def attempt(begun: float) -> tuple[float, int | str] | None:
        """When the next reachable node ends the attempt, and with which result; None if there is no such node."""
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
    """All reads that wait when the cluster is found dead end at that moment. Later ones do not wait."""
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
