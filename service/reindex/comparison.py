"""What differs between two sets of documents, by (uid, version): found by sums over ranges, then document by document.

Equal counts prove nothing: a conversation that is missing and one that came back make them match.
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
UNDER_WAY_SECONDS = 1.0  # a write that has reached one of two indices reaches the other within these, or is a straggler


@dataclass(slots=True)
class Differences:
    """Ids of documents in which the second set differs from the first, which is held to be right.

    `extra` tells the versions too, for who wants to delete them.
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
        """Compares one range."""
        for document, version in right.items():
            found = other.get(document)
            if found is None:
                self.missing.append(document)
            elif found != version:
                (self.stale if found < version else self.newer).append(document)
        self.extra |= {document: version for document, version in other.items() if document not in right}


def differing(right: Sums, other: Sums) -> list[int]:
    """The ranges whose sums differ."""
    return sorted(number for number in right.keys() | other.keys() if right.get(number) != other.get(number))


async def versions(client: Client, index: str, number: int, **options: Any) -> Versions:
    """The versions of one range of an index."""
    pages = index_documents.documents(client, index, number, **options)
    return {document.id: document.version async for page in pages for document in page}


async def indices(
    client: Client, right: str, other: str, *, advance: Callable[[int], None] = lambda _count: None
) -> Differences:
    """Compares two indices as far as they were refreshed. `advance(count)` is told the ranges that were compared."""
    found = Differences()
    ranges = differing(await index_documents.sums(client, right), await index_documents.sums(client, other))
    advance(index_documents.RANGES - len(ranges))
    for number in ranges:
        found.add(await versions(client, right, number), await versions(client, other, number))
        advance(1)
    return found


async def stored(
    client: Client, index: str, documents: Sequence[str], *, with_source: bool = True
) -> AsyncIterator[tuple[str, dict[str, Any] | None]]:
    """Each of these documents as it is now, refreshed or not, with its version and source; None where it is not.

    Raises SearchUnavailable where one of them could not be read.
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
                raise SearchUnavailable(f"{index} could not give {document}: try again shortly")
            if with_source and found.get("found") and "_source" not in found:
                raise unusable("a document in it has no content")
            yield document, found if found.get("found") else None


async def versions_now(client: Client, index: str, documents: Sequence[str]) -> Versions:
    """The versions of these documents at this moment; those that the index has not are left out."""
    found = stored(client, index, documents, with_source=False)
    return {document: one["_version"] async for document, one in found if one is not None}


async def looked_twice(client: Client, right: str, other: str, found: Differences) -> Differences:
    """Those of the differences that are there now, and that a second look finds unchanged.

    A write goes to both indices and reaches one of them first: what only one of them has, a writer may be about to
    write to the other.
    """
    documents = [*found.missing, *found.stale, *found.newer, *found.extra]
    if not documents:
        return found
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
        missing=[one for one in now.missing if lags(one, right_now, reached)],
        stale=[one for one in now.stale if lags(one, right_now, reached)],
        newer=[one for one in now.newer if lags(one, other_now, known)],
        extra={one: version for one, version in now.extra.items() if lags(one, other_now, known)},
    )
