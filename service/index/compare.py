"""What differs between two sets of documents, by (uid, version): found by sums over ranges, then document by document.

Equal counts prove nothing: a conversation that is missing and one that came back make them match.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from service.client import Client, translated
from service.index import scan
from service.index.scan import Sums

Versions = dict[str, int]
"""The version of each document, by its id."""

BATCH_IDS = 500


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
    pages = scan.documents(client, index, number, **options)
    return {document.id: document.version async for page in pages for document in page}


async def indices(
    client: Client, right: str, other: str, *, advance: Callable[[int], None] = lambda _count: None
) -> Differences:
    """Compares two indices as far as they were refreshed. `advance(count)` is told the ranges that were compared."""
    found = Differences()
    ranges = differing(await scan.sums(client, right), await scan.sums(client, other))
    advance(scan.RANGES - len(ranges))
    for number in ranges:
        found.add(await versions(client, right, number), await versions(client, other, number))
        advance(1)
    return found


async def stored(client: Client, index: str, documents: list[str]) -> AsyncIterator[tuple[str, dict[str, Any] | None]]:
    """Each of these documents as it is now, refreshed or not, with its version and source; None where it is not."""
    for start in range(0, len(documents), BATCH_IDS):
        wanted = [
            {"_index": index, "_id": document, "routing": document.partition(":")[0]}
            for document in documents[start : start + BATCH_IDS]
        ]
        with translated(alias=index):
            answer = await client.mget(body={"docs": wanted})
        for document, found in zip(documents[start : start + BATCH_IDS], answer["docs"], strict=True):
            yield document, found if found.get("found") else None


async def still_differing(client: Client, right: str, other: str, documents: list[str]) -> list[dict[str, Any]]:
    """Those of the right index's documents that the other has not, or has in an older version, at this moment."""
    behind = []
    others = {document: found async for document, found in stored(client, other, documents)}
    async for document, found in stored(client, right, documents):
        in_other = others[document]
        if found is not None and (in_other is None or in_other["_version"] < found["_version"]):
            behind.append(found)
    return behind


async def lacking(client: Client, index: str, documents: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those of these documents, as they were read before, that the index has not, or has in an older version, now."""
    there = {document: found async for document, found in stored(client, index, [one["_id"] for one in documents])}
    return [one for one in documents if (found := there[one["_id"]]) is None or found["_version"] < one["_version"]]
