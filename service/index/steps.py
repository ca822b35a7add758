"""The steps of a reindex but for its proof (proof.py): each may be killed anywhere, and done again."""

from __future__ import annotations

import asyncio
from datetime import datetime

from service import progress
from service.client import SLOW_SECONDS, translated
from service.conversation import format_time
from service.errors import ConversationsError
from service.index import bulk, lifecycle, scan
from service.index.job import Job, again, none_refused, refresh
from service.index.state import Lock
from service.index.targets import Only, holders, writes_alias

WORKERS = 3  # ranges that are copied at once


async def create(job: Job, lock: Lock) -> None:
    with translated(alias=job.alias):
        there = await job.client.indices.exists(index=lock.state.new)
    if not there:
        await lifecycle.create(job.client, job.alias, job.mapping, name=lock.state.new)


async def write_to_both(job: Job, lock: Lock) -> None:
    """From here on every acknowledged write is in both, once a lease has gone by. Earlier indices are left behind."""
    wanted = {lock.state.old, lock.state.new}
    with translated(alias=job.alias):
        written = set(await holders(job.client, writes_alias(job.alias)))
        actions = [
            *({"add": {"index": name, "alias": writes_alias(job.alias)}} for name in sorted(wanted - written)),
            *({"remove": {"index": name, "alias": writes_alias(job.alias)}} for name in sorted(written - wanted)),
        ]
        if actions:
            await job.client.indices.update_aliases(body={"actions": actions})
    progress.say(f"waiting {job.lease:.0f} s until every writer knows")
    await asyncio.sleep(job.lease)


async def backfill(job: Job, lock: Lock) -> None:
    if lock.state.files and lock.state.ranges_done == 0:
        await _backfill_files(job, lock)
    if lock.state.from_index:
        await _backfill_index(job, lock)


async def _backfill_files(job: Job, lock: Lock) -> None:
    refused: list[str] = []
    with progress.track("Backfill from files", None, "conversations") as advance:
        await bulk.load_writes(
            job.client,
            job.alias,
            ((write.id, write) for write in job.read_files(lock.state.files)),
            reject=lambda document, why: refused.append(f"{document}: {why}"),
            advance=advance,
            targets=Only(lock.state.new),
        )
    none_refused(refused)


async def _backfill_index(job: Job, lock: Lock) -> None:
    """Range by range, a few at once; what was done before is not done again."""
    await refresh(job, lock.state.old)
    writer = bulk.Writer(job.client, job.alias, targets=Only(lock.state.new))
    numbers = iter(range(lock.state.ranges_done, scan.RANGES))
    done: set[int] = set()
    pace = _Throttle(job.throttle)
    with translated(alias=job.alias):
        total = (await job.client.count(index=lock.state.old))["count"]
    with progress.track("Backfill", total, "documents") as advance:

        async def copy_ranges() -> None:
            for number in numbers:
                async for page in scan.documents(job.client, lock.state.old, number, with_source=True):
                    await pace.wait(len(page))
                    results = await writer.write([again(document.id, document.source or {}) for document in page])
                    none_refused([result.reason or "" for result in results if result.outcome == "rejected"])
                    advance(len(page))
                done.add(number)
                upto = lock.state.ranges_done
                while upto in done:
                    upto += 1
                if upto > lock.state.ranges_done:
                    await lock.save(ranges_done=upto)

        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(WORKERS):
                    group.create_task(copy_ranges())
        except* ConversationsError as errors:
            raise errors.exceptions[0] from None


async def swap(job: Job, lock: Lock) -> None:
    """One call moves the alias. While it happens the old index shows nothing new, so that no reader sees it vanish."""
    old, new = lock.state.old, lock.state.new
    if await lifecycle.current_index(job.client, job.alias) != new:
        with translated(alias=job.alias):
            await job.client.indices.put_settings(index=old, body={"index.refresh_interval": "-1"})
        await refresh(job, new)
        await lock.save()
        actions = [{"remove": {"index": old, "alias": job.alias}}, {"add": {"index": new, "alias": job.alias}}]
        with translated(alias=job.alias):
            await job.client.indices.update_aliases(body={"actions": actions})
    await restore_refresh(job, old)


async def restore_refresh(job: Job, index: str) -> None:
    with translated(alias=job.alias):
        if await job.client.indices.exists(index=index):
            interval = job.mapping.settings["index"]["refresh_interval"]
            await job.client.indices.put_settings(index=index, body={"index.refresh_interval": interval})


async def remove(job: Job, names: list[str]) -> None:
    """Takes indices away from the writers, waits until all know, and deletes them."""
    with translated(alias=job.alias):
        existing = [name for name in names if await job.client.indices.exists(index=name)]
        if not existing:
            return
        for name in existing:
            if await job.client.indices.exists_alias(index=name, name=writes_alias(job.alias)):
                remove = {"remove": {"index": name, "alias": writes_alias(job.alias)}}
                await job.client.indices.update_aliases(body={"actions": [remove]})
        progress.say(f"waiting {job.lease:.0f} s until every writer knows")
        await asyncio.sleep(job.lease)
        for name in existing:
            await job.client.indices.delete(index=name)


async def purge(job: Job, before: datetime) -> None:
    """Removes tombstones of deletions before this time, from every index that is written."""
    body = {"query": {"range": {"tombstone.deleted_on": {"lt": format_time(before)}}}}
    with translated(alias=job.alias):
        found = await job.client.delete_by_query(
            index=writes_alias(job.alias),
            body=body,
            params={"conflicts": "proceed", "refresh": "true", "request_timeout": SLOW_SECONDS},
        )
    progress.say(f"{found['deleted']} old tombstones removed")


class _Throttle:
    """At most so many documents a second, over all workers."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    async def wait(self, count: int) -> None:
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._free_at)
        self._free_at = start + count / self._rate
        await asyncio.sleep(start - now)
