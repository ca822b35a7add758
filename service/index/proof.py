"""Proves that a new index holds what it must: hashes over ranges, counts by organization, a sample field by field."""

from __future__ import annotations

import asyncio
import time

from service import progress
from service.answers import part
from service.client import Client, translated
from service.conversation import DERIVED
from service.errors import ReindexFailed
from service.index import compare, scan
from service.index.job import MOST_SHOWN, Job, copy_documents, refresh
from service.index.ledger import Ledger
from service.index.state import Lock

ATTEMPTS = 10  # verifications, while writers go on
UNDER_WAY_SECONDS = 1.0  # a write that has reached one of two indices reaches the other within these, or is a straggler
SAMPLE = 200  # documents compared field by field


async def verify(job: Job, lock: Lock) -> None:
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
    await refresh(job, old, new)
    with progress.track("Verify", scan.RANGES, "ranges") as advance:
        found = await compare.indices(job.client, old, new, advance=advance)
    behind = await compare.still_differing(job.client, old, new, found.missing + found.stale)
    ahead = await compare.still_differing(job.client, new, old, [*found.newer, *found.extra]) if both_ways else []
    if behind or ahead:  # what only one of them has, a writer may be about to write to the other
        await asyncio.sleep(UNDER_WAY_SECONDS)
        behind = await compare.lacking(job.client, new, behind)
        ahead = await compare.lacking(job.client, old, ahead)
    await copy_documents(job, behind, new)
    await copy_documents(job, ahead, old)
    if behind or ahead:
        progress.say(f"mended {len(behind)} behind, {len(ahead)} ahead")
    return bool(behind or ahead)


async def _verify_files(job: Job, lock: Lock) -> None:
    with Ledger() as ledger:
        ledger.add(job.read_files(lock.state.files))
        await refresh(job, lock.state.new)
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
        before = await _indexed(
            job, old, new
        )  # before the refreshes: a write between these two shows in one of them only
        await refresh(job, old, new)
        right = await scan.count_by_organization(job.client, old)
        other = await scan.count_by_organization(job.client, new)
        if right == other:
            return
        if before == await _indexed(job, old, new):
            wrong = [
                name
                for name, count in right.items()
                if other.get(name, 0) < count or (equal and other.get(name) != count)
            ]
            if not wrong:
                return
            raise ReindexFailed(f"{new} has other counts than {old} in {len(wrong)} organizations, such as {wrong[0]}")


async def _indexed(job: Job, *names: str) -> list[int]:
    with translated(alias=job.alias):
        stats = await job.client.indices.stats(index=",".join(names), metric="indexing")
    path = ("primaries", "indexing", "index_total")
    return [part(stats, "indices", name, *path, expected=int) for name in names]


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
        wrong = sorted(
            name for name in fields - set(DERIVED) if found["_source"].get(name) != other["_source"].get(name)
        )
        if wrong:
            raise ReindexFailed(f"{document} differs between {old} and {new} in {', '.join(wrong)}")
