"""A new index made under a running service: create -> write to both -> backfill -> verify -> swap.

Each step is one function, may be killed anywhere, and done again. The state in the cluster (state.py) tells which step
was under way. Readers see the old index until the swap, which is one call; writers learn of the new one by themselves
(targets.py). After the swap both go on being written, so that `rollback` loses nothing, until `prune`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy.exceptions import NotFoundError
from pydantic import ValidationError

from service import progress
from service.client import Client, translated
from service.conversation import Conversation, Tombstone
from service.errors import ConversationsError, IndexUnusable, ReindexFailed, SearchTimeout, SearchUnavailable
from service.index import bulk, compare, lifecycle, scan
from service.index.bulk import Write
from service.index.ledger import Ledger
from service.index.mapping import Mapping
from service.index.state import Lock, State
from service.index.targets import Only, writes_alias

WORKERS = 3  # ranges that are copied at once
ATTEMPTS = 10  # verifications, while writers go on
SAMPLE = 200  # documents compared field by field
MOST_SHOWN = 5

ReadFiles = Callable[[tuple[str, ...]], Iterator[Write]]


@dataclass(frozen=True, slots=True)
class Job:
    """What the steps work with. `lease` in seconds, `throttle` in documents a second."""

    client: Client
    alias: str
    mapping: Mapping
    lease: float = bulk.LEASE_SECONDS
    throttle: float | None = None
    read_files: ReadFiles = lambda _files: iter(())


async def begin(job: Job, *, files: tuple[str, ...] = (), from_index: bool = True) -> str:
    """A reindex from the running index, from files, or from both. Returns the new index's name."""
    old = await lifecycle.current_index(job.client, job.alias)
    if old is None:
        raise IndexUnusable(f"{job.alias} does not exist in OpenSearch: create it with 'conversations create'")
    new = lifecycle.index_name(job.alias, job.mapping, datetime.now(UTC))
    state = State("reindex", "create", old, new, files=files, from_index=from_index)
    return await _go(job, await Lock.acquire(job.client, job.alias, state))


async def resume(job: Job) -> str:
    """Goes on with what was interrupted. Returns the name of the index that is then read."""
    return await _go(job, await Lock.acquire(job.client, job.alias, None))


async def abandon(job: Job) -> str:
    """Undoes what was interrupted: the index that was read stays, the new one goes. Returns the name of that one."""
    lock = await Lock.acquire(job.client, job.alias, None)
    async with _beating(lock):
        current = await lifecycle.current_index(job.client, job.alias)
        other = lock.state.new if current == lock.state.old else lock.state.old
        await _restore_refresh(job, lock.state.old)
        if lock.state.action == "reindex" and current == lock.state.old:
            await _remove(job, [other])
    await lock.release()
    return other


async def rollback(job: Job) -> str:
    """Returns to the index that was read before, which has been written all the while. Returns its name."""
    current = await lifecycle.current_index(job.client, job.alias)
    with translated(alias=job.alias):
        try:
            written = await job.client.indices.get_alias(name=writes_alias(job.alias))
        except NotFoundError:
            written = {}
    previous = sorted(name for name in written if name != current)
    if current is None or not previous:
        raise ReindexFailed("there is no previous index that has been written all the while: nothing to return to")
    state = State("rollback", "verify", current, previous[-1])
    return await _go(job, await Lock.acquire(job.client, job.alias, state))


async def prune(job: Job, *, keep: int) -> list[str]:
    """Removes indices that are not read, but for the newest `keep` of them. Returns the names of those removed."""
    current = await lifecycle.current_index(job.client, job.alias)
    if current is None:
        raise IndexUnusable(f"{job.alias} does not exist in OpenSearch: nothing is pruned")
    lock = await Lock.acquire(job.client, job.alias, State("prune", "remove", current, current))
    async with _beating(lock):
        others = [name for name in await lifecycle.all_indices(job.client, job.alias) if name != current]
        gone = others[: max(0, len(others) - keep)]
        await _remove(job, gone)
    await lock.release()
    return gone


async def _go(job: Job, lock: Lock) -> str:
    """Does the step that the state names and all that follow."""
    steps = list(STEPS)
    at = [step for step, _function in steps].index(lock.state.step) if lock.state.action != "prune" else len(steps)
    async with _beating(lock):
        for step, function in steps[at:]:
            await lock.save(step=step)
            progress.say(f"{lock.state.action}: {step}")
            await function(job, lock)
    await lock.release()
    return lock.state.new


async def _create(job: Job, lock: Lock) -> None:
    with translated(alias=job.alias):
        there = await job.client.indices.exists(index=lock.state.new)
    if not there:
        await lifecycle.create(job.client, job.alias, job.mapping, name=lock.state.new)


