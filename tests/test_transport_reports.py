"""What is reported of a node, in virtual time and without a network."""

from __future__ import annotations

import asyncio

from service.client.watch import FIRST_PAUSE_SECONDS
from tests.fake_nodes import ANSWERS, REFUSES, SOON, World, ask, connected
from tests.virtual_time import run


def test_a_single_node_that_a_call_finds_well_again_is_reported_each_time() -> None:
    """A call may find it before the next probe does."""
    world, reported = World([ANSWERS]), list[tuple[int, str | None]]()

    async def work() -> None:
        clock = asyncio.get_running_loop().time
        async with connected(world, report=lambda *change: reported.append(change)) as client:
            for times in range(2):
                world.behaviours[0] = REFUSES
                await ask(client, at=60.0 * times)
                await asyncio.sleep(FIRST_PAUSE_SECONDS + SOON)  # one probe has failed, so the node is not dead yet
                world.behaviours[0] = ANSWERS
                assert isinstance((await ask(client, at=clock()))[0], int)
                await asyncio.sleep(20.0)

    run(work())
    assert [problem is None for _number, problem in reported] == [False, True] * 2
