"""Versioned bulk writes: every document ends as written, unchanged or rejected with its reason, and is told.

The version is external (`updated_on` in milliseconds), so a document may be sent any number of times and in any order:
an older copy never replaces a newer one. That is what makes it right to send again after a lost connection.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Generic, TypeVar
from uuid import UUID

from service import telemetry
from service.client import SLOW_SECONDS, Client, translated
from service.conversation import Conversation, document_id, stored, tombstone
from service.errors import Overloaded, PushedBack, SearchTimeout, SearchUnavailable, WriteFailed
from service.index.delivery import TIME_IS_UP, Delivery, Write, lines
from service.index.disk import unless_full
from service.index.targets import Only, Targets, writes_alias
from service.index.verdicts import GONE, Again, Outcome, Result
from service.times import epoch_milliseconds

__all__ = (
    "Outcome",
    "Result",
    "Tally",
    "Write",
    "Writer",
    "deletion_of",
    "lines",
    "load",
    "load_writes",
    "write",
    "write_of",
)

BATCH_DOCUMENTS = 1000
BATCH_BYTES = 800_000  # a request stays below the 1 MiB past which aiohttp warns of a blocked event loop
ACTION_BYTES = 200
BATCHES_AT_ONCE = 6
PATIENCE_SECONDS = 300.0
LEASE_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
DISK_SECONDS = 10.0  # of a write that has not ended, at most, after which a full disk is looked for
DISK_SHARE = 0.7  # of the patience, at most, for the same

Origin = TypeVar("Origin")


@dataclass(slots=True)
class Tally:
    """How a load ended. `written + unchanged + rejected` is everything that was given."""

    written: int = 0
    unchanged: int = 0
    rejected: int = 0

    def record(self) -> dict[str, int]:
        return {"written": self.written, "unchanged": self.unchanged, "rejected": self.rejected}

    def count(self, outcome: Outcome) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)


def deletion_of(organization_uid: UUID, uid: UUID, deleted_on: datetime) -> Write:
    """The write that leaves a tombstone: `deleted_on` is its version, so it loses against what is newer."""
    return Write(
        id=document_id(organization_uid, uid),
        routing=str(organization_uid),
        version=epoch_milliseconds(deleted_on),
        source=tombstone(organization_uid, uid, deleted_on),
    )


def write_of(conversation: Conversation) -> Write:
    return Write(
        id=document_id(conversation.organization_uid, conversation.uid),
        routing=str(conversation.organization_uid),
        version=conversation.version,
        source=stored(conversation),
    )


async def write(
    client: Client, alias: str, writes: Sequence[Write], *, patience: float = PATIENCE_SECONDS
) -> list[Result]:
    """One Writer's `write`, for who writes once."""
    return await Writer(client, alias, patience=patience).write(writes)


