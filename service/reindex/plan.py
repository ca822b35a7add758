"""Reports what a reindex would do, without writing anything, not even the lock."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from service.client import translated
from service.client.responses import part
from service.errors import IndexMissing, ReindexFailed
from service.index import aliases, index_settings
from service.reindex import documents, lock
from service.reindex.context import Job
from service.reindex.steps import settings_of


async def plan(job: Job, *, files: tuple[str, ...] = (), from_index: bool = True) -> dict[str, object]:
    """The plan of a reindex, as a record.

    `documents` is the number of documents in the running index, including its `deletions` and `import_records`.
    `bytes` is the size of its primary shards, which is about the disk space that the new index needs in addition.
    `problem` says why the running index does not fit this version of the service, if it does not. `lease_seconds` is
    how long the reindex waits until every writer knows the new index. Raises the errors that the reindex would raise
    at its start.
    """
    state = await lock.read(job.client, job.alias)
    if state is not None and state.step != lock.LOOK:
        raise ReindexFailed(
            f"a {state.action} is running or was interrupted ({state.step}): wait until it ends, "
            "or use 'conversations reindex --resume' or '--abandon'"
        )
    old = await aliases.current_index(job.client, job.alias)
    if old is None:
        raise IndexMissing(f"{job.alias} does not exist in OpenSearch: create it with 'conversations create'")
    with translated(alias=job.alias):
        stats = await job.client.indices.stats(index=old, metric="docs,store")
    problem = await aliases.drift(job.client, old, job.mapping)
    settings = index_settings.of_successor(await settings_of(job, old), job.index_settings)
    index_settings.for_opensearch(settings)
    primaries = ("indices", old, "primaries")
    return {
        "would_reindex": old,
        "into": aliases.index_name(job.alias, job.mapping, datetime.now(UTC)),
        "mapping_changes": problem is not None,
        "problem": problem,
        **asdict(index_settings.shown(settings)),
        "from_index": from_index,
        "documents": part(stats, *primaries, "docs", "count", expected=int),
        "deletions": await documents.count_tombstones(job.client, old),
        "import_records": await documents.count_import_records(job.client, old),
        "bytes": part(stats, *primaries, "store", "size_in_bytes", expected=int),
        "files": await asyncio.to_thread(_files, job, files),
        "lease_seconds": job.lease,
    }


def _files(job: Job, files: tuple[str, ...]) -> list[dict[str, object]]:
    """Each file with its size and number of conversations. Reads and validates them all. Raises SourceUnreadable."""
    return [
        {
            "file": os.path.abspath(file),
            "conversations": sum(1 for _write in job.read_files((file,))),
            "bytes": Path(file).stat().st_size,
        }
        for file in files
    ]
