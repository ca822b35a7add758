"""The steps of a reindex, except verification (verification.py). Each can be killed at any point and run again."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from datetime import datetime

import msgspec

from service import progress
from service.client import SLOW_SECONDS, translated
from service.client.responses import convert
from service.errors import ReindexFailed, SearchUnavailable
from service.index import aliases
from service.index import writer as index_writer
from service.index.index_settings import IndexSettings, of_successor
from service.index.write_targets import Only, holders, writes_alias
from service.message_texts import counted
from service.reindex import documents
from service.reindex.context import Batches, Job, Throttle, refresh, together, valid_writes, write_valid
from service.reindex.lock import Lock
from service.times import format_time

WORKERS = 3  # ranges that are copied at once
PURGE_BATCH = 5_000  # documents that one call removes, so that it ends before the client's timeout


async def create(job: Job, lock: Lock) -> None:
    """Creates the new index, unless it exists. Settings that were not chosen are those of the running index."""
    with translated(alias=job.alias):
        exists = await job.client.indices.exists(index=lock.state.new)
    if not exists:
        settings = of_successor(await settings_of(job, lock.state.old), lock.state.index_settings)
        await aliases.create(job.client, job.alias, job.mapping, name=lock.state.new, settings=settings)


async def settings_of(job: Job, index: str) -> IndexSettings:
    """The settings of an index, by OpenSearch's names. Defaults are not included."""
    with translated(alias=job.alias):
        answer = await job.client.indices.get_settings(index=index)
    settings: IndexSettings = answer[index]["settings"]["index"]
    return settings


async def write_to_both(job: Job, lock: Lock) -> None:
    """Adds the new index to the write targets. When the lease has passed, every writer writes to both indices."""
    wanted = {lock.state.old, lock.state.new}
    written = set(await holders(job.client, writes_alias(job.alias)))
    await _change_writes(job, add=wanted - written)
    progress.say(f"waiting {job.lease:.0f} s until every writer knows the new index")
    await asyncio.sleep(job.lease)


async def is_written(job: Job, index: str) -> bool:
    """Whether the index receives every write."""
    return index in await holders(job.client, writes_alias(job.alias))


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
    """Copies the documents of the files and of the old index to the new one. Raises ReindexFailed for invalid ones."""
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
    """Copies WORKERS groups of ranges at a time. Ranges that an interrupted run copied, and empty ones, are skipped.

    Documents that are written from now on reach both indices without this.
    """
    await refresh(job, lock.state.old)
    sums = await documents.sums(job.client, lock.state.old)
    writer = index_writer.Writer(job.client, job.alias, targets=Only(lock.state.new))
    pace = Throttle(job.throttle)
    size = pace.page(documents.PAGE_DOCUMENTS)
    left = sorted(number for number in sums if number >= lock.state.ranges_done)
    groups = documents.groups(left, sums, most=size)
    queue = iter(range(len(groups)))
    done: set[int] = set()
    with translated(alias=job.alias):
        total = (await job.client.count(index=lock.state.old))["count"]
    with progress.track("Backfill", total, "document") as advance:

        async def copy_ranges() -> None:
            for number in queue:
                async for page in documents.documents(
                    job.client, lock.state.old, groups[number], with_source=True, page=size
                ):
                    await _copy(job, writer, pace, page)
                    advance(len(page))
                done.add(number)
                first_left = next((one for one in range(len(groups)) if one not in done), None)
                upto = documents.RANGES if first_left is None else groups[first_left][0]
                if upto > lock.state.ranges_done:
                    await lock.save(ranges_done=upto)

        await together(*(copy_ranges() for _ in range(WORKERS)))


async def _copy(job: Job, writer: index_writer.Writer, pace: Throttle, page: list[documents.Document]) -> None:
    documents_of_page = ((document.id, document.version, document.source or {}) for document in page)
    await _write(job, writer, pace, valid_writes(documents_of_page, job.invalid))


async def _write(job: Job, writer: index_writer.Writer, pace: Throttle, writes: Sequence[index_writer.Write]) -> None:
    for portion in pace.portions(writes):
        await pace.wait(len(portion))
        await write_valid(writer, portion, job.invalid)


