"""Proves that a new index holds what it must: hashes over ranges, counts by organization, a sample field by field."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from service import progress
from service.client import Client
from service.conversation import DERIVED
from service.errors import ReindexFailed
from service.index import writer as index_writer
from service.index.write_targets import Only
from service.index.writer import Write
from service.message_texts import counted
from service.reindex import comparison, documents
from service.reindex.context import MOST_SHOWN, Batches, Invalid, Job, copy_documents, refresh, write_valid
from service.reindex.expected_versions import ExpectedVersions
from service.reindex.lock import Lock

ATTEMPTS = 10  # verifications, while writers go on
COUNT_SECONDS = 60.0  # in which the counts must agree once
COUNT_PAUSE_SECONDS = 0.2
SAMPLE = 200  # documents compared field by field


async def verify(job: Job, lock: Lock) -> None:
    """Compares by hashes over ranges, mends what a straggler left, and ends when nothing differs.

    Documents that cannot be written to the new index are added to `job.invalid`, and end it unless they are skipped.
    """
    old, new = lock.state.old, lock.state.new
    right_is_index = lock.state.from_index or lock.state.action == "rollback"
    left = Invalid()  # of the old index: what it lacks and cannot take hinders nobody
    if lock.state.files:
        await _verify_files(job, lock)
    if right_is_index:
        for _attempt in range(ATTEMPTS):
            if not await _mend(job, old, new, left, both_ways=not lock.state.files):
                break
        else:
            raise ReindexFailed(f"{new} still differs from {old}: nothing was swapped; abandon it or try again")
        await _verify_counts(job, old, new, left, equal=not lock.state.files)
        await _verify_sample(job, old, new)


async def _mend(job: Job, old: str, new: str, left: Invalid, *, both_ways: bool) -> bool:
    """Whether anything had to be mended. What differs only because it is being written does not count."""
    await refresh(job, old, new)
    with progress.track("Verify", documents.RANGES, "range") as advance:
        found = await comparison.indices(job.client, old, new, advance=advance)
    if not both_ways:
        found.newer, found.extra = [], {}
    found = await comparison.looked_twice(job.client, old, new, found)
    behind, ahead = found.missing + found.stale, [*found.newer, *found.extra]
    await copy_documents(job, behind, old, new, job.invalid)
    await copy_documents(job, ahead, new, old, left)
    job.require_valid()
    mended = {*behind, *ahead} - job.invalid.ids - left.ids
    if mended:
        progress.say(f"mended {len(behind)} behind, {len(ahead)} ahead")
    return bool(mended)


async def _verify_files(job: Job, lock: Lock) -> None:
    """What the files hold and the new index does not is written once more, and must then be there or be invalid."""
    files, new = lock.state.files, lock.state.new
    with ExpectedVersions() as expected:
        await fill(expected, job.read_files(files))
        await refresh(job, new)
        found = await compare_expected(job.client, expected, new)
        if found.missing or found.stale:
            await _write_again(job, files, new, {*found.missing, *found.stale})
            await refresh(job, new)
            found = await compare_expected(job.client, expected, new)
    job.require_valid()
    lacking = [one for one in found.missing + found.stale if one not in job.invalid.ids]
    if lacking:
        shown = ", ".join(lacking[:MOST_SHOWN])
        raise ReindexFailed(f"{new} lacks {counted(len(lacking), 'conversation')} that the files hold, such as {shown}")


async def _write_again(job: Job, files: tuple[str, ...], index: str, wanted: set[str]) -> None:
    writer = index_writer.Writer(job.client, job.alias, targets=Only(index))
    batches = Batches(write for write in job.read_files(files) if write.id in wanted)
    while batch := await batches.next():
        await write_valid(writer, batch, job.invalid)


async def fill(expected: ExpectedVersions, writes: Iterator[Write]) -> None:
    """Reads all of them into the ledger, off the event loop."""
    batches = Batches(writes)
    with progress.track("Reading", None, "conversation") as advance:
        while batch := await batches.next():
            await asyncio.to_thread(expected.add, batch)
            advance(len(batch))
    await asyncio.to_thread(expected.index)


async def compare_expected(
    client: Client,
    expected: ExpectedVersions,
    index: str,
    *,
    partial: frozenset[str] = frozenset(),
    named: frozenset[UUID] = frozenset(),
) -> comparison.Differences:
    """Compares what files say with an index, in the organizations that the files name.

    What the files do not know is too much only if it lives and is not newer than all that they hold of its
    organization; of organizations in `partial`, the files are known to hold a part only, and nothing is too much.
    Organizations in `named` are compared too where the files hold no conversation of theirs.
    """
    found = comparison.Differences()
    organizations = await asyncio.to_thread(expected.organizations) | named
    if not organizations:
        return found
    newest = await asyncio.to_thread(expected.newest)
    expected_sums = await asyncio.to_thread(expected.sums)
    for number in comparison.differing(expected_sums, await documents.sums(client, index, organizations)):
        right = await asyncio.to_thread(expected.versions, number)
        there: comparison.Versions = {}
        async for page in documents.documents(client, index, number, organizations=organizations):
            for document in page:
                organization = document.id.partition(":")[0]
                if document.id in right:
                    there[document.id] = document.version
                elif document.is_tombstone or organization in partial:
                    continue
                elif document.version <= newest.get(organization, -1):
                    there[document.id] = document.version
                else:
                    found.newer.append(document.id)
        found.add(right, there)
    return found


async def say_what_files_lack(job: Job, files: tuple[str, ...], index: str) -> None:
    """Says how much of the running index a reindex from nothing but these files leaves out."""
    with ExpectedVersions() as expected:
        await fill(expected, job.read_files(files))
        await refresh(job, index)
        found = await compare_expected(job.client, expected, index)
        named = {str(one) for one in await asyncio.to_thread(expected.organizations)}
    counts = await documents.count_by_organization(job.client, index)
    elsewhere = sum(count for organization, count in counts.items() if organization not in named)
    lost = len(found.newer) + len(found.extra) + elsewhere
    tombstones = await documents.count_tombstones(job.client, index)
    progress.say(
        f"--files-only leaves out what {index} holds and the files do not, or hold in an older version: "
        f"{counted(lost, 'conversation')}, {counted(tombstones, 'deletion')}, and writes made before the new index is "
        f"written to. "
        f"{index} stays for 'conversations rollback'"
    )


async def _verify_counts(job: Job, old: str, new: str, left: Invalid, *, equal: bool) -> None:
    """By organization: equal, or where files came in too, not fewer in the new index.

    While writers go on, an organization's counts agree when the ranges between two counts of each index meet. Raises
    ReindexFailed where those of an organization never do.
    """
    behind, ahead = job.invalid.by_organization(), left.by_organization()
    ends = time.monotonic() + COUNT_SECONDS
    waiting: set[str] | None = None
    while True:
        counts = [await _counts(job, index) for index in (old, new, old, new)]
        names = set().union(*counts) if waiting is None else waiting
        waiting = {name for name in names if not _agree(name, counts, behind, ahead, equal=equal)}
        if not waiting:
            return
        if time.monotonic() > ends:
            where = counted(len(waiting), "organization")
            shown = ", ".join(sorted(waiting)[:MOST_SHOWN])
            raise ReindexFailed(f"{new} has other counts than {old} in {where}, such as {shown}")
        await asyncio.sleep(COUNT_PAUSE_SECONDS)


async def _counts(job: Job, index: str) -> dict[str, int]:
    await refresh(job, index)
    return await documents.count_by_organization(job.client, index)


def _agree(name: str, counts: list[dict[str, int]], behind: Counter[str], ahead: Counter[str], *, equal: bool) -> bool:
    right = [count.get(name, 0) for count in counts[::2]]
    other = [count.get(name, 0) for count in counts[1::2]]
    is_enough = max(other) >= min(right) - behind[name]
    return is_enough and (not equal or min(other) <= max(right) + ahead[name])


async def _verify_sample(job: Job, old: str, new: str) -> None:
    """Field by field, as they are stored now."""
    body = {
        "size": SAMPLE,
        "query": {"function_score": {"random_score": {"seed": time.time_ns() % 2**31, "field": "order.uid_3"}}},
        "_source": False,
    }
    hits = (await documents.search(job.client, {"index": old, "body": body}))["hits"]["hits"]
    ids = [hit["_id"] for hit in hits]
    others = {document: found async for document, found in comparison.stored(job.client, new, ids)}
    async for document, found in comparison.stored(job.client, old, ids):
        other = others[document]
        if found is None or other is None or other["_version"] != found["_version"]:
            continue  # is being written; the hashes tell of these
        fields = found["_source"].keys() | other["_source"].keys()
        wrong = sorted(
            name for name in fields - set(DERIVED) if found["_source"].get(name) != other["_source"].get(name)
        )
        if wrong:
            raise ReindexFailed(f"{document} differs between {old} and {new} in {', '.join(wrong)}")
