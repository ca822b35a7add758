"""Which nodes are believed if some are cut off, wake up, or report too little. In virtual time, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.client.probes import SILENT_SECONDS
from service.client.probes import TIMEOUT as PROBE
from service.client.transport import Transport
from tests.fake_nodes import (
    ALONE,
    ANSWERS,
    BEHAVIOURS,
    FOREIGN,
    HUNG,
    LATE,
    NOTICED,
    OLD,
    POLICY,
    REFUSES,
    SECONDS,
    SILENT,
    SOON,
    Behaviour,
    FakeNode,
    World,
    ask,
    connected,
)
from tests.virtual_time import run


@asynccontextmanager
async def asked_once(world: World) -> AsyncIterator[Transport]:
    """A client whose first read the first node has answered, so that all nodes are watched."""
    async with connected(world) as client:
        assert (await ask(client))[0] == 1
        yield client


@pytest.mark.parametrize("cut_off", [ALONE, OLD, FOREIGN])
def test_a_node_that_is_cut_off_is_not_believed_until_it_is_back(cut_off: Behaviour) -> None:
    """It answers everything at once, but is not used. Probes find it without any read."""
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
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
        async with asked_once(world) as client:
            world.behaviours[1] = replace(ALONE, after=LATE - SOON)
            assert (await ask(client))[0] == 3

    run(work())


def test_a_node_that_was_silent_while_nobody_asked_is_not_believed_when_it_wakes_up() -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
            world.behaviours[1] = SILENT
            await asyncio.sleep(POLICY.probe_seconds + SILENT_SECONDS + SOON)
            world.behaviours[1] = OLD
            assert {(await ask(client))[0] for _read in range(6)} == {1, 3}

    run(work())


def test_an_answer_from_before_a_silence_is_left_out_though_the_node_is_back() -> None:
    """The node may have been removed from its cluster meanwhile, and have answered from its copy as of then."""
    before, second = Behaviour("answers", 8.5), Behaviour("answers", 9.0 - LATE, search_after=0.0)
    world = World([before, second, second])

    async def work() -> None:
        async with connected(world) as client:
            read = asyncio.create_task(ask(client))
            await asyncio.sleep(SOON)
            world.behaviours[0] = SILENT
            await asyncio.sleep(LATE + PROBE)
            world.behaviours[0] = ANSWERS
            await asyncio.sleep(NOTICED)
            assert (await ask(client))[0] == 1
            number, when = await read
            assert number == 2
            assert when == pytest.approx(9.0)

    run(work())


def test_an_answer_from_before_a_silence_is_left_out_though_the_others_are_slow() -> None:
    """They are part of the cluster, so they are waited for."""
    slow = Behaviour("answers", SECONDS - SOON)
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
            await asyncio.sleep(NOTICED)
            world.behaviours[:] = [slow, Behaviour("silent", SECONDS - 1), slow]
            assert (await ask(client))[0] in ("silent", 1, 3)

    run(work())


@pytest.mark.parametrize("cut_off", [OLD, ALONE, FOREIGN])
def test_a_node_that_is_cut_off_while_a_probe_searches_is_noticed(cut_off: Behaviour) -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
            await asyncio.sleep(NOTICED)
            clock = asyncio.get_running_loop().time
            world.behaviours[1] = Behaviour("answers", SECONDS - 1, search_after=SECONDS / 2 - SOON)
            late = [asyncio.create_task(ask(client)) for _read in range(3)]
            await asyncio.sleep(LATE + SOON)
            world.behaviours[1], since = cut_off, clock()
            while clock() < since + SECONDS:
                await asyncio.sleep(0.05)
                assert (await ask(client))[0] != 2 or clock() < since + NOTICED
            await asyncio.gather(*late)

    run(work())


@pytest.mark.parametrize("count", [2, 3])
def test_a_whole_cluster_whose_state_goes_back_is_believed_again(count: int) -> None:
    """As after its disks were restored from a copy."""
    world = World([replace(ANSWERS, version=9)] * count)

    async def work() -> None:
        async with asked_once(world) as client:
            await asyncio.sleep(NOTICED)
            world.behaviours[:] = [REFUSES] * count
            await asyncio.sleep(10.0)
            world.behaviours[:] = [replace(ANSWERS, version=5)] * count
            await asyncio.sleep(10.0)
            assert {(await ask(client))[0] for _read in range(6)} == set(range(1, count + 1))

    run(work())


@pytest.mark.parametrize("silent", [0, 1])
def test_reads_go_on_while_a_manager_is_elected(silent: int) -> None:
    """As long as most nodes answer, no others can have elected one and changed the index."""
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
            world.behaviours[:] = [SILENT] * silent + [ALONE] * (3 - silent)
            await asyncio.sleep(20.0)
            for _read in range(6):
                assert isinstance((await ask(client))[0], int)

    run(work())


def test_the_last_node_is_not_believed_without_a_manager() -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
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


def test_the_nodes_are_watched_whichever_client_asks_first() -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with connected(world) as client, connected(world, same_cluster_as=client) as other:
            assert (await ask(other))[0] == 1
            await asyncio.sleep(NOTICED)
            world.behaviours[1] = OLD
            await asyncio.sleep(NOTICED)
            for one in (client, other):
                assert {(await ask(one))[0] for _read in range(6)} == {1, 3}

    run(work())


@pytest.mark.parametrize("others", [[Behaviour("answers", LATE + 1)], [Behaviour("answers", LATE + 1), REFUSES]])
def test_a_node_that_is_cut_off_is_not_believed_because_the_others_are_slow(others: list[Behaviour]) -> None:
    world = World([ANSWERS] * (1 + len(others)))

    async def work() -> None:
        async with asked_once(world) as client:
            await asyncio.sleep(NOTICED)
            world.behaviours[:] = [OLD, *others]
            await asyncio.sleep(NOTICED)
            assert {(await ask(client))[0] for _read in range(4)} == {2}

    run(work())


def test_a_node_that_is_cut_off_is_asked_after_those_that_failed_once() -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
            await asyncio.sleep(NOTICED)
            world.behaviours[0] = OLD
            await asyncio.sleep(NOTICED)
            world.behaviours[1:] = [Behaviour("breaks"), Behaviour("breaks")]
            assert (await ask(client))[0] == "breaks"
            world.behaviours[1:] = [ANSWERS, ANSWERS]
            world.asked.clear()
            assert {(await ask(client))[0] for _read in range(4)} == {2, 3}
            assert {number for number, _method in world.asked} == {2, 3}

    run(work())


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_doubted_node_that_does_not_tell_its_state_stays_doubted(status: int) -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
            world.behaviours[1] = SILENT
            await asyncio.sleep(POLICY.probe_seconds + SILENT_SECONDS + SOON)
            world.behaviours[1] = replace(OLD, probe_status=status)
            await asyncio.sleep(10.0)
            assert {(await ask(client))[0] for _read in range(6)} == {1, 3}

    run(work())


@pytest.mark.parametrize("status", [401, 403])
def test_a_node_that_nobody_may_ask_for_its_state_takes_part(status: int) -> None:
    world = World([replace(ANSWERS, probe_status=status)] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
            world.behaviours[1] = REFUSES
            await asyncio.sleep(5.0)
            world.behaviours[1] = replace(ANSWERS, probe_status=status)
            await asyncio.sleep(5.0)
            assert {(await ask(client))[0] for _read in range(6)} == {1, 2, 3}

    run(work())


def test_one_silent_node_hides_no_other_that_is_cut_off() -> None:
    world = World([ANSWERS] * 4)

    async def work() -> None:
        async with asked_once(world) as client:
            await asyncio.sleep(NOTICED)
            world.behaviours[:2] = [OLD, SILENT]
            await asyncio.sleep(NOTICED)
            assert (await ask(client, at=asyncio.get_running_loop().time()))[0] != 1
            assert {(await ask(client))[0] for _read in range(8)} <= {3, 4}

    run(work())


def test_a_point_in_time_whose_answer_is_not_used_is_closed() -> None:
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with asked_once(world) as client:
            world.asked.clear()
            world.behaviours[1] = replace(ALONE, after=LATE - SOON)
            assert (await ask(client, "/x/_search/point_in_time"))[0] != 2
            await asyncio.sleep(SOON)
            assert sorted(method for _number, method in world.asked) == ["DELETE", "POST", "POST"]

    run(work())


@pytest.mark.parametrize("after", [0.0, 1.0])
def test_a_second_request_makes_no_read_fail(after: float) -> None:
    """The second request gets a temporary refusal, before or when the first one is answered."""
    world = World([Behaviour("answers", LATE + 1), Behaviour("refuses for the moment", after)])

    async def work() -> None:
        async with connected(world) as client:
            assert await ask(client) == (1, LATE + 1)

    run(work())


def test_a_watch_goes_on_after_an_error_that_nobody_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a file of the certificate authority that is missing for a moment."""
    world = World([REFUSES])

    async def work() -> None:
        async with connected(world) as client:
            await ask(client)
            with monkeypatch.context() as patch:
                patch.setattr(FakeNode, "perform_request", _raise_file_not_found)
                await asyncio.sleep(5.0)
            world.behaviours[0] = ANSWERS
            await asyncio.sleep(NOTICED)
            assert (await ask(client))[0] == 1

    run(work())