class Writer:
    """Writes to all indices that must be written (targets.py), and acknowledges what is in all of them."""

    def __init__(
        self,
        client: Client,
        alias: str,
        *,
        lease: float = LEASE_SECONDS,
        patience: float = PATIENCE_SECONDS,
        pushed_back: Callable[[], None] = lambda: None,
        targets: Targets | Only | None = None,
    ) -> None:
        self.client = client
        self.alias = alias
        self.targets = targets or Targets(client, alias, lease=lease)
        self._patience = patience
        self._pushed_back = pushed_back

    async def write(
        self, writes: Sequence[Write], *, refresh: str = "false", patience: float | None = None
    ) -> list[Result]:
        """Writes them all and returns a result for each, in their order.

        What is refused for want of room (429, 503) or lost with its connection is sent again, with a pause of full
        jitter, as long as the patience lasts (in seconds; the writer's own unless given); then WriteFailed. So is a
        cluster that blocks writes, and a closed index, at once. A document that fails a request as a whole is found and
        rejected alone (delivery.py). `refresh` is OpenSearch's: false, true or wait_for.
        A WriteFailed names a full disk where one is behind it, whatever OpenSearch reported.
        """
        patience = self._patience if patience is None else patience
        work = self._write(writes, refresh, patience)
        return await unless_full(work, self.client, seconds=min(DISK_SECONDS, patience * DISK_SHARE))

    async def _write(self, writes: Sequence[Write], refresh: str, patience: float) -> list[Result]:
        loop = asyncio.get_running_loop()
        delivery = Delivery(self.client, self.alias, writes, refresh, patience, loop.time() + patience)
        pause = FIRST_PAUSE_SECONDS
        why: Again | None = None
        while True:
            try:
                looked = await self.targets.look(again=why is not None and why.reason == GONE)
                places = [
                    (at, name)
                    for at in range(len(writes))
                    for name in looked.names
                    if (at, name) not in delivery.settled
                ]
                found = await delivery.send(places) if places else None
                why = why if why and found and found.reason == TIME_IS_UP else found
                if why is None and self.targets.is_current(looked):
                    return [
                        _summary([delivery.settled[at, name] for name in looked.names]) for at in range(len(writes))
                    ]
            except (SearchUnavailable, SearchTimeout) as error:
                why = Again(str(error), is_busy=isinstance(error, Overloaded))
            if why is not None:
                await self._wait(why, pause, left=delivery.deadline - loop.time(), patience=patience)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _wait(self, why: Again, pause: float, *, left: float, patience: float) -> None:
        """Waits before another try. Raises PushedBack or WriteFailed where there is no time for one."""
        if left <= 0:
            raise (PushedBack if why.is_busy else WriteFailed)(
                f"OpenSearch took no more writes for {patience:.0f} s ({why.reason}): nothing told is lost"
            )
        (telemetry.pushed_back if why.is_busy else telemetry.sent_again).inc()
        self._pushed_back()
        await asyncio.sleep(min(random.uniform(0, pause), left))  # noqa: S311


def _summary(results: list[Result]) -> Result:
    """What becomes of a write to several indices: refused by one is refused; else the index that is read tells."""
    return next((result for result in results if result.outcome == "rejected"), results[0])


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
    """Writes every conversation, a few batches at once, in bounded memory, and makes them searchable.

    A `tally` that is given counts along, to be looked at meanwhile.
    `reject(origin, reason)` is called for each one that OpenSearch refuses, `advance(count)` as batches end, and
    `settled(origin)` with the last one of which, and of all before which, it is known what became. Where OpenSearch
    pushes back, fewer batches are sent at once, and more again while it does not.
    """
    pairs = ((origin, write_of(conversation)) for origin, conversation in conversations)
    return await load_writes(
        client, alias, pairs, reject=reject, advance=advance, settled=settled, lease=lease, tally=tally
    )


async def load_writes(
    client: Client,
    alias: str,
    writes: Iterable[tuple[Origin, Write]],
    *,
    reject: Callable[[Origin, str], None],
    advance: Callable[[int], None] = lambda _count: None,
    settled: Callable[[Origin], None] = lambda _origin: None,
    lease: float = LEASE_SECONDS,
    targets: Targets | Only | None = None,
    tally: Tally | None = None,
) -> Tally:
    """As `load`, for what is a write already."""
    tally = tally or Tally()
    pace = _Pace()
    writer = Writer(client, alias, lease=lease, pushed_back=pace.slower, targets=targets)
    under_way: set[asyncio.Task[None]] = set()
    in_order: deque[tuple[asyncio.Task[None], Origin]] = deque()

    async def send(batch: _Batch[Origin]) -> None:
        for origin, result in zip(batch.origins, await writer.write(batch.writes), strict=True):
            tally.count(result.outcome)
            if result.outcome == "rejected":
                reject(origin, result.reason or "refused")
        pace.faster()
        advance(len(batch.writes))

    try:
        for batch in _batches(writes):
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
    """How many batches are sent at once: half as many at each push back, one more after so many that went well."""

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


def _batches(writes: Iterable[tuple[Origin, Write]]) -> Iterable[_Batch[Origin]]:
    batch: _Batch[Origin] = _Batch()
    for origin, write in writes:
        batch.add(origin, write)
        if batch.is_full:
            yield batch
            batch = _Batch()
    if batch.writes:
        yield batch
