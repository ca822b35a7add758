"""A resumed reindex keeps its options. tests/node/test_reindex_interrupted.py uses a real node."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, cast

import pytest

from service.client import Client
from service.index import aliases, mapping
from service.reindex import commands, steps
from service.reindex.context import Job
from service.reindex.lock import State


class Held:
    """A lock in place of the one in the cluster."""

    state = State("reindex", "look", "", "")

    async def save(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)


def job(throttle: float | None = None, *, skip_invalid: bool = False) -> Job:
    return Job(cast(Client, None), "c", mapping.load(), throttle=throttle, skip_invalid=skip_invalid)


@pytest.mark.parametrize(
    ("begun", "resumed", "expected"),
    [
        (job(), job(), (None, False)),
        (job(5.0), job(), (5.0, False)),
        (job(5.0), job(80.0), (80.0, False)),
        (job(), job(80.0), (80.0, False)),
        (job(skip_invalid=True), job(), (None, True)),
        (job(), job(skip_invalid=True), (None, True)),
    ],
)
def test_resume_keeps_the_options_and_takes_those_that_are_given(
    begun: Job, resumed: Job, expected: tuple[float | None, bool], monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, went = Held(), []

    @asynccontextmanager
    async def holding(*_arguments: Any) -> AsyncIterator[Held]:
        yield lock

    async def go(job: Job, _lock: Held) -> dict[str, object]:
        went.append((job.throttle, job.skip_invalid))
        return {}

    async def current_index(*_arguments: Any) -> str:
        return "c-1"

    async def settings_of(*_arguments: Any) -> dict[str, Any]:
        return {"number_of_shards": "1", "number_of_replicas": "0"}

    async def is_written(*_arguments: Any) -> bool:
        return True

    monkeypatch.setattr(commands, "holding", holding)
    monkeypatch.setattr(commands, "_run_steps", go)
    monkeypatch.setattr(aliases, "current_index", current_index)
    monkeypatch.setattr(steps, "settings_of", settings_of)
    monkeypatch.setattr(steps, "is_written", is_written)
    asyncio.run(commands.begin(begun))
    for again in (resumed, job()):  # what was given counts from then on
        asyncio.run(commands.resume(again))
        assert went[-1] == expected
        assert (lock.state.throttle, lock.state.skip_invalid) == expected
