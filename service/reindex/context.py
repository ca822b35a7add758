"""What the steps of a reindex share: the job, reading off the event loop, and documents made anew on their way."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar
from uuid import UUID

import msgspec
from pydantic import ValidationError

from service import progress
from service.client import SLOW_SECONDS, Client, translated
from service.conversation import DERIVED, Conversation, Tombstone, reason
from service.errors import ConversationsError, ReindexFailed
from service.index import loader
from service.index import writer as index_writer
from service.index.mapping import Mapping
from service.index.write_targets import Only
from service.index.writer import Write
from service.message_texts import counted
from service.reindex import comparison

Item = TypeVar("Item")
MOST_SHOWN = 5
PAGE_SECONDS = 60.0  # that a page may take when it is throttled: a point in time must not end meanwhile

Ended = Callable[[UUID | None, str | None], None]
"""Called at each end of an export with its organization and filters, and with None at the end of each file."""


class ReadFiles(Protocol):
    """The writes that files hold. Raises SourceUnreadable."""

    def __call__(self, files: tuple[str, ...], *, ended: Ended = ...) -> Iterator[Write]: ...


def _no_files(files: tuple[str, ...], *, ended: Ended = lambda _organization, _where: None) -> Iterator[Write]:
    return iter(())


def _say(document: str, why: str, _text: bytes) -> None:
    progress.say(f"{document}: {why}")


@dataclass(slots=True)
class Invalid:
    """Documents that cannot be written to the new index. Each one is reported once, with its id, reason and text."""

    report: Callable[[str, str, bytes], None] = _say
    ids: set[str] = field(default_factory=set)

    def add(self, document: str, why: str, text: bytes) -> None:
        if document not in self.ids:
            self.ids.add(document)
            self.report(document, why, text)

    def by_organization(self) -> Counter[str]:
        return Counter(document.partition(":")[0] for document in self.ids)


@dataclass(frozen=True, slots=True)
class Job:
    """What the steps work with. `lease` in seconds, `throttle` in documents a second.

    `index_settings` are chosen for the new index; the others are taken over. `invalid` collects what cannot be written.
    Where there is any, a reindex stops before the swap, unless `skip_invalid`.
    """

    client: Client
    alias: str
    mapping: Mapping
    lease: float = index_writer.LEASE_SECONDS
    throttle: float | None = None
    read_files: ReadFiles = _no_files
    index_settings: dict[str, int | str] = field(default_factory=dict)
    invalid: Invalid = field(default_factory=Invalid)
    skip_invalid: bool = False

    def require_valid(self) -> None:
        """Raises ReindexFailed where documents were invalid and must not be skipped."""
        if self.invalid.ids and not self.skip_invalid:
            shown = ", ".join(sorted(self.invalid.ids)[:MOST_SHOWN])
            raise ReindexFailed(
                f"the new index cannot take {counted(len(self.invalid.ids), 'document')}, such as {shown}: see the "
                "rejects file; mend what is wrong and go on with --resume, or leave it out with --resume --skip-invalid"
            )


def again(document: str, version: int, source: dict[str, Any]) -> Write:
    """The write that makes the document anew, as this version of the service stores it. Raises ValueError."""
    try:
        write = _tombstone(source) if "tombstone" in source else _conversation(source)
    except ValidationError as error:
        raise ValueError(reason(error)) from None
    if write.id != document:
        raise ValueError(f"it holds {write.id}, which is not the id that it is stored under")
    if write.version < version:
        raise ValueError(f"its version is {version}, which is later than the time that it holds ({write.version})")
    return write


def _tombstone(source: dict[str, Any]) -> Write:
    held = Tombstone.model_validate(source["tombstone"])
    return index_writer.deletion_of(held.organization_uid, held.uid, held.deleted_on)


def _conversation(source: dict[str, Any]) -> Write:
    return index_writer.write_of(
        Conversation.model_validate({name: value for name, value in source.items() if name not in DERIVED})
    )


def valid_writes(found: Iterable[tuple[str, int, dict[str, Any]]], invalid: Invalid) -> list[Write]:
    """The writes of these documents (id, version, source); those that are not valid any more are added to `invalid`."""
    writes = []
    for document, version, source in found:
        try:
            writes.append(again(document, version, source))
        except ValueError as error:
            invalid.add(document, str(error), msgspec.json.encode(source))
    return writes


async def write_valid(writer: index_writer.Writer, writes: Sequence[Write], invalid: Invalid) -> None:
    """Writes them; those that the index refuses are added to `invalid`."""
    for write, result in zip(writes, await writer.write(writes), strict=True):
        if result.outcome == "rejected":
            invalid.add(write.id, result.reason or "refused", write.source)


async def copy_documents(job: Job, documents: Sequence[str], source: str, target: str, invalid: Invalid) -> None:
    """Writes these documents, as they are now in one index, to another."""
    writer = index_writer.Writer(job.client, job.alias, targets=Only(target))
    for start in range(0, len(documents), comparison.BATCH_IDS):
        batch = list(documents[start : start + comparison.BATCH_IDS])
        found = [one async for _document, one in comparison.stored(job.client, source, batch) if one is not None]
        sources = ((one["_id"], one["_version"], one["_source"]) for one in found)
        await write_valid(writer, valid_writes(sources, invalid), invalid)


class Batches:
    """Writes that are read (and parsed) in a thread, a batch at a time, so that the event loop and its lock go on."""

    def __init__(self, writes: Iterator[Write], documents: int = loader.BATCH_DOCUMENTS) -> None:
        self._writes = writes
        self._documents = documents
        self._turn = asyncio.Lock()

    async def next(self) -> list[Write]:
        """The next batch, empty at the end. Several tasks may ask."""
        async with self._turn:
            return await asyncio.to_thread(self._read)

    def _read(self) -> list[Write]:
        batch: list[Write] = []
        size = 0
        for write in self._writes:
            batch.append(write)
            size += len(write.source) + loader.ACTION_BYTES
            if len(batch) >= self._documents or size >= loader.BATCH_BYTES:
                break
        return batch


class Throttle:
    """At most so many documents a second, over all workers; no wait is longer than a second for each of them."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    def page(self, most: int) -> int:
        """How many documents a page may have, so that it is worked off in time."""
        return most if self._rate is None else max(1, min(most, int(self._rate * PAGE_SECONDS)))

    def portions(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """The items in portions of about a second."""
        size = max(1, len(items) if self._rate is None else int(self._rate))
        return (items[start : start + size] for start in range(0, len(items), size))

    async def wait(self, count: int) -> None:
        """Until `count` more documents may be written."""
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._free_at)
        self._free_at = start + count / self._rate
        await asyncio.sleep(start - now)


async def together(*work: Coroutine[Any, Any, None]) -> None:
    """Runs them at once; the first that fails ends the others, and its error alone is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for one in work:
                group.create_task(one)
    except BaseExceptionGroup as failed:
        raise _first(failed) from None


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """One error for all of them: if there is one, an error that tells what to do."""
    leaves: list[BaseException] = []
    waiting: list[BaseException] = [failed]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, BaseExceptionGroup):
            waiting += one.exceptions
        else:
            leaves.append(one)
    return next((one for one in leaves if isinstance(one, ConversationsError)), leaves[0])


async def refresh(job: Job, *names: str) -> None:
    with translated(alias=job.alias):
        await job.client.indices.refresh(index=",".join(names), params={"request_timeout": SLOW_SECONDS})