async def swap(job: Job, lock: Lock) -> None:
    """Moves the alias from the old index to the new one, in one call.

    The old index is not refreshed meanwhile. Otherwise a reader could see a write in the old index before the swap, and
    miss it in the new one after the swap. Afterwards, only these two indices receive writes. Raises ReindexFailed if
    the new index does not receive every write.
    """
    old, new = lock.state.old, lock.state.new
    if await aliases.current_index(job.client, job.alias) != new:
        if not await is_written(job, new):
            way = "run 'conversations reindex --resume', which copies all documents again"
            if lock.state.action == "rollback":
                way = f"run 'conversations reindex --abandon', after which {old} is read as before"
            raise ReindexFailed(
                f"{new} was taken out of {writes_alias(job.alias)}, so it has not received every write: {way}"
            )
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
    """Restores the refresh intervals that are saved in the state. None restores the default."""
    for index, interval in lock.state.refresh.items():
        with translated(alias=job.alias):
            if await job.client.indices.exists(index=index):
                await job.client.indices.put_settings(index=index, body={"index.refresh_interval": interval})


async def describe(job: Job, names: Sequence[str]) -> dict[str, str]:
    """A description of each index, with its number of conversations and its size, for messages."""
    if not names:
        return {}
    with translated(alias=job.alias):
        stats = await job.client.indices.stats(index=",".join(names), metric="store")
    descriptions = {}
    for name in names:
        size = stats["indices"][name]["primaries"]["store"]["size_in_bytes"]
        count = await documents.count_conversations(job.client, name)
        descriptions[name] = f"{name} ({counted(count, 'conversation')}, {counted(size, 'byte')})"
    return descriptions


async def remove(job: Job, names: Sequence[str]) -> list[str]:
    """Removes indices from the write targets, waits until every writer knows, and deletes them. Returns their names.

    Reports first what it will delete. Raises ReindexFailed instead of deleting the index that is read. Names that are
    not indices of this service are ignored.
    """
    own = await aliases.all_indices(job.client, job.alias)
    going = [name for name in own if name in names]
    if not going:
        return []
    for line in (await describe(job, going)).values():
        progress.say(f"removing {line}")
    written = set(await holders(job.client, writes_alias(job.alias)))
    await _change_writes(job, remove=written & set(going))
    progress.say(f"waiting {job.lease:.0f} s until no writer uses them")
    await asyncio.sleep(job.lease)
    for name in going:
        if name == await aliases.current_index(job.client, job.alias):
            raise ReindexFailed(f"{job.alias} now reads {name}, so it is not removed")
        with translated(alias=job.alias):
            await job.client.indices.delete(index=name)
    return going


async def purge(job: Job, before: datetime) -> None:
    """Removes the tombstones of deletions before this time from every index of this service that receives writes."""
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
        answer = await _delete_some(job, index, query)
        removed += answer.deleted
        changed += answer.version_conflicts
        if answer.deleted + answer.version_conflicts < PURGE_BATCH or not answer.deleted:
            break
    progress.say(f"{counted(removed, 'old tombstone')} removed from {index}")
    if changed:
        progress.say(f"changed meanwhile, and kept in {index}: {changed:,}")


class _Deleted(msgspec.Struct):
    """What a delete-by-query did."""

    timed_out: bool
    deleted: int
    version_conflicts: int = 0
    failures: list[msgspec.Raw] = []


async def _delete_some(job: Job, index: str, query: Mapping[str, object]) -> _Deleted:
    """Deletes up to PURGE_BATCH documents. Raises SearchUnavailable if the call timed out or failed in part."""
    params = {"conflicts": "proceed", "refresh": "true", "max_docs": str(PURGE_BATCH), "request_timeout": SLOW_SECONDS}
    with translated(alias=index):
        answer = convert(await job.client.delete_by_query(index=index, body=query, params=params), _Deleted)
    if answer.timed_out or answer.failures:
        why = "it timed out" if answer.timed_out else counted(len(answer.failures), "failure")
        raise SearchUnavailable(
            f"OpenSearch removed {counted(answer.deleted, 'tombstone')} from {index} and then stopped ({why}): "
            "try again"
        )
    return answer
