"""Several URLs may lead to one node: it counts once, as soon as its id is known. In virtual time."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from service.client.probes import MOST_QUESTIONS, Probes
from tests.fake_nodes import ALONE, ANSWERS, NOTICED, POLICY, SILENT, World, ask, connected
from tests.virtual_time import run


@pytest.mark.parametrize(("known", "found"), [(True, ("dead",)), (False, (2, 3, 4))])
def test_urls_of_one_node_count_once(known: bool, found: tuple[object, ...]) -> None:
    """Three of five URLs lead to the node that is cut off: most URLs, but one node of three."""
    ids = ["a", "b", "b", "b", "c"] if known else [None] * 5
    world = World([replace(ANSWERS, id=one) for one in ids])

    async def work() -> None:
        async with connected(world) as client:
            await ask(client)
            await asyncio.sleep(NOTICED)
            world.behaviours[:] = [SILENT, *[replace(ALONE, id=one) for one in ids[1:4]], SILENT]
            await asyncio.sleep(20.0)
            assert (await ask(client))[0] in found

    run(work())


@pytest.mark.parametrize("error", [FileNotFoundError(), TimeoutError(), ValueError()])
def test_a_node_that_does_not_tell_its_id_is_asked_a_few_times_and_used(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, asked = Probes._ask, []

    async def asks(self: Probes, number: int, path: str, *arguments: Any) -> Any:
        if path.startswith("/_nodes"):
            asked.append(number)
            raise error
        return await original(self, number, path, *arguments)

    monkeypatch.setattr(Probes, "_ask", asks)
    world = World([ANSWERS] * 3)

    async def work() -> None:
        async with connected(world) as client:
            await ask(client)
            await asyncio.sleep(3 * MOST_QUESTIONS * POLICY.probe_seconds)
            assert {(await ask(client))[0] for _read in range(6)} == {1, 2, 3}
            world.behaviours[1] = replace(ALONE, version=1)  # and the nodes are still watched
            await asyncio.sleep(NOTICED)
            assert {(await ask(client))[0] for _read in range(6)} == {1, 3}

    run(work())
    assert sorted(asked) == sorted([0, 1, 2] * MOST_QUESTIONS)
