"""Versioned bulk writes: every document ends as written, unchanged or rejected with its reason, and is told.

The version is external (`updated_on` in milliseconds), so a document may be sent any number of times and in any order:
an older copy never replaces a newer one. That is what makes it right to send again after a lost connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import msgspec

from service.client import BUSY, Client, translated
from service.conversation import Conversation, document_id, stored
from service.errors import SearchTimeout, SearchUnavailable, WriteFailed

BATCH_DOCUMENTS = 1000
BATCH_BYTES = 800_000  # a request stays below the 1 MiB past which aiohttp warns of a blocked event loop
ACTION_BYTES = 200
BATCHES_AT_ONCE = 6
PATIENCE_SECONDS = 300.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0

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

    def count(self, outcome: Outcome) -> None:
        setattr(self, outcome, getattr(self, outcome) + 1)


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
    """Writes them all and returns a result for each, in their order.

    What is refused for want of room (429, 503) or lost with its connection is sent again, with a pause of full jitter,
    for `patience` seconds; then WriteFailed. So is a cluster that blocks writes, at once.
    """
    results: dict[int, Result] = {}
    waiting = list(range(len(writes)))
    deadline = asyncio.get_running_loop().time() + patience
    pause = FIRST_PAUSE_SECONDS
    while True:
        why = await _try(client, alias, writes, waiting, results)
        waiting = [at for at in waiting if at not in results]
        if not waiting:
            return [results[at] for at in range(len(writes))]
        if asyncio.get_running_loop().time() > deadline:
            raise WriteFailed(f"OpenSearch took no more writes for {patience:.0f} s ({why}): nothing told is lost")
        await asyncio.sleep(random.uniform(0, pause))  # noqa: S311
        pause = min(pause * 2, LONGEST_PAUSE_SECONDS)


async def _try(
    client: Client, alias: str, writes: Sequence[Write], waiting: list[int], results: dict[int, Result]
) -> str:
    """Sends what waits, once; fills in the results of what is settled. Returns why the rest is not."""
    body = b"".join(lines(writes[at]) for at in waiting)
    try:
        with translated(alias=alias):
            answer = await client.bulk(
                body=body,
                index=alias,
                params={"require_alias": "true", "filter_path": "items.index.status,items.index.error"},
            )
    except (SearchUnavailable, SearchTimeout) as error:
        return str(error)
    why = ""
    for at, entry in zip(waiting, answer["items"], strict=True):
        result = _judge(entry["index"])
        if isinstance(result, Result):
            results[at] = result
        else:
            why = result
    return why


def lines(write: Write) -> bytes:
    """The two lines of one document in a bulk request."""
    action = {"_id": write.id, "routing": write.routing, "version": write.version, "version_type": "external"}
    return b'{"index":%s}\n%s\n' % (msgspec.json.encode(action), write.source)


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
        raise WriteFailed(f"{reason}: create it with 'conversations create'")
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
) -> Tally:
    """Writes every conversation, a few batches at once, in bounded memory, and makes them searchable.

    `reject(origin, reason)` is called for each one that OpenSearch refuses, `advance(count)` as batches end.
    """
    tally = Tally()
    under_way: set[asyncio.Task[None]] = set()

    async def send(batch: _Batch[Origin]) -> None:
        for origin, result in zip(batch.origins, await write(client, alias, batch.writes), strict=True):
            tally.count(result.outcome)
            if result.outcome == "rejected":
                reject(origin, result.reason or "refused")
        advance(len(batch.writes))

    try:
        for batch in _batches(conversations):
            under_way.add(asyncio.create_task(send(batch)))
            await asyncio.sleep(0)
            if len(under_way) >= BATCHES_AT_ONCE:
                under_way = await _settle(under_way, asyncio.FIRST_COMPLETED)
        await _settle(under_way, asyncio.ALL_COMPLETED)
    finally:
        for task in under_way:
            task.cancel()
    with translated(alias=alias):
        await client.indices.refresh(index=alias)
    return tally


async def _settle(tasks: set[asyncio.Task[None]], when: str) -> set[asyncio.Task[None]]:
    if not tasks:
        return tasks
    done, rest = await asyncio.wait(tasks, return_when=when)
    for task in done:
        task.result()
    return rest


def _batches(conversations: Iterable[tuple[Origin, Conversation]]) -> Iterable[_Batch[Origin]]:
    batch: _Batch[Origin] = _Batch()
    for origin, conversation in conversations:
        batch.add(origin, write_of(conversation))
        if batch.is_full:
            yield batch
            batch = _Batch()
    if batch.writes:
        yield batch
