"""Two processes never both hold the lock. The lock of a dead one is taken over when its time is up, not before.

`Document` is a model of one document with sequence numbers, which the lock relies on. It says nothing about what
OpenSearch does; tests/node/test_reindex_state.py uses a real node.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, Literal, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opensearchpy.exceptions import ConflictError, ConnectionTimeout, NotFoundError, TransportError

from service.client import Client
from service.errors import ReindexFailed, SearchTimeout, SearchUnavailable, UnderWay
from service.reindex.lock import BEAT_SECONDS, DEAD_AFTER_SECONDS, LOOK, Lock, State, holding
from tests.examples import examples
from tests.virtual_time import run

ALIAS = "c"
Fault = Literal["refused", "lost"] | None
"""A write that is not executed, or one whose response is lost."""
LONGEST_CALL = 0.4  # seconds, there and back
EXPECTED = (UnderWay, ReindexFailed, SearchTimeout, SearchUnavailable)


def now() -> float:
    return asyncio.get_running_loop().time()


@dataclass
class Document:
    """The document of the lock, who wrote it last and when, and the faults that were found."""

    source: dict[str, Any] | None = None
    number: int = 0
    writer: Process | None = None
    written: float = 0.0
    faults: list[str] = field(default_factory=list)

    def put(self, process: Process, source: dict[str, Any], condition: dict[str, Any]) -> None:
        self._check(condition)
        if self.source is not None and self.writer is not process and self.writer is not None:
            if self.writer.holds and self.writer.is_running(now()):
                self.faults.append("it was taken from a running process")
            if now() - self.written < DEAD_AFTER_SECONDS:
                self.faults.append("it was taken before its time was up")
        self.source, self.writer, self.written = source, process, now()
        self.number += 1

    def remove(self, condition: dict[str, Any]) -> None:
        self._check(condition)
        self.source = None
        self.number += 1

    def _check(self, condition: dict[str, Any]) -> None:
        if condition.get("op_type") == "create":
            fits = self.source is None
        else:
            fits = self.source is not None and condition["if_seq_no"] == self.number
        if not fits:
            raise ConflictError(409, "version_conflict_engine_exception", {"error": {}, "status": 409})


@dataclass(eq=False)
class Process:
    """One process with its own client: when it starts, what it does with the lock, and what becomes of it.

    It is dead from `dies` on, and suspended between two times: no call of it begins then.
    """

    starts: float
    works: float
    resumes: bool
    changes: bool
    dies: float | None
    suspended: tuple[float, float] | None
    delays: list[float]
    faults: list[Fault]
    holds: bool = False
    held: list[tuple[float, float]] = field(default_factory=list)

    def is_running(self, at: float) -> bool:
        """Whether it has been able to send heartbeats lately."""
        is_dead = self.dies is not None and at >= self.dies
        stopped = self.suspended
        return not is_dead and (stopped is None or not stopped[0] <= at <= stopped[1] + 2 * LONGEST_CALL)


class ProcessClient:
    """What the lock calls of a client."""

    def __init__(self, document: Document, process: Process) -> None:
        self._document, self._process = document, process
        self._delays: Iterator[float] = iter(process.delays)
        self._faults: Iterator[Fault] = iter(process.faults)
        self.indices = SimpleNamespace(create=self._arrives)

    async def _arrives(self, **_options: Any) -> None:
        await asyncio.sleep(next(self._delays, 0.01))
        stopped = self._process.suspended
        if stopped is not None and stopped[0] <= now() < stopped[1]:
            await asyncio.sleep(stopped[1] - now())
        if self._process.dies is not None and now() >= self._process.dies:
            raise ConnectionTimeout("TIMEOUT", "dead", TimeoutError())

    async def get(self, **_options: Any) -> dict[str, Any]:
        await self._arrives()
        source, number = self._document.source, self._document.number
        await asyncio.sleep(next(self._delays, 0.01))
        if source is None:
            raise NotFoundError(404, "unknown", {"found": False})
        return {"_source": source, "_seq_no": number, "_primary_term": 1}

    async def index(self, *, body: dict[str, Any], params: dict[str, Any], **_options: Any) -> dict[str, Any]:
        fault = await self._fault()
        self._document.put(self._process, body, params)
        number = self._document.number
        await self._answers(fault)
        return {"_seq_no": number, "_primary_term": 1}

    async def delete(self, *, params: dict[str, Any], **_options: Any) -> None:
        fault = await self._fault()
        self._document.remove(params)
        await self._answers(fault)

    async def _fault(self) -> Fault:
        await self._arrives()
        fault = next(self._faults, None)
        if fault == "refused":
            raise TransportError(503, "unknown", {"error": {}, "status": 503})
        return fault

    async def _answers(self, fault: Fault) -> None:
        await asyncio.sleep(next(self._delays, 0.01))
        if fault == "lost":
            raise ConnectionTimeout("TIMEOUT", "lost", TimeoutError())


def wanted() -> State:
    return State("reindex", LOOK, "c-1", "c-2")


async def lives(document: Document, process: Process) -> None:
    """The life of one process."""
    await asyncio.sleep(process.starts)
    client = cast(Client, ProcessClient(document, process))
    with suppress(*EXPECTED):
        async with holding(client, ALIAS, None if process.resumes else wanted()) as lock:
            process.holds = True
            began = now()
            try:
                if process.changes:
                    await lock.save(step="copy")
                await asyncio.sleep(process.works)
            finally:
                process.holds = False
                process.held.append((began, now()))


async def all_live(document: Document, processes: list[Process]) -> None:
    async def ends(process: Process) -> None:
        task = asyncio.create_task(lives(document, process))
        await asyncio.wait([task], timeout=process.dies)
        task.cancel()
        await asyncio.wait([task])
        if not task.cancelled():
            task.result()

    await asyncio.gather(*map(ends, processes))


times = st.integers(0, 100).map(lambda tenths: tenths / 5)
processes = st.builds(
    Process,
    starts=times,
    works=times,
    resumes=st.booleans(),
    changes=st.booleans(),
    dies=st.none() | times,
    suspended=st.none() | st.builds(lambda start, length: (start, start + length), times, times),
    delays=st.lists(st.sampled_from([0.0, 0.05, LONGEST_CALL / 2]), max_size=30),
    faults=st.lists(st.sampled_from([None, "lost"]), max_size=6).flatmap(
        lambda some: st.integers(0, len(some)).map(lambda at: [*some[:at], "refused", *some[at:]])
    ),
)


@settings(max_examples=examples(300))
@given(st.lists(processes, min_size=2, max_size=4))
def test_two_processes_never_both_hold_the_lock_and_a_dead_one_loses_it(processes: list[Process]) -> None:
    """A suspended process may believe that it holds the lock until its next heartbeat. Two running ones never do."""
    document = Document()

    async def work() -> None:
        await all_live(document, processes)
        is_left, begun = document.source is not None, now()
        rescuer = Process(0, 0, False, False, None, None, [], [])
        is_unchanged = document.source is None or document.source["step"] == LOOK
        client = cast(Client, ProcessClient(document, rescuer))
        await Lock.acquire(client, ALIAS, wanted() if is_unchanged else None)
        assert now() - begun < DEAD_AFTER_SECONDS + 2 * BEAT_SECONDS if is_left else now() - begun < BEAT_SECONDS

    run(work())
    assert document.faults == []
    spans = sorted(span for process in processes if process.suspended is None for span in process.held)
    assert all(before[1] <= after[0] for before, after in pairwise(spans))


def test_a_suspended_process_learns_that_it_lost_the_lock() -> None:
    document = Document()
    suspended = Process(0, 60, False, False, None, (2, 20), [], [])
    other = Process(5, 30, False, False, None, None, [], [])

    async def work() -> None:
        taking = asyncio.create_task(lives(document, other))
        client = cast(Client, ProcessClient(document, suspended))
        with pytest.raises(UnderWay):
            async with holding(client, ALIAS, wanted()):
                await asyncio.sleep(suspended.works)
        assert 20 <= now() < 20 + 2 * BEAT_SECONDS
        assert other.holds
        await taking

    run(work())
    assert document.source is None