async def _write_to_both(job: Job, lock: Lock) -> None:
    """From here on every acknowledged write is in both, once a lease has gone by. Earlier indices are left behind."""
    wanted = {lock.state.old, lock.state.new}
    with translated(alias=job.alias):
        try:
            written = set(await job.client.indices.get_alias(name=writes_alias(job.alias)))
        except NotFoundError:
            written = set()
        actions = [
            *({"add": {"index": name, "alias": writes_alias(job.alias)}} for name in sorted(wanted - written)),
            *({"remove": {"index": name, "alias": writes_alias(job.alias)}} for name in sorted(written - wanted)),
        ]
        if actions:
            await job.client.indices.update_aliases(body={"actions": actions})
    progress.say(f"waiting {job.lease:.0f} s until every writer knows")
    await asyncio.sleep(job.lease)


async def _backfill(job: Job, lock: Lock) -> None:
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
    _none_refused(refused)


async def _backfill_index(job: Job, lock: Lock) -> None:
    """Range by range, a few at once; what was done before is not done again."""
    await _refresh(job, lock.state.old)
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
                    results = await writer.write([_again(document.id, document.source or {}) for document in page])
                    _none_refused([result.reason or "" for result in results if result.outcome == "rejected"])
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


def _again(document: str, source: dict[str, Any]) -> Write:
    """The write that makes the document anew, as this version of the service stores it."""
    if "tombstone" in source:
        held = Tombstone.model_validate(source["tombstone"])
        return bulk.deletion_of(held.organization_uid, held.uid, held.deleted_on)
    try:
        return bulk.write_of(Conversation.model_validate({k: v for k, v in source.items() if k != "order"}))
    except ValidationError as error:
        raise ReindexFailed(f"{document} is not valid any more: {error}") from None


async def _verify(job: Job, lock: Lock) -> None:
    """Compares by hashes over ranges, mends what a straggler left, and ends when nothing differs."""
    old, new = lock.state.old, lock.state.new
    right_is_index = lock.state.from_index or lock.state.action == "rollback"
    if lock.state.files:
        await _verify_files(job, lock)
    if right_is_index:
        for _attempt in range(ATTEMPTS):
            if not await _mend(job, old, new, both_ways=not lock.state.files):
                break
        else:
            raise ReindexFailed(f"{new} still differs from {old}: nothing was swapped; abandon it or try again")
        await _verify_counts(job, old, new, equal=not lock.state.files)
        await _verify_sample(job, old, new)


async def _mend(job: Job, old: str, new: str, *, both_ways: bool) -> bool:
    """Whether anything had to be mended. What differs only because it is being written does not count."""
    await _refresh(job, old, new)
    with progress.track("Verify", scan.RANGES, "ranges") as advance:
        found = await compare.indices(job.client, old, new, advance=advance)
    behind = await compare.still_differing(job.client, old, new, found.missing + found.stale)
    await copy_documents(job, behind, new)
    ahead: list[dict[str, Any]] = []
    if both_ways:  # what the new one alone has, a writer has not finished; it was not acknowledged then
        ahead = await compare.still_differing(job.client, new, old, [*found.newer, *found.extra])
        if ahead:
            await asyncio.sleep(1.0)
            ahead = await compare.still_differing(job.client, new, old, [document["_id"] for document in ahead])
            await copy_documents(job, ahead, old)
    if behind or ahead:
        progress.say(f"mended {len(behind)} behind, {len(ahead)} ahead")
    return bool(behind or ahead)


async def copy_documents(job: Job, found: list[dict[str, Any]], index: str) -> None:
    """Writes documents, as they were read from one index, to another."""
    writer = bulk.Writer(job.client, job.alias, targets=Only(index))
    writes = [_again(document["_id"], document["_source"]) for document in found]
    for start in range(0, len(writes), bulk.BATCH_DOCUMENTS):
        await writer.write(writes[start : start + bulk.BATCH_DOCUMENTS])


async def _verify_files(job: Job, lock: Lock) -> None:
    with Ledger() as ledger:
        ledger.add(job.read_files(lock.state.files))
        await _refresh(job, lock.state.new)
        found = await compare_ledger(job.client, ledger, lock.state.new)
        if found.missing or found.stale:
            shown = ", ".join((found.missing + found.stale)[:MOST_SHOWN])
            raise ReindexFailed(f"{lock.state.new} lacks what the files hold ({found.record()}), such as {shown}")


