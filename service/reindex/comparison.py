"""Compares two sets of documents by (uid, version): first by sums over ranges, then document by document.

Equal counts would prove nothing, because one missing conversation and one that was wrongly restored cancel out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from service.client import Client, translated
from service.client.responses import unusable
from service.errors import SearchUnavailable
from service.reindex import documents as index_documents
from service.reindex.documents import Sums

Versions = dict[str, int]
"""The version of each document, by its id."""

BATCH_IDS = 500
UNDER_WAY_SECONDS = 1.0  # a write that has reached one of two indices usually reaches the other within this time


@dataclass(slots=True)
class Differences:
    """Ids of the documents in which a second set differs from a first one, which is assumed to be right.

    `missing`, `stale` and `newer` describe the second set. `extra` has the documents that the first set lacks, with
    their versions, so that they can be deleted.
    """

    missing: list[str] = field(default_factory=list)
    stale: list[str] = field(default_factory=list)
    newer: list[str] = field(default_factory=list)
    extra: Versions = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.missing or self.stale or self.newer or self.extra)

    def record(self) -> dict[str, int]:
        return {
            "missing": len(self.missing),
            "stale": len(self.stale),
            "newer": len(self.newer),
            "extra": len(self.extra),
        }

    def add(self, right: Versions, other: Versions) -> None:
        """Compares the documents of the same ranges, and adds their differences."""
        for document, version in right.items():
            other_version = other.get(document)
            if other_version is None:
                self.missing.append(document)
            elif other_version != version:
                (self.stale if other_version < version else self.newer).append(document)
        self.extra |= {document: version for document, version in other.items() if document not in right}


def differing(right: Sums, other: Sums) -> list[int]:
    """The numbers of the ranges whose sums differ."""
    return sorted(number for number in right.keys() | other.keys() if right.get(number) != other.get(number))


async def versions(client: Client, index: str, numbers: Sequence[int], **options: Any) -> Versions:
    """The versions of the documents in these ranges of an index. `options` are those of `documents.documents`."""
    pages = index_documents.documents(client, index, numbers, **options)
    return {document.id: document.version async for page in pages for document in page}


async def indices(
    client: Client, right: str, other: str, *, advance: Callable[[int], None] = lambda _count: None
) -> Differences:
    """Compares two indices as of their last refresh. `advance` is called with the number of ranges just compared."""
    differences = Differences()
    right_sums, other_sums = await index_documents.sums(client, right), await index_documents.sums(client, other)
    ranges = differing(right_sums, other_sums)
    advance(index_documents.RANGES - len(ranges))
    for numbers in index_documents.groups(ranges, right_sums, other_sums):
        differences.add(await versions(client, right, numbers), await versions(client, other, numbers))
        advance(len(numbers))
    return differences


async def stored(
    client: Client, index: str, documents: Sequence[str], *, with_source: bool = True
) -> AsyncIterator[tuple[str, dict[str, Any] | None]]:
    """Yields (id, document) for each id: the current document with its version and source, or None if it is missing.

    The result does not depend on a refresh. Raises SearchUnavailable if a document cannot be read.
    """
    for start in range(0, len(documents), BATCH_IDS):
        wanted = [
            {"_index": index, "_id": document, "routing": document.partition(":")[0]}
            for document in documents[start : start + BATCH_IDS]
        ]
        with translated(alias=index):
            answer = await client.mget(body={"docs": wanted}, params={"_source": str(with_source).lower()})
        for document, found in zip(documents[start : start + BATCH_IDS], answer["docs"], strict=True):
            if "error" in found:
                raise SearchUnavailable(f"the document {document} of {index} could not be read: try again shortly")
            if with_source and found.get("found") and "_source" not in found:
                raise unusable("a document has no content")
            yield document, found if found.get("found") else None


async def versions_now(client: Client, index: str, documents: Sequence[str]) -> Versions:
    """The current versions of these documents. Documents that are not in the index are left out."""
    pairs = stored(client, index, documents, with_source=False)
    return {document: content["_version"] async for document, content in pairs if content is not None}


async def confirmed(client: Client, right: str, other: str, differences: Differences) -> Differences:
    """The differences that still exist now and after another UNDER_WAY_SECONDS.

    A write goes to both indices but reaches one of them first, so a difference may only be a write in progress.
    """
    documents = [*differences.missing, *differences.stale, *differences.newer, *differences.extra]
    if not documents:
        return differences
    now = Differences()
    right_now, other_now = await versions_now(client, right, documents), await versions_now(client, other, documents)
    now.add(right_now, other_now)
    if not now:
        return now
    await asyncio.sleep(UNDER_WAY_SECONDS)
    reached = await versions_now(client, other, [*now.missing, *now.stale])
    known = await versions_now(client, right, [*now.newer, *now.extra])

    def lags(document: str, wanted: Versions, there: Versions) -> bool:
        return there.get(document, -1) < wanted[document]

    return Differences(
        missing=[document for document in now.missing if lags(document, right_now, reached)],
        stale=[document for document in now.stale if lags(document, right_now, reached)],
        newer=[document for document in now.newer if lags(document, other_now, known)],
        extra={document: version for document, version in now.extra.items() if lags(document, other_now, known)},
    )
