"""Imports messages into a cluster, batch by batch: finds what the index holds of them, plans, and writes.

A conversation is written before its record, and conversations that were merged into another are deleted last. So after
an import was killed at any moment, the same import completes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from uuid import UUID

from service import progress
from service.client import Client
from service.errors import TooBusy
from service.imports import lock, records
from service.imports.lock import Lease, LeaseLost
from service.imports.plan import Change, Missing, Planner
from service.index.loader import ACTION_BYTES, BATCH_BYTES, BATCH_DOCUMENTS, Tally
from service.index.writer import LEASE_SECONDS, Result, Write, Writer, deletion_of, record_of, write_of
from service.sources.facts import time_of
from service.sources.spool import Piece
from service.sources.unite import Kind

BATCH_MESSAGES = 1_000
ATTEMPTS = 10
PAUSE_SECONDS = 0.05

Source = TypeVar("Source")
Groups = Callable[[], Iterable[list[Piece[Source]]]]
"""The messages of each conversation of an import. Called again if the import must be repeated."""
Reject = Callable[[Sequence[Piece[Source]], str], None]


@dataclass(slots=True)
class Outcome:
    """How an import ended, in messages, and in documents (`tally`). `trashed` as in plan.Change.

    If everything was done again, `tally.written` also counts the documents that were written before.
    """

    in_conversations: int = 0
    there: int = 0
    trashed: int = 0
    deleted: int = 0
    shortened: int = 0
    same_ids: int = 0
    tally: Tally = field(default_factory=Tally)

    def begin_again(self) -> None:
        self.in_conversations = self.there = self.trashed = self.deleted = self.shortened = self.same_ids = 0
        self.tally.unchanged = self.tally.rejected = 0


@dataclass(slots=True)
class Importer(Generic[Source]):
    """Imports into one organization."""

    client: Client
    alias: str
    organization_uid: UUID
    kind: Kind[Source]
    reject: Reject[Source]
    restores: bool = False
    lease_seconds: float = LEASE_SECONDS
    outcome: Outcome = field(default_factory=Outcome)
    _writer: Writer = field(init=False)
    _rejected: set[tuple[int, int]] = field(init=False, default_factory=set)

    def __post_init__(self) -> None:
        self._writer = Writer(self.client, self.alias, lease=self.lease_seconds)

    async def run(self, groups: Groups[Source]) -> Outcome:
        """Imports all messages. If another import takes over the lock, everything is done again.

        Raises TooBusy if conversations keep changing, and what the client and the writer raise.
        """
        for _attempt in range(ATTEMPTS):
            try:
                async with lock.holding(self.client, self.alias, self.organization_uid) as lease:
                    await self._import(groups, lease)
            except LeaseLost:
                self.outcome.begin_again()
                progress.say("another import took over the lock meanwhile: this import starts again")
                continue
            return self.outcome
        raise TooBusy("other imports into this organization kept taking over the lock: import the same again")

    async def _import(self, groups: Groups[Source], lease: Lease) -> None:
        await records.refresh(self.client, self.alias)
        batches = _batches(groups())
        while batch := await asyncio.to_thread(next, batches, None):
            await self._unite(batch, lease)
        await records.refresh(self.client, self.alias)

    async def _unite(self, pieces: list[Piece[Source]], lease: Lease) -> None:
        for _attempt in range(ATTEMPTS):
            changes = await self._plan(pieces)
            pieces = await self._write(changes, lease)
            if not pieces:
                return
            await asyncio.sleep(PAUSE_SECONDS)
        raise TooBusy("other requests keep changing the conversations: import the same again")

    async def _plan(self, pieces: list[Piece[Source]]) -> list[Change[Source]]:
        asked = {key for piece in pieces for key in self.kind.rule.asked_keys(piece.fact)}
        entries: dict[UUID, records.Entry] = {}
        await self._learn(entries, await records.find(self.client, self.alias, self.organization_uid, asked))
        await self._learn_around_deleted(entries)
        now = time.time_ns() // 1_000_000
        planner = Planner(self.kind, self.organization_uid, pieces, entries, restores=self.restores, now=now)
        while True:
            try:
                return planner.changes()
            except Missing as missing:
                await self._learn(entries, missing.uids)

    async def _learn(self, entries: dict[UUID, records.Entry], uids: Iterable[UUID]) -> None:
        unknown = [uid for uid in uids if uid not in entries]
        entries |= await records.get(self.client, self.alias, self.organization_uid, unknown)

    async def _learn_around_deleted(self, entries: dict[UUID, records.Entry]) -> None:
        """Also looks for conversations that only the messages of a deleted conversation connect."""
        looked: set[UUID] = set()
        while gone := [entry for uid, entry in entries.items() if entry.is_deleted and uid not in looked]:
            looked |= {entry.uid for entry in gone}
            await records.refresh(self.client, self.alias)
            asked = {key for entry in gone for fact in entry.facts for key in self.kind.rule.asked_keys(fact)}
            await self._learn(entries, await records.find(self.client, self.alias, self.organization_uid, asked))

    # Writing

    async def _write(self, changes: list[Change[Source]], lease: Lease) -> list[Piece[Source]]:
        """Writes the changes. Returns the messages whose changes met a newer write, to try again."""
        again: list[Piece[Source]] = []
        for change in changes:
            if change.problem is not None:
                self._reject(change.pieces, change.problem)
        changes = [change for change in changes if change.problem is None]
        items = [change for change in changes if change.item is not None]
        results = await self._send([_item_of(change) for change in items], lease, are_items=True)
        failed: set[UUID] = set()
        for change, result in zip(items, results, strict=True):
            if result.outcome == "unchanged":
                failed.add(change.uid)
                again += change.pieces
            elif result.outcome == "rejected":
                failed.add(change.uid)
                self.outcome.tally.count("rejected")
                self._reject(change.pieces, result.reason or "refused")
        done = [change for change in changes if change.uid not in failed]
        again += await self._remember([change for change in done if not change.shrinks], lease)
        again += await self._remember([change for change in done if change.shrinks], lease)
        await self._send([write for change in done for write in self._gone(change)], lease)
        lost = {piece.fact.copy for piece in again}
        for change in done:
            if not any(piece.fact.copy in lost for piece in change.pieces):
                self._count(change)
        return again

    def _count(self, change: Change[Source]) -> None:
        self.outcome.in_conversations += change.new
        self.outcome.there += change.there
        self.outcome.trashed += change.trashed
        self.outcome.deleted += change.deleted
        self.outcome.shortened += change.is_shortened
        self.outcome.same_ids += change.hidden
        if change.item is None and not change.deleted:
            self.outcome.tally.count("unchanged")

    async def _remember(self, changes: list[Change[Source]], lease: Lease) -> list[Piece[Source]]:
        """Writes the import records. After a reindex, the older index, which still gets all writes, may reject them."""
        kept = [change for change in changes if change.memory is not None]
        results = await self._send([self._record(change) for change in kept], lease)
        refused = [change for change, result in zip(kept, results, strict=True) if result.outcome == "rejected"]
        await self._require_records(refused)
        return [
            piece
            for change, result in zip(kept, results, strict=True)
            if result.outcome == "unchanged"
            for piece in change.pieces
        ]

    async def _require_records(self, changes: list[Change[Source]]) -> None:
        there = await records.get(self.client, self.alias, self.organization_uid, [change.uid for change in changes])
        for change in changes:
            if change.memory is None or set(there[change.uid].facts) != set(change.memory.facts):
                self.outcome.tally.count("rejected")
                self._reject(change.pieces, "OpenSearch does not take its import record")

    def _reject(self, pieces: Sequence[Piece[Source]], why: str) -> None:
        """Rejects the messages that were not rejected before."""
        new = [piece for piece in pieces if piece.fact.copy not in self._rejected]
        self._rejected.update(piece.fact.copy for piece in new)
        if new:
            self.reject(new, why)

    def _record(self, change: Change[Source]) -> Write:
        assert change.memory is not None
        rule = self.kind.rule
        version = max(change.record_version + 1, time.time_ns() // 1_000_000)
        return record_of(records.record(self.organization_uid, change.uid, change.memory, rule, version))

    def _gone(self, change: Change[Source]) -> Iterator[Write]:
        """The conversations that were merged into another, and their records."""
        for entry in change.merged:
            if entry.item is not None:
                yield deletion_of(self.organization_uid, entry.uid, time_of(entry.version + 1))
            version = max(entry.record_version + 1, time.time_ns() // 1_000_000)
            yield record_of(records.moved(self.organization_uid, entry.uid, change.uid, version))

    async def _send(self, writes: list[Write], lease: Lease, *, are_items: bool = False) -> list[Result]:
        """Writes. Items that are written are counted at once, because the lock may be lost then."""
        results: list[Result] = []
        for portion in _portions(writes):
            lease.require()
            done = await self._writer.write(portion)
            results += done
            self.outcome.tally.written += are_items * sum(result.outcome == "written" for result in done)
        lease.require()
        return results


def _item_of(change: Change[Source]) -> Write:
    assert change.item is not None
    return write_of(change.item, records.packed_parts(change.parts))


def _batches(groups: Iterable[list[Piece[Source]]]) -> Iterator[list[Piece[Source]]]:
    """The messages of several conversations at once."""
    batch: list[Piece[Source]] = []
    for group in groups:
        batch += group
        if len(batch) >= BATCH_MESSAGES:
            yield batch
            batch = []
    if batch:
        yield batch


def _portions(writes: list[Write]) -> Iterator[list[Write]]:
    portion: list[Write] = []
    size = 0
    for write in writes:
        portion.append(write)
        size += len(write.source) + ACTION_BYTES
        if len(portion) >= BATCH_DOCUMENTS or size >= BATCH_BYTES:
            yield portion
            portion, size = [], 0
    if portion:
        yield portion
