"""Shared by the steps of a reindex: the job, reading in threads, throttling, and rebuilding documents for writing."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Iterable, Iterator, Sequence
from collections.abc import Mapping as AbstractMapping
from dataclasses import dataclass, field
from typing import Protocol, TypeVar
from uuid import UUID

import msgspec
from pydantic import ValidationError

from service import progress
from service.client import Client
from service.conversation import Conversation, ImportRecord, Tombstone, reason
from service.errors import ConversationsError, ReindexFailed
from service.index import loader, refreshing
from service.index import writer as index_writer
from service.index.mapping import Mapping
from service.index.write_targets import Only
from service.index.writer import Write
from service.message_texts import counted
from service.reindex import comparison
from service.stored_documents import NOT_IN_ITEM

Item = TypeVar("Item")
MOST_SHOWN = 5
PAGE_SECONDS = 60.0  # a throttled page may take at most this long, because its point in time would expire

Ended = Callable[[UUID | None, str | None], None]
"""Called with the organization and filters at each end of an export, and with (None, None) at the end of each file."""


class ReadFiles(Protocol):
    """Reads the writes in files. Raises SourceUnreadable."""

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
    """What the steps need. `lease` is in seconds, `throttle` in documents a second.

    `index_settings` are settings chosen for the new index; it takes the others from the running one. `invalid` collects
    the documents that cannot be written. If there are any, a reindex stops before the swap, unless `skip_invalid` is
    set.
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
        """Raises ReindexFailed if there are invalid documents and `skip_invalid` is not set."""
        if self.invalid.ids and not self.skip_invalid:
            shown = ", ".join(sorted(self.invalid.ids)[:MOST_SHOWN])
            raise ReindexFailed(
                f"{counted(len(self.invalid.ids), 'document')} cannot be written to the new index, such as {shown}: "
                "see the rejects file, correct them and use --resume, or leave them out with --resume --skip-invalid"
            )


def rebuilt(document: str, version: int, source: dict[str, object]) -> Write:
    """The write that stores this document as this version of the service does.

    Derived fields are computed again. Raises ValueError with the reason if the document is not valid.
    """
    try:
        write = next((make(source) for name, make in _OTHERS.items() if name in source), None) or _conversation(source)
    except ValidationError as error:
        raise ValueError(reason(error)) from None
    if write.id != document:
        raise ValueError(f"its content has the id {write.id}, which is not the id that it is stored under")
    if write.version < version:
        raise ValueError(f"its version is {version}, which is later than the time in its content ({write.version})")
    return write


def _tombstone(source: dict[str, object]) -> Write:
    tombstone = Tombstone.model_validate(source["tombstone"])
    return index_writer.deletion_of(tombstone.organization_uid, tombstone.uid, tombstone.deleted_on)


def _record(source: dict[str, object]) -> Write:
    return index_writer.record_of(ImportRecord.model_validate(source["record"]))


_OTHERS: AbstractMapping[str, Callable[[dict[str, object]], Write]] = {"tombstone": _tombstone, "record": _record}
"""The functions that make documents other than conversations, by the field that marks these."""


def _conversation(source: dict[str, object]) -> Write:
    return index_writer.write_of(
        Conversation.model_validate({name: value for name, value in source.items() if name not in NOT_IN_ITEM}),
        str(source.get("parts", "")),
    )


def valid_writes(documents: Iterable[tuple[str, int, dict[str, object]]], invalid: Invalid) -> list[Write]:
    """The writes of these documents, given as (id, version, source). Documents that are not valid go to `invalid`."""
    writes = []
    for document, version, source in documents:
        try:
            writes.append(rebuilt(document, version, source))
        except ValueError as error:
            invalid.add(document, str(error), msgspec.json.encode(source))
    return writes


async def write_valid(writer: index_writer.Writer, writes: Sequence[Write], invalid: Invalid) -> None:
    """Sends the writes. Those that OpenSearch rejects are added to `invalid`."""
    for write, result in zip(writes, await writer.write(writes), strict=True):
        if result.outcome == "rejected":
            invalid.add(write.id, result.reason or "refused", write.source)


async def copy_documents(job: Job, documents: Sequence[str], source: str, target: str, invalid: Invalid) -> None:
    """Copies the current state of these documents from the index `source` to the index `target`."""
    writer = index_writer.Writer(job.client, job.alias, targets=Only(target))
    for start in range(0, len(documents), comparison.BATCH_IDS):
        batch = list(documents[start : start + comparison.BATCH_IDS])
        contents = [content async for _id, content in comparison.stored(job.client, source, batch) if content]
        sources = ((content["_id"], content["_version"], content["_source"]) for content in contents)
        await write_valid(writer, valid_writes(sources, invalid), invalid)


class Batches:
    """Reads and parses writes in a thread, a batch at a time, so that the event loop can keep the lock alive."""

    def __init__(self, writes: Iterator[Write], documents: int = loader.BATCH_DOCUMENTS) -> None:
        self._writes = writes
        self._documents = documents
        self._reading = asyncio.Lock()

    async def next(self) -> list[Write]:
        """The next batch, which is empty at the end. Several tasks may call this concurrently."""
        async with self._reading:
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
    """Limits the documents a second, over all workers together. `rate` is None for no limit."""

    def __init__(self, rate: float | None) -> None:
        self._rate = rate
        self._free_at = 0.0

    def page(self, most: int) -> int:
        """The size of a page, at most `most`, that is written within PAGE_SECONDS."""
        return most if self._rate is None else max(1, min(most, int(self._rate * PAGE_SECONDS)))

    def portions(self, items: Sequence[Item]) -> Iterator[Sequence[Item]]:
        """Splits the items into portions that take about a second each."""
        size = max(1, len(items) if self._rate is None else int(self._rate))
        return (items[start : start + size] for start in range(0, len(items), size))

    async def wait(self, count: int) -> None:
        """Waits until `count` more documents may be written."""
        if self._rate is None:
            return
        now = asyncio.get_running_loop().time()
        start = max(now, self._free_at)
        self._free_at = start + count / self._rate
        await asyncio.sleep(start - now)


async def together(*work: Coroutine[object, object, None]) -> None:
    """Runs coroutines concurrently. The first error cancels the others and is raised, without an exception group."""
    try:
        async with asyncio.TaskGroup() as group:
            for coroutine in work:
                group.create_task(coroutine)
    except BaseExceptionGroup as failed:
        raise _first(failed) from None


def _first(failed: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first ConversationsError in the group, whose text says what to do, or else the first error."""
    leaves: list[BaseException] = []
    queue: list[BaseException] = [failed]
    while queue:
        error = queue.pop(0)
        if isinstance(error, BaseExceptionGroup):
            queue += error.exceptions
        else:
            leaves.append(error)
    return next((error for error in leaves if isinstance(error, ConversationsError)), leaves[0])


async def refresh(job: Job, *names: str) -> None:
    """Refreshes all copies of these indices. Raises SearchUnavailable."""
    await refreshing.refresh(job.client, ",".join(names), alias=job.alias)
