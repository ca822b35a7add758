"""Finds and repairs drift: compares an index with files, or with another index.

Documents are deleted only on request (`delete_extra`), and never if they were written to in the meantime.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

import msgspec

from service import progress
from service.client import translated
from service.errors import IndexMissing, IndexUnusable, Misconfigured, SearchUnavailable
from service.index import aliases, loader, writer
from service.index.write_targets import own_alias
from service.index.writer import Write
from service.message_texts import counted
from service.reindex import comparison
from service.reindex.comparison import Differences
from service.reindex.context import MOST_SHOWN, Job, copy_documents, refresh
from service.reindex.documents import Hit
from service.reindex.expected_versions import ExpectedVersions
from service.reindex.lock import LOOK, State, holding
from service.reindex.verification import compare_expected, fill
from service.times import EPOCH, LAST


@dataclass(frozen=True, slots=True)
class Finding:
    """The differences found, and those that remained after a repair (None if there was none)."""

    before: Differences
    after: Differences | None

    @property
    def remaining(self) -> Differences:
        return self.before if self.after is None else self.after

    @property
    def is_consistent(self) -> bool:
        """Whether nothing is missing, stale or extra. Newer documents are not an error of the index."""
        left = self.remaining
        return not (left.missing or left.stale or left.extra)

    def record(self) -> dict[str, object]:
        after = {} if self.after is None else {"after_repair": self.after.record()}
        return {**self.before.record(), **after}


@dataclass(slots=True)
class Coverage:
    """The organizations of which files contain every conversation. The last line of a complete export says this.

    `whole` are the organizations with an unfiltered export. `filtered` has the filter of an organization's export.
    `unknown` are the organizations of conversations that no last line of an export follows.
    """

    whole: set[str] = field(default_factory=set)
    filtered: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    _since_end: set[str] = field(default_factory=set)

    def add(self, write: Write) -> None:
        self._since_end.add(write.routing)

    def ended(self, organization_uid: UUID | None, where: str | None) -> None:
        """Records the end of an export. None means the end of a file, or an export of an earlier version."""
        seen, self._since_end = self._since_end, set()
        if organization_uid is None or where is None:
            self.unknown |= seen
        elif where:
            self.filtered |= dict.fromkeys({*seen, str(organization_uid)}, where)
        else:
            self.whole.add(str(organization_uid))
            self.unknown |= seen - {str(organization_uid)}

    def require_whole(self, *, assumed: bool) -> None:
        """Raises Misconfigured unless every organization has a whole export.

        With `assumed`, organizations in `unknown` are accepted too.
        """
        if self.filtered:
            organization, where = next(iter(self.filtered.items()))
            raise Misconfigured(
                f"--delete-extra needs complete exports, but the export of {organization} was filtered by {where!r}: "
                "export it without --where"
            )
        unknown = self.unknown - self.whole
        if unknown and not assumed:
            raise Misconfigured(
                f"--delete-extra needs files that have every conversation of {min(unknown)}: make them with "
                "'conversations export', or add --whole if you are sure that they are complete"
            )


async def files(
    job: Job, names: tuple[str, ...], *, repair: bool, delete_extra: bool = False, whole: bool = False
) -> Finding:
    """Compares the index that is read with files, for the organizations in the files.

    `repair` writes what is missing or stale, and `delete_extra` also deletes conversations that the files do not have.
    `whole` says that the files have all conversations of their organizations, even if the files themselves do not say
    so. Raises SourceUnreadable, and Misconfigured if `delete_extra` is not allowed for these files.
    """
    index = await _current(job)
    coverage = Coverage()

    def writes() -> Iterator[Write]:
        for write in job.read_files(names, ended=coverage.ended):
            coverage.add(write)
            yield write

    with ExpectedVersions() as expected:
        await fill(expected, writes())
        partial = frozenset(coverage.filtered)
        named = frozenset(map(UUID, coverage.whole))
        for organization, where in coverage.filtered.items():
            progress.say(
                f"the export of {organization} was filtered by {where!r}: conversations that it lacks are ignored"
            )
        if delete_extra:
            coverage.require_whole(assumed=whole)
        await refresh(job, index)
        before = await compare_expected(job.client, expected, index, partial=partial, named=named)
        if not repair:
            return Finding(before, None)
        await _write_lacking(job, names, before)
        if delete_extra:
            await _delete_extra(job, before)
        await refresh(job, index)
        return Finding(before, await compare_expected(job.client, expected, index, partial=partial, named=named))


async def _write_lacking(job: Job, names: tuple[str, ...], differences: Differences) -> None:
    wanted = {*differences.missing, *differences.stale}
    if wanted:
        progress.say(f"writing {len(differences.missing):,} missing and {len(differences.stale):,} stale conversations")
        writes = ((write.id, write) for write in job.read_files(names) if write.id in wanted)
        await loader.load_writes(job.client, job.alias, writes, reject=_say, lease=job.lease)


async def _delete_extra(job: Job, differences: Differences) -> None:
    """Deletes with versions one millisecond above those that were compared, so that later writes win."""
    if differences.extra:
        _announce(differences, job.alias)
        await loader.load_writes(job.client, job.alias, _deletions(differences), reject=_say, lease=job.lease)


def _announce(differences: Differences, where: str) -> None:
    organizations = {document.partition(":")[0] for document in differences.extra}
    shown = ", ".join(list(differences.extra)[:MOST_SHOWN])
    what = f"{counted(len(differences.extra), 'document')} of {counted(len(organizations), 'organization')}"
    progress.say(f"deleting {what} from {where}, such as {shown}")


def _deletions(differences: Differences) -> Iterator[tuple[str, Write]]:
    for document, version in differences.extra.items():
        organization, _, uid = document.partition(":")
        try:
            deleted_on = EPOCH + timedelta(milliseconds=version + 1)
        except OverflowError:  # the version is the last valid time; a deletion with the same time is accepted
            deleted_on = LAST
        yield document, writer.deletion_of(UUID(organization), UUID(uid), deleted_on)


async def compare_index(job: Job, other: str, *, repair: bool, delete_extra: bool = False) -> Finding:
    """Compares the index `other` with the one that is read, which is assumed to be right.

    `repair` copies missing and stale documents, under the lock of a reindex. `delete_extra` also removes documents of
    which the index that is read has neither the conversation nor a tombstone; no tombstone is left for them.
    """
    if not repair:
        return await _against(job, other, repair=False, delete_extra=False)
    async with holding(job.client, job.alias, State("repair", LOOK, "", other)):
        return await _against(job, other, repair=True, delete_extra=delete_extra)


async def _against(job: Job, other: str, *, repair: bool, delete_extra: bool) -> Finding:
    right = await _current(job)
    if other not in await aliases.all_indices(job.client, job.alias) or other == right:
        raise IndexUnusable(
            f"there is no index {other} of {job.alias} to compare with the one that is read: "
            "'conversations status' lists the indices"
        )
    before = await _differences(job, right, other)
    if not repair:
        return Finding(before, None)
    await copy_documents(job, before.missing + before.stale, right, other, job.invalid)
    if delete_extra and before.extra:
        _announce(before, other)
        await _remove(job, right, other, before.extra)
    return Finding(before, await _differences(job, right, other))


async def _differences(job: Job, right: str, other: str) -> Differences:
    await refresh(job, right, other)
    return await comparison.confirmed(job.client, right, other, await comparison.indices(job.client, right, other))


async def _remove(job: Job, right: str, other: str, extra: comparison.Versions) -> None:
    """Removes documents without tombstones, if they are unchanged and the index that is read still lacks them."""
    removed = changed = 0
    documents = list(extra)
    for start in range(0, len(documents), comparison.BATCH_IDS):
        batch = documents[start : start + comparison.BATCH_IDS]
        known = await comparison.versions_now(job.client, right, batch)
        current = [one async for _id, one in comparison.stored(job.client, other, batch, with_source=False) if one]
        unchanged = [hit for hit in current if hit["_id"] not in known and hit["_version"] == extra[hit["_id"]]]
        count = await _remove_unchanged(job, other, unchanged)
        removed, changed = removed + count, changed + len(batch) - count
    progress.say(f"{counted(removed, 'document')} removed from {other}; changed meanwhile, and kept: {changed:,}")


async def _remove_unchanged(job: Job, index: str, documents: list[Hit]) -> int:
    """Removes these documents and returns how many. A document that was written to since it was read stays (409)."""
    if not documents:
        return 0
    actions = [
        {
            "_index": own_alias(index),
            "_id": one["_id"],
            "routing": one["_id"].partition(":")[0],
            "if_seq_no": one["_seq_no"],
            "if_primary_term": one["_primary_term"],
        }
        for one in documents
    ]
    body = b"".join(b'{"delete":%s}\n' % msgspec.json.encode(action) for action in actions)
    with translated(alias=index):
        answer = await job.client.bulk(body=body, params={"require_alias": "true"})
    statuses = [entry["delete"]["status"] for entry in answer["items"]]
    failed = [status for status in statuses if status not in (200, 404, 409)]
    if failed or len(statuses) != len(documents):
        total = counted(len(documents), "document")
        raise SearchUnavailable(f"only some of {total} could be removed from {index} ({failed[:1]}): try again")
    return statuses.count(200)


def _say(document: str, reason: str) -> None:
    progress.say(f"{document}: {reason}")


async def _current(job: Job) -> str:
    name = await aliases.current_index(job.client, job.alias)
    if name is None:
        raise IndexMissing(f"{job.alias} does not exist in OpenSearch: create it with 'conversations create'")
    return name