async def compare_ledger(client: Client, ledger: Ledger, index: str) -> compare.Differences:
    """Compares what files say with an index, in the organizations that the files name.

    What the files do not know is too much only if it lives and is not newer than all that they hold.
    """
    found = compare.Differences()
    organizations = ledger.organizations()
    if not organizations:
        return found
    newest = ledger.newest()
    for number in compare.differing(ledger.sums(), await scan.sums(client, index, organizations)):
        right = ledger.versions(number)
        there: compare.Versions = {}
        async for page in scan.documents(client, index, number, organizations=organizations):
            for document in page:
                if document.id in right or (not document.is_tombstone and document.version <= newest):
                    there[document.id] = document.version
                elif not document.is_tombstone:
                    found.newer.append(document.id)
        found.add(right, there)
    return found


async def _verify_counts(job: Job, old: str, new: str, *, equal: bool) -> None:
    """By organization; while nobody writes they must be equal, and where files came in too, the new ones not fewer."""
    for _attempt in range(ATTEMPTS):
        await _refresh(job, old, new)
        before = await _indexed(job, old, new)
        right = await scan.count_by_organization(job.client, old)
        other = await scan.count_by_organization(job.client, new)
        if right == other:
            return
        if before == await _indexed(job, old, new):
            wrong = [name for name, count in right.items() if other.get(name, 0) < count or equal]
            if not wrong:
                return
            raise ReindexFailed(f"{new} has other counts than {old} in {len(wrong)} organizations, such as {wrong[0]}")


async def _indexed(job: Job, *names: str) -> list[int]:
    with translated(alias=job.alias):
        stats = await job.client.indices.stats(index=",".join(names), metric="indexing")
    return [stats["indices"][name]["primaries"]["indexing"]["index_total"] for name in names]


async def _verify_sample(job: Job, old: str, new: str) -> None:
    """Field by field, as they are stored now."""
    body = {
        "size": SAMPLE,
        "query": {"function_score": {"random_score": {"seed": time.time_ns() % 2**31, "field": "order.uid_3"}}},
        "_source": False,
    }
    with translated(alias=old):
        hits = (await job.client.search(index=old, body=body))["hits"]["hits"]
    ids = [hit["_id"] for hit in hits]
    others = {document: found async for document, found in compare.stored(job.client, new, ids)}
    async for document, found in compare.stored(job.client, old, ids):
        other = others[document]
        if found is None or other is None or other["_version"] != found["_version"]:
            continue  # is being written; the hashes tell of these
        fields = found["_source"].keys() | other["_source"].keys()
        wrong = sorted(name for name in fields - {"order"} if found["_source"].get(name) != other["_source"].get(name))
        if wrong:
            raise ReindexFailed(f"{document} differs between {old} and {new} in {', '.join(wrong)}")


async def _swap(job: Job, lock: Lock) -> None:
    """One call moves the alias. While it happens the old index shows nothing new, so that no reader sees it vanish."""
    old, new = lock.state.old, lock.state.new
    if await lifecycle.current_index(job.client, job.alias) != new:
        with translated(alias=job.alias):
            await job.client.indices.put_settings(index=old, body={"index.refresh_interval": "-1"})
        await _refresh(job, new)
        await lock.save()
        actions = [{"remove": {"index": old, "alias": job.alias}}, {"add": {"index": new, "alias": job.alias}}]
        with translated(alias=job.alias):
            await job.client.indices.update_aliases(body={"actions": actions})
    await _restore_refresh(job, old)


STEPS: tuple[tuple[str, Callable[[Job, Lock], Awaitable[None]]], ...] = (
    ("create", _create),
    ("write to both", _write_to_both),
    ("backfill", _backfill),
    ("verify", _verify),
    ("swap", _swap),
)


async def _restore_refresh(job: Job, index: str) -> None:
    with translated(alias=job.alias):
        if await job.client.indices.exists(index=index):
            interval = job.mapping.settings["index"]["refresh_interval"]
            await job.client.indices.put_settings(index=index, body={"index.refresh_interval": interval})


async def _remove(job: Job, names: list[str]) -> None:
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


async def _refresh(job: Job, *names: str) -> None:
    with translated(alias=job.alias):
        await job.client.indices.refresh(index=",".join(names))


def _none_refused(reasons: list[str]) -> None:
    if reasons:
        raise ReindexFailed(
            f"the new index refuses {len(reasons)} documents, such as {'; '.join(reasons[:MOST_SHOWN])}"
        )


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


@asynccontextmanager
async def _beating(lock: Lock) -> AsyncIterator[None]:
    """Keeps the lock alive while the block runs, and ends the block where the lock is lost."""
    work = asyncio.current_task()
    assert work is not None
    lost: list[BaseException] = []

    async def beat() -> None:
        while True:
            try:
                await lock.beat_for_ever()
            except (SearchUnavailable, SearchTimeout):
                continue  # the cluster is away: nobody can take the lock either
            except ReindexFailed as error:
                lost.append(error)
                work.cancel()
                return

    beats = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            work.uncancel()
            raise lost[0] from None
        raise
    finally:
        beats.cancel()
