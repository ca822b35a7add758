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
from typing import Any, Generic, Literal, TypeVar
from uuid import UUID

import msgspec

from service import telemetry
from service.client import BUSY, Client, translated
from service.conversation import Conversation, document_id, is_tombstone, stored, tombstone
from service.errors import Overloaded, PushedBack, SearchTimeout, SearchUnavailable, WriteFailed
from service.index.targets import Only, Targets, own_alias, writes_alias
from service.times import LAST, epoch_milliseconds

BATCH_DOCUMENTS = 1000
BATCH_BYTES = 800_000  # a request stays below the 1 MiB past which aiohttp warns of a blocked event loop
ACTION_BYTES = 200
BATCHES_AT_ONCE = 6
PATIENCE_SECONDS = 300.0
LEASE_SECONDS = 30.0
GONE = "an index was removed"
NOT_PUSHED_BACK = frozenset({GONE, "unavailable_shards_exception", "unknown"})  # what an item is sent again for but 429
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
_LAST_VERSION = epoch_milliseconds(LAST)

Origin = TypeVar("Origin")
Outcome = Literal["written", "unchanged", "rejected"]


@dataclass(frozen=True, slots=True)
class Write:
    """One document on its way: its place, its version, its bytes."""

    id: str
    routing: str
    version: int
    source: bytes


@dataclass(frozen=True, slots=True)
class Result:
    outcome: Outcome
    reason: str | None = None


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

    async def write(self, writes: Sequence[Write], *, refresh: str = "false") -> list[Result]:
        """Writes them all and returns a result for each, in their order.

        What is refused for want of room (429, 503) or lost with its connection is sent again, with a pause of full
        jitter, as long as the patience lasts; then WriteFailed. So is a cluster that blocks writes, at once.
        `refresh` is OpenSearch's: false, true or wait_for.
        """
        settled: dict[tuple[int, str], Result] = {}
        deadline = asyncio.get_running_loop().time() + self._patience
        pause, why = FIRST_PAUSE_SECONDS, ""
        is_busy = False
        while True:
            try:
                looked = await self.targets.look(again=why == GONE)
                waiting = [
                    (at, name) for at in range(len(writes)) for name in looked.names if (at, name) not in settled
                ]
                why = await self._send(writes, waiting, settled, refresh) if waiting else ""
                is_busy = bool(why)
                if not why and self.targets.is_current(looked):
                    return [_summary([settled[at, name] for name in looked.names]) for at in range(len(writes))]
            except (SearchUnavailable, SearchTimeout) as error:
                why, is_busy = str(error), isinstance(error, Overloaded)
            if why:
                if asyncio.get_running_loop().time() > deadline:
                    raise (PushedBack if is_busy else WriteFailed)(
                        f"OpenSearch took no more writes for {self._patience:.0f} s ({why}): nothing told is lost"
                    )
                (telemetry.pushed_back if is_busy and why not in NOT_PUSHED_BACK else telemetry.sent_again).inc()
                self._pushed_back()
                await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _send(
        self,
        writes: Sequence[Write],
        waiting: list[tuple[int, str]],
        settled: dict[tuple[int, str], Result],
        refresh: str,
    ) -> str:
        """Sends what waits, once; fills in the results of what is settled. Returns why the rest is not."""
        body = b"".join(lines(writes[at], own_alias(name)) for at, name in waiting)
        params = {"require_alias": "true", "filter_path": "items.index.status,items.index.error", "refresh": refresh}
        with translated(alias=self.alias):
            answer = await self.client.bulk(body=body, params=params)
        why = ""
        for place, entry in zip(waiting, answer["items"], strict=True):
            result = _judge(entry["index"])
            if isinstance(result, Result):
                settled[place] = result
            else:
                why = result
        return why


def _summary(results: list[Result]) -> Result:
    """What becomes of a write to several indices: refused by one is refused; else the index that is read tells."""
    return next((result for result in results if result.outcome == "rejected"), results[0])


def lines(write: Write, target: str) -> bytes:
    """The two lines of one document in a bulk request."""
    action = {
        "_index": target,
        "_id": write.id,
        "routing": write.routing,
        "version": write.version,
        "version_type": "external_gte" if _ends_time(write) else "external",
    }
    return b'{"index":%s}\n%s\n' % (msgspec.json.encode(action), write.source)


def _ends_time(write: Write) -> bool:
    """A deletion at the last moment that a time can name: nothing can be newer than what it deletes, so it may be as
    old.
    """
    return write.version == _LAST_VERSION and is_tombstone(write.source)


def _judge(entry: dict[str, Any]) -> Result | str:
    """The result of one item, or the reason why it should be sent again. Raises WriteFailed on a write block."""
    status, error = entry["status"], entry.get("error") or {}
    if status in (200, 201):
        return Result("written")
    if status == 409:
        return Result("unchanged")
    kind, reason = error.get("type", "unknown"), error.get("reason", "unknown")
    if kind == "cluster_block_exception":
        raise WriteFailed(f"OpenSearch blocks writes ({reason}): free disk space or lift the block, then load again")
    if kind == "index_not_found_exception":
        return GONE
    if status in BUSY:
        return str(kind)
    cause = error.get("caused_by", {}).get("reason")
    return Result("rejected", f"{reason}: {cause}" if cause else reason)


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
        await client.indices.refresh(index=f"{alias},{writes_alias(alias)}", params={"ignore_unavailable": "true"})
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
