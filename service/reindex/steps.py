"""The steps of a reindex but for verification (verification.py): each may be killed anywhere, and done again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime
from typing import Any

from service import progress
from service.client import SLOW_SECONDS, translated
from service.errors import ReindexFailed, SearchUnavailable
from service.index import aliases
from service.index import writer as index_writer
from service.index.index_settings import of_successor
from service.index.write_targets import Only, holders, writes_alias
from service.message_texts import counted
from service.reindex import documents
from service.reindex.context import Batches, Job, Throttle, refresh, together, valid_writes, write_valid
from service.reindex.lock import Lock
from service.times import format_time

WORKERS = 3  # ranges that are copied at once
PURGE_BATCH = 5_000  # documents that one call removes, so that it ends before the client's time-out


async def create(job: Job, lock: Lock) -> None:
    with translated(alias=job.alias):
        there = await job.client.indices.exists(index=lock.state.new)
    if not there:
        settings = of_successor(await settings_of(job, lock.state.old), lock.state.index_settings)
        await aliases.create(job.client, job.alias, job.mapping, name=lock.state.new, settings=settings)


async def settings_of(job: Job, index: str) -> dict[str, Any]:
    """The index's own settings, by OpenSearch's names."""
    with translated(alias=job.alias):
        found = await job.client.indices.get_settings(index=index)
    held: dict[str, Any] = found[index]["settings"]["index"]
    return held


async def write_to_both(job: Job, lock: Lock) -> None:
    """From here on every acknowledged write is in both, once a lease has gone by."""
    wanted = {lock.state.old, lock.state.new}
    written = set(await holders(job.client, writes_alias(job.alias)))
    await _change_writes(job, add=wanted - written)
    progress.say(f"waiting {job.lease:.0f} s until every writer knows")
    await asyncio.sleep(job.lease)


async def _change_writes(
    job: Job, *, add: AbstractSet[str] = frozenset(), remove: AbstractSet[str] = frozenset()
) -> None:
    alias = writes_alias(job.alias)
    actions = [
        *({"add": {"index": name, "alias": alias}} for name in sorted(add)),
        *({"remove": {"index": name, "alias": alias}} for name in sorted(remove)),
    ]
    if actions:
        with translated(alias=job.alias):
            await job.client.indices.update_aliases(body={"actions": actions})


async def backfill(job: Job, lock: Lock) -> None:
    if lock.state.files and lock.state.ranges_done == 0:
        await _backfill_files(job, lock)
    if lock.state.from_index:
        await _backfill_index(job, lock)
    job.require_valid()


async def _backfill_files(job: Job, lock: Lock) -> None:
    writer = index_writer.Writer(job.client, job.alias, targets=Only(lock.state.new))
    batches = Batches(job.read_files(lock.state.files))
    pace = Throttle(job.throttle)
    with progress.track("Backfill from files", None, "conversation") as advance:

        async def write_batches() -> None:
            while batch := await batches.next():
                await _write(job, writer, pace, batch)
                advance(len(batch))

        await together(*(write_batches() for _ in range(WORKERS)))


async def _backfill_index(job: Job, lock: Lock) -> None:
    """Range by range, a few at once; what was done before is not done again, and empty ranges are passed over.

    What is written from now on is in both indices without this.
    """
    await refresh(job, lock.state.old)
    filled = (await documents.sums(job.client, lock.state.old)).keys()
    writer = index_writer.Writer(job.client, job.alias, targets=Only(lock.state.new))
    numbers = iter(range(lock.state.ranges_done, documents.RANGES))
    done: set[int] = set()
    pace = Throttle(job.throttle)
    size = pace.page(documents.PAGE_DOCUMENTS)
    with translated(alias=job.alias):
        total = (await job.client.count(index=lock.state.old))["count"]
    with progress.track("Backfill", total, "document") as advance:

        async def copy_ranges() -> None:
            for number in numbers:
                if number in filled:
                    async for page in documents.documents(
                        job.client, lock.state.old, number, with_source=True, page=size
                    ):
                        await _copy(job, writer, pace, page)
                        advance(len(page))
                done.add(number)
                upto = lock.state.ranges_done
                while upto in done:
                    upto += 1
                if upto > lock.state.ranges_done and (number in filled or upto == documents.RANGES):
                    await lock.save(ranges_done=upto)

        await together(*(copy_ranges() for _ in range(WORKERS)))


async def _copy(job: Job, writer: index_writer.Writer, pace: Throttle, page: list[documents.Document]) -> None:
    found = ((document.id, document.version, document.source or {}) for document in page)
    await _write(job, writer, pace, valid_writes(found, job.invalid))


async def _write(job: Job, writer: index_writer.Writer, pace: Throttle, writes: Sequence[index_writer.Write]) -> None:
    for portion in pace.portions(writes):
        await pace.wait(len(portion))
        await write_valid(writer, portion, job.invalid)


async def swap(job: Job, lock: Lock) -> None:
    """One call moves the alias. While it happens the old index shows nothing new, so that no reader sees it vanish.

    From then on only these two are written; earlier indices are left behind.
    """
    old, new = lock.state.old, lock.state.new
    if await aliases.current_index(job.client, job.alias) != new:
        if old not in lock.state.refresh:
            interval = (await settings_of(job, old)).get("refresh_interval")
            await lock.save(refresh={**lock.state.refresh, old: interval})
        with translated(alias=job.alias):
            await job.client.indices.put_settings(index=old, body={"index.refresh_interval": "-1"})
        await refresh(job, new)
        await lock.save()
        actions = [
            {"remove": {"index": old, "alias": job.alias, "must_exist": True}},
            {"add": {"index": new, "alias": job.alias}},
        ]
        with translated(alias=job.alias):
            await job.client.indices.update_aliases(body={"actions": actions})
    await restore_refresh(job, lock)
    await _change_writes(job, remove=set(await holders(job.client, writes_alias(job.alias))) - {old, new})


async def restore_refresh(job: Job, lock: Lock) -> None:
    """Puts back the refresh intervals that the state tells; None where an index had none of its own."""
    for index, interval in lock.state.refresh.items():
        with translated(alias=job.alias):
            if await job.client.indices.exists(index=index):
                await job.client.indices.put_settings(index=index, body={"index.refresh_interval": interval})


async def describe(job: Job, names: Sequence[str]) -> dict[str, str]:
    """Of each index, its name with its documents and bytes, for a message."""
    if not names:
        return {}
    with translated(alias=job.alias):
        stats = await job.client.indices.stats(index=",".join(names), metric="docs,store")
    held = {name: stats["indices"][name]["primaries"] for name in names}
    return {
        name: f"{name} ({counted(one['docs']['count'], 'document')}, {counted(one['store']['size_in_bytes'], 'byte')})"
        for name, one in held.items()
    }


async def remove(job: Job, names: Sequence[str]) -> list[str]:
    """Takes indices away from the writers, waits until all know, and deletes them. Returns those that it deleted.

    Says first what it will delete. Never deletes the index that is read, or one that is not this service's.
    """
    own = await aliases.all_indices(job.client, job.alias)
    going = [name for name in own if name in names]
    if not going:
        return []
    for line in (await describe(job, going)).values():
        progress.say(f"removing {line}")
    written = set(await holders(job.client, writes_alias(job.alias)))
    await _change_writes(job, remove=written & set(going))
    progress.say(f"waiting {job.lease:.0f} s until every writer knows")
    await asyncio.sleep(job.lease)
    for name in going:
        if name == await aliases.current_index(job.client, job.alias):
            raise ReindexFailed(f"{job.alias} reads {name} now: it is not removed")
        with translated(alias=job.alias):
            await job.client.indices.delete(index=name)
    return going


async def purge(job: Job, before: datetime) -> None:
    """Removes tombstones of deletions before this time, from every index of this service that is written."""
    written = await holders(job.client, writes_alias(job.alias))
    for name in await aliases.all_indices(job.client, job.alias):
        if name in written:
            await _purge(job, name, before)


async def _purge(job: Job, index: str, before: datetime) -> None:
    query = {"query": {"range": {"tombstone.deleted_on": {"lt": format_time(before)}}}}
    await refresh(job, index)
    with translated(alias=job.alias):
        count = (await job.client.count(index=index, body=query))["count"]
    progress.say(f"removing {counted(count, 'old tombstone')} from {index}")
    removed = changed = 0
    while count:
        found = await _delete_some(job, index, query)
        removed += found["deleted"]
        changed += found["version_conflicts"]
        if found["deleted"] + found["version_conflicts"] < PURGE_BATCH or not found["deleted"]:
            break
    progress.say(f"{counted(removed, 'old tombstone')} removed from {index}")
    if changed:
        progress.say(f"written to meanwhile, and kept in {index}: {changed:,}")


async def _delete_some(job: Job, index: str, query: dict[str, Any]) -> dict[str, Any]:
    """One call, of which only a whole answer is taken."""
    params = {"conflicts": "proceed", "refresh": "true", "max_docs": str(PURGE_BATCH), "request_timeout": SLOW_SECONDS}
    with translated(alias=index):
        found: dict[str, Any] = await job.client.delete_by_query(index=index, body=query, params=params)
    if found["timed_out"] or found["failures"]:
        why = "it timed out" if found["timed_out"] else counted(len(found["failures"]), "failure")
        raise SearchUnavailable(
            f"OpenSearch removed {counted(found['deleted'], 'tombstone')} from {index} and then stopped ({why}): "
            "try again"
        )
    return found
