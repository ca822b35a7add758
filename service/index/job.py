"""What the steps of a reindex share: the job, and documents made anew on their way from one index to another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from service.client import SLOW_SECONDS, Client, translated
from service.conversation import DERIVED, Conversation, Tombstone
from service.errors import ReindexFailed
from service.index import bulk
from service.index.bulk import Write
from service.index.mapping import Mapping
from service.index.targets import Only

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


def again(document: str, source: dict[str, Any]) -> Write:
    """The write that makes the document anew, as this version of the service stores it."""
    if "tombstone" in source:
        held = Tombstone.model_validate(source["tombstone"])
        return bulk.deletion_of(held.organization_uid, held.uid, held.deleted_on)
    try:
        return bulk.write_of(
            Conversation.model_validate({name: value for name, value in source.items() if name not in DERIVED})
        )
    except ValidationError as error:
        raise ReindexFailed(f"{document} is not valid any more: {error}") from None


async def copy_documents(job: Job, found: list[dict[str, Any]], index: str) -> None:
    """Writes documents, as they were read from one index, to another."""
    writer = bulk.Writer(job.client, job.alias, targets=Only(index))
    writes = [again(document["_id"], document["_source"]) for document in found]
    for start in range(0, len(writes), bulk.BATCH_DOCUMENTS):
        await writer.write(writes[start : start + bulk.BATCH_DOCUMENTS])


async def refresh(job: Job, *names: str) -> None:
    with translated(alias=job.alias):
        await job.client.indices.refresh(index=",".join(names), params={"request_timeout": SLOW_SECONDS})


def none_refused(reasons: list[str]) -> None:
    if reasons:
        raise ReindexFailed(
            f"the new index refuses {len(reasons)} documents, such as {'; '.join(reasons[:MOST_SHOWN])}"
        )