async def _raise_file_not_found(*_arguments: object, **_options: object) -> object:
    raise FileNotFoundError("ca.pem")


def test_only_reads_allow_second_reads() -> None:
    world = World([Behaviour("answers", LATE + 1)] * 2)

    async def work() -> None:
        async with connected(world) as client, connected(world, same_cluster_as=client) as other:
            for _write in range(50):
                await asyncio.gather(*(ask(one, "/x/_open") for one in (client, other) for _call in range(20)))
            for _read in range(100):
                await asyncio.gather(ask(client), ask(other))

    run(work())
    writes = 50 * 2 * 20
    assert len(world.asked) - writes <= 200 + 64 + 200 / 10


@pytest.mark.parametrize(
    ("failing", "reason"),
    [
        (REFUSES, "no connection could be made"),
        (SILENT, "no answer in time"),
        (HUNG, "it is part of its cluster, but answers no search"),
        (ALONE, "its node has no cluster manager"),
        (OLD, "its node knows an older state of the cluster"),
    ],
)
def test_a_node_that_fails_and_comes_back_is_reported_once_each(failing: Behaviour, reason: str) -> None:
    world, reported = World([ANSWERS] * 3), list[tuple[int, str | None]]()

    async def work() -> None:
        async with connected(world, report=lambda *change: reported.append(change)) as client:
            await ask(client)
            await asyncio.sleep(NOTICED)
            for _time in range(2):
                world.behaviours[1] = failing
                await asyncio.gather(*(ask(client, at=asyncio.get_running_loop().time()) for _read in range(6)))
                await asyncio.sleep(20.0)
                world.behaviours[1] = ANSWERS
                await asyncio.sleep(SECONDS / 2 + NOTICED)

    run(work())
    assert [number for number, _problem in reported] == [1] * 4
    assert [problem is None for _number, problem in reported] == [False, True] * 2
    assert all(problem is None or reason in problem for _number, problem in reported)
