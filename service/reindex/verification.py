"""Verifies a new index: by hashes over ranges, by counts of each organization, and by a sample, field by field."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from service import progress
from service.client import Client
from service.errors import ReindexFailed
from service.index import writer as index_writer
from service.index.write_targets import Only
from service.index.writer import Write
from service.message_texts import counted
from service.reindex import comparison, documents
from service.reindex.context import MOST_SHOWN, Batches, Invalid, Job, copy_documents, refresh, write_valid
from service.reindex.expected_versions import ExpectedVersions
from service.reindex.lock import Lock
from service.stored_documents import DERIVED

ATTEMPTS = 10  # of the comparison, because writes go on meanwhile
COUNT_SECONDS = 60.0  # within this time the counts must agree once
COUNT_PAUSE_SECONDS = 0.2
SAMPLE = 200  # documents compared field by field
_WAY_OUT = "so the alias was not changed: try again with --resume, or --abandon"


async def verify(job: Job, lock: Lock) -> None:
    """Compares the indices by hashes over ranges and repairs differences until there are none; then compares counts.

    Documents that cannot be written to the new index are added to `job.invalid`. Raises ReindexFailed if there are any
    and they are not skipped, or if the indices still differ after ATTEMPTS.
    """
    old, new = lock.state.old, lock.state.new
    right_is_index = lock.state.from_index or lock.state.action == "rollback"
    left = Invalid()  # documents that cannot be written to the old index, which is no reason to stop
    if lock.state.files:
        await _verify_files(job, lock)
    if right_is_index:
        for _attempt in range(ATTEMPTS):
            if not await _mend(job, old, new, left, both_ways=not lock.state.files):
                break
        else:
            raise ReindexFailed(f"{new} still differs from {old}, {_WAY_OUT}")
        await _verify_counts(job, old, new, left, equal=not lock.state.files)
        await _verify_sample(job, old, new)


async def _mend(job: Job, old: str, new: str, left: Invalid, *, both_ways: bool) -> bool:
    """Repairs differences. Returns whether there were any. Writes in progress do not count as differences."""
    await refresh(job, old, new)
    with progress.track("Verify", documents.RANGES, "range") as advance:
        differences = await comparison.indices(job.client, old, new, advance=advance)
    if not both_ways:
        differences.newer, differences.extra = [], {}
    differences = await comparison.confirmed(job.client, old, new, differences)
    behind, ahead = differences.missing + differences.stale, [*differences.newer, *differences.extra]
    await copy_documents(job, behind, old, new, job.invalid)
    await copy_documents(job, ahead, new, old, left)
    job.require_valid()
    mended = {*behind, *ahead} - job.invalid.ids - left.ids
    if mended:
        progress.say(f"repaired {counted(len(behind), 'document')} in {new} and {len(ahead):,} in {old}")
    return bool(mended)


async def _verify_files(job: Job, lock: Lock) -> None:
    """Writes conversations of the files that the new index lacks. Raises ReindexFailed if it still lacks valid ones."""
    files, new = lock.state.files, lock.state.new
    with ExpectedVersions() as expected:
        await fill(expected, job.read_files(files))
        await refresh(job, new)
        differences = await compare_expected(job.client, expected, new)
        if differences.missing or differences.stale:
            await _write_again(job, files, new, {*differences.missing, *differences.stale})
            await refresh(job, new)
            differences = await compare_expected(job.client, expected, new)
    job.require_valid()
    lacking = [document for document in differences.missing + differences.stale if document not in job.invalid.ids]
    if lacking:
        shown = ", ".join(lacking[:MOST_SHOWN])
        raise ReindexFailed(
            f"{new} lacks {counted(len(lacking), 'conversation')} of the files, such as {shown}, {_WAY_OUT}"
        )


async def _write_again(job: Job, files: tuple[str, ...], index: str, wanted: set[str]) -> None:
    writer = index_writer.Writer(job.client, job.alias, targets=Only(index))
    batches = Batches(write for write in job.read_files(files) if write.id in wanted)
    while batch := await batches.next():
        await write_valid(writer, batch, job.invalid)


async def fill(expected: ExpectedVersions, writes: Iterator[Write]) -> None:
    """Adds all writes to `expected`, in threads."""
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
    """Compares the versions from files with an index, for the organizations in the files and those in `named`.

    A conversation that the files do not have is `extra` if it is live and not newer than the newest one that they have
    of its organization. For the organizations in `partial`, the files have only a part, so no conversation is `extra`.
    """
    differences = comparison.Differences()
    organizations = await asyncio.to_thread(expected.organizations) | named
    if not organizations:
        return differences
    newest = await asyncio.to_thread(expected.newest)
    expected_sums = await asyncio.to_thread(expected.sums)
    sums = await documents.sums(client, index, organizations)
    for numbers in documents.groups(comparison.differing(expected_sums, sums), expected_sums, sums):
        right = await asyncio.to_thread(expected.versions, numbers)
        there: comparison.Versions = {}
        async for page in documents.documents(client, index, numbers, organizations=organizations):
            for document in page:
                organization = document.id.partition(":")[0]
                if document.id in right:
                    there[document.id] = document.version
                elif document.is_tombstone or organization in partial:
                    continue
                elif document.version <= newest.get(organization, -1):
                    there[document.id] = document.version
                else:
                    differences.newer.append(document.id)
        differences.add(right, there)
    return differences


async def say_what_files_lack(job: Job, files: tuple[str, ...], index: str) -> None:
    """Reports how many documents of the running index a reindex from these files alone would leave out."""
    with ExpectedVersions() as expected:
        await fill(expected, job.read_files(files))
        await refresh(job, index)
        differences = await compare_expected(job.client, expected, index)
        named = {str(organization) for organization in await asyncio.to_thread(expected.organizations)}
    counts = await documents.count_by_organization(job.client, index)
    elsewhere = sum(count for organization, count in counts.items() if organization not in named)
    lost = len(differences.newer) + len(differences.extra) + elsewhere
    tombstones = await documents.count_tombstones(job.client, index)
    remembered = await documents.count_import_records(job.client, index)
    imports = (
        f"{counted(remembered, 'import record')} (import all mail and SMS again afterwards), " if remembered else ""
    )
    progress.say(
        f"--files-only leaves out documents of {index} that the files do not have, or have in an older version: "
        f"{counted(lost, 'conversation')}, {counted(tombstones, 'deletion')}, {imports}and writes that "
        f"arrive before the new index receives writes. {index} is kept for 'conversations rollback'"
    )


async def _verify_counts(job: Job, old: str, new: str, left: Invalid, *, equal: bool) -> None:
    """Compares the counts of each organization. They must be equal with `equal`, else only not lower in the new index.

    Writes continue meanwhile, so each index is counted twice, and the counts agree if the two intervals overlap. Raises
    ReindexFailed if those of an organization do not agree within COUNT_SECONDS.
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
            raise ReindexFailed(f"{new} has other counts than {old} in {where}, such as {shown}, {_WAY_OUT}")
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
    """Compares a random sample of documents field by field, except for derived fields. Raises ReindexFailed."""
    body = {
        "size": SAMPLE,
        "query": {"function_score": {"random_score": {"seed": time.time_ns() % 2**31, "field": "order.uid_3"}}},
        "_source": False,
    }
    answer = await documents.search(job.client, {"index": old, "body": body})
    ids = [hit["_id"] for hit in documents.hits_of(answer)]
    others = {document: found async for document, found in comparison.stored(job.client, new, ids)}
    async for document, found in comparison.stored(job.client, old, ids):
        other = others[document]
        if found is None or other is None or other["_version"] != found["_version"]:
            continue  # the document is being written; the comparison by hashes covers it
        fields = found["_source"].keys() | other["_source"].keys()
        wrong = sorted(
            name for name in fields - set(DERIVED) if found["_source"].get(name) != other["_source"].get(name)
        )
        if wrong:
            raise ReindexFailed(
                f"{document} differs between {old} and {new} in {', '.join(wrong)}, so the alias was not changed: "
                f"run 'conversations reindex --abandon', after which {old} is read as before, then reindex again"
            )
