"""Loads any number of documents in batches, several batches at a time, with bounded memory."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from service.client import SLOW_SECONDS, Client, translated
from service.conversation import Conversation
from service.index.bulk_requests import Write
from service.index.item_outcomes import Outcome
from service.index.write_targets import Only, Targets, writes_alias
from service.index.writer import LEASE_SECONDS, Writer, write_of

BATCH_DOCUMENTS = 1000
BATCH_BYTES = 800_000  # aiohttp warns of a blocked event loop for requests larger than 1 MiB

ACTION_BYTES = 200
BATCHES_AT_ONCE = 6
MOST_ORGANIZATIONS = 10_000  # that a tally remembers, in about 1 MB

Origin = TypeVar("Origin")
Pairs = Iterable[tuple[Origin, Write]] | AsyncIterable[Sequence[tuple[Origin, Write]]]
"""Writes with their origins: one by one, or in batches from an asynchronous source."""


@dataclass(slots=True)
class Tally:
    """The counts of a load. `written + unchanged + rejected` is the number of all documents.

    An import that began again may count a document twice (importer.Outcome).

    `organizations` are those of the documents that were sent; beyond MOST_ORGANIZATIONS none is added.
    """

    written: int = 0
    unchanged: int = 0
    rejected: int = 0
    organizations: set[str] = field(default_factory=set, compare=False)

    def record(self) -> dict[str, int]:
        return {"written": self.written, "unchanged": self.unchanged, "rejected": self.rejected}

    def count(self, outcome: Outcome) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)

    def send(self, writes: Sequence[Write]) -> None:
        """Remembers the organizations of the documents that are about to be sent."""
        if len(self.organizations) < MOST_ORGANIZATIONS:
            self.organizations.update(write.routing for write in writes)


@dataclass(slots=True)
class _Batch(Generic[Origin]):
    origins: list[Origin] = field(default_factory=list)
    writes: list[Write] = field(default_factory=list)
    bytes: int = 0

    def add(self, origin: Origin, write: Write) -> None:
        self.origins.append(origin)
        self.writes.append(write)
        self.bytes += len(write.source) + ACTION_BYTES

    @property
    def is_full(self) -> bool:
        return len(self.writes) >= BATCH_DOCUMENTS or self.bytes >= BATCH_BYTES


async def load(
    client: Client,
    alias: str,
    conversations: Iterable[tuple[Origin, Conversation]],
    *,
    reject: Callable[[Origin, str], None],
    advance: Callable[[int], None] = lambda _count: None,
    settled: Callable[[Origin], None] = lambda _origin: None,
    lease: float = LEASE_SECONDS,
    tally: Tally | None = None,
) -> Tally:
    """Writes the conversations in batches, several at a time, and then refreshes the index.

    `reject(origin, reason)` is called for each rejected conversation, and `advance(count)` after each batch.
    `settled(origin)` is called when this conversation and all before it have a result. A given `tally` is updated while
    the load runs. If OpenSearch is overloaded, fewer batches are sent at a time; later, more again.
    """
    pairs = ((origin, write_of(conversation)) for origin, conversation in conversations)
    return await load_writes(
        client, alias, pairs, reject=reject, advance=advance, settled=settled, lease=lease, tally=tally
    )


async def load_writes(
    client: Client,
    alias: str,
    writes: Pairs[Origin],
    *,
    reject: Callable[[Origin, str], None],
    advance: Callable[[int], None] = lambda _count: None,
    settled: Callable[[Origin], None] = lambda _origin: None,
    lease: float = LEASE_SECONDS,
    targets: Targets | Only | None = None,
    tally: Tally | None = None,
) -> Tally:
    """Like `load`, but takes writes."""
    tally = tally or Tally()
    pace = _Pace()
    writer = Writer(client, alias, lease=lease, pushed_back=pace.slower, targets=targets)
    under_way: set[asyncio.Task[None]] = set()
    in_order: deque[tuple[asyncio.Task[None], Origin]] = deque()

    async def send(batch: _Batch[Origin]) -> None:
        tally.send(batch.writes)
        for origin, result in zip(batch.origins, await writer.write(batch.writes), strict=True):
            tally.count(result.outcome)
            if result.outcome == "rejected":
                reject(origin, result.reason or "refused")
        pace.faster()
        advance(len(batch.writes))

    try:
        async for batch in _batches(writes):
            task = asyncio.create_task(send(batch))
            under_way.add(task)
            in_order.append((task, batch.origins[-1]))
            await asyncio.sleep(0)
            while len(under_way) >= pace.at_once:
                under_way = await _settle(under_way, asyncio.FIRST_COMPLETED)
            while in_order and in_order[0][0] not in under_way:
                settled(in_order.popleft()[1])
        await _settle(under_way, asyncio.ALL_COMPLETED)
    finally:
        for task in under_way:
            task.cancel()
    with translated(alias=alias):
        await client.indices.refresh(
            index=f"{alias},{writes_alias(alias)}",
            params={"ignore_unavailable": "true", "request_timeout": SLOW_SECONDS},
        )
    return tally


@dataclass(slots=True)
class _Pace:
    """How many batches are sent at a time: half as many after each overload, one more after ten successes."""

    at_once: int = BATCHES_AT_ONCE
    since: int = 0

    def slower(self) -> None:
        self.at_once, self.since = max(1, self.at_once // 2), 0

    def faster(self) -> None:
        self.since += 1
        if self.since >= 10 and self.at_once < BATCHES_AT_ONCE:
            self.at_once, self.since = self.at_once + 1, 0


async def _settle(tasks: set[asyncio.Task[None]], when: str) -> set[asyncio.Task[None]]:
    if not tasks:
        return tasks
    done, rest = await asyncio.wait(tasks, return_when=when)
    for task in done:
        task.result()
    return rest


async def _batches(writes: Pairs[Origin]) -> AsyncIterator[_Batch[Origin]]:
    batch: _Batch[Origin] = _Batch()
    async for origin, write in _each(writes):
        batch.add(origin, write)
        if batch.is_full:
            yield batch
            batch = _Batch()
    if batch.writes:
        yield batch


async def _each(writes: Pairs[Origin]) -> AsyncIterator[tuple[Origin, Write]]:
    if isinstance(writes, AsyncIterable):
        async for several in writes:
            for pair in several:
                yield pair
    else:
        for pair in writes:
            yield pair
