"""Drift found and mended: an index against files, or against another index."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from service import progress
from service.client import SLOW_SECONDS, translated
from service.conversation import EPOCH
from service.errors import IndexUnusable
from service.index import bulk, compare, lifecycle
from service.index.bulk import Write
from service.index.compare import Differences
from service.index.job import Job, copy_documents, refresh
from service.index.ledger import Ledger
from service.index.proof import compare_ledger


@dataclass(frozen=True, slots=True)
class Finding:
    """What differs; where it was mended, `after` is what differs still. `newer` alone is no fault of the index."""

    before: Differences
    after: Differences | None

    @property
    def remaining(self) -> bool:
        left = self.before if self.after is None else self.after
        return bool(left.missing or left.stale or left.extra)

    def record(self) -> dict[str, Any]:
        after = {} if self.after is None else {"after_repair": self.after.record()}
        return {**self.before.record(), **after}


async def files(job: Job, names: tuple[str, ...], *, repair: bool) -> Finding:
    """The index that is read against files, in the organizations that these name. Raises SourceUnreadable."""
    index = await _current(job)
    with Ledger() as ledger:
        with progress.track("Reading", None, "conversations") as advance:

            def counted() -> Any:
                for write in job.read_files(names):
                    advance(1)
                    yield write

            ledger.add(counted())
        await refresh(job, index)
        before = await compare_ledger(job.client, ledger, index)
        if not repair:
            return Finding(before, None)
        wanted = {*before.missing, *before.stale}
        writes = ((write.id, write) for write in job.read_files(names) if write.id in wanted)
        await bulk.load_writes(job.client, job.alias, writes, reject=_say, lease=job.lease)
        await bulk.load_writes(job.client, job.alias, _deletions(before), reject=_say, lease=job.lease)
        await refresh(job, index)
        return Finding(before, await compare_ledger(job.client, ledger, index))


async def index(job: Job, other: str, *, repair: bool) -> Finding:
    """Another index against the one that is read, which is right."""
    right = await _current(job)
    with translated(alias=other):
        if not await job.client.indices.exists(index=other):
            raise IndexUnusable(f"there is no index {other}: 'conversations status' names those that are there")
    await refresh(job, right, other)
    before = await compare.indices(job.client, right, other)
    if not repair:
        return Finding(before, None)
    behind = await compare.still_differing(job.client, right, other, before.missing + before.stale)
    await copy_documents(job, behind, other)
    await _remove(job, other, [*before.extra])
    await refresh(job, right, other)
    return Finding(before, await compare.indices(job.client, right, other))


async def _remove(job: Job, other: str, documents: list[str]) -> None:
    """Removes documents outright, which the index that is read does not know: not even as deleted."""
    for start in range(0, len(documents), compare.BATCH_IDS):
        body = {"query": {"ids": {"values": documents[start : start + compare.BATCH_IDS]}}}
        with translated(alias=other):
            await job.client.delete_by_query(
                index=other, body=body, params={"conflicts": "proceed", "request_timeout": SLOW_SECONDS}
            )


def _deletions(found: Differences) -> Iterator[tuple[str, Write]]:
    """Tombstones for what is too much, a millisecond younger than it."""
    for document, version in found.extra.items():
        organization, _, uid = document.partition(":")
        deleted_on = EPOCH + timedelta(milliseconds=version + 1)
        yield document, bulk.deletion_of(UUID(organization), UUID(uid), deleted_on)


def _say(document: str, reason: str) -> None:
    progress.say(f"{document}: {reason}")


async def _current(job: Job) -> str:
    name = await lifecycle.current_index(job.client, job.alias)
    if name is None:
        raise IndexUnusable(f"{job.alias} does not exist in OpenSearch: create it with 'conversations create'")
    return name
