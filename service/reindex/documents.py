"""Reads all documents of an index by ranges of uids, and sums that show whether two ranges differ.

There are 256 ranges, one for each first byte of a uid. The sums of a range are those of its documents' digests
(stored_documents.digest). The cluster computes them in one pass, and they do not depend on the order of the documents.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Required, TypedDict
from uuid import UUID

import msgspec
from opensearchpy.exceptions import TransportError

from service.client import Client, translated
from service.client.responses import Json, part
from service.errors import SearchUnavailable
from service.message_texts import counted

RANGES = 256
RANGE_WIDTH = 2**40  # of order.uid_1, which holds the first 48 bits of a uid
PAGE_DOCUMENTS = 2_000
KEEP_ALIVE = "10m"
MAX_TERMS = 50_000  # OpenSearch allows 65,536 in one clause (index.max_terms_count)


class Hit(TypedDict, total=False):
    """A stored document in a response of OpenSearch. `service.client.responses` has checked its fields."""

    _id: Required[str]
    _version: Required[int]
    _seq_no: int
    _primary_term: int
    _source: dict[str, object]
    sort: list[object]
    fields: dict[str, list[object]]


class _Sum(msgspec.Struct):
    value: float


class _Range(msgspec.Struct):
    key: float
    doc_count: int
    digest_1: _Sum
    digest_2: _Sum


class _Name(msgspec.Struct):
    organization: str


class _Organization(msgspec.Struct):
    key: _Name
    doc_count: int


class _Organizations(msgspec.Struct):
    buckets: list[_Organization]
    after_key: dict[str, str] | None = None


Sums = dict[int, tuple[int, int, int]]
"""By range: its number of documents, and the sums of their two digests. Empty ranges are left out."""


@dataclass(frozen=True, slots=True)
class Document:
    """A stored document. `source` is None if it was not requested."""

    id: str
    version: int
    is_tombstone: bool
    source: dict[str, object] | None


def only(organizations: frozenset[UUID] | None) -> list[dict[str, object]]:
    """Filter clauses for the documents and tombstones of these organizations; no clause for None."""
    if organizations is None:
        return []
    names = sorted(map(str, organizations))
    fields = ("organization_uid", "tombstone.organization_uid")
    parts = [names[start : start + MAX_TERMS] for start in range(0, len(names), MAX_TERMS)]
    return [{"bool": {"should": [{"terms": {field: part}} for part in parts for field in fields]}}]


async def sums(client: Client, index: str, organizations: frozenset[UUID] | None = None) -> Sums:
    """The sums of every range, as of the index's last refresh."""
    digests = {name: {"sum": {"field": f"order.{name}"}} for name in ("digest_1", "digest_2")}
    ranges = {"field": "order.uid_1", "interval": RANGE_WIDTH, "min_doc_count": 1}
    body = {
        "size": 0,
        "query": {"bool": {"filter": only(organizations)}},
        "aggs": {"ranges": {"histogram": ranges, "aggs": digests}},
    }
    answer = await search(client, {"index": index, "body": body})
    return {
        int(bucket.key) // RANGE_WIDTH: (bucket.doc_count, int(bucket.digest_1.value), int(bucket.digest_2.value))
        for bucket in part(answer, "aggregations", "ranges", "buckets", expected=list[_Range])
    }


def groups(numbers: Iterable[int], *sums: Sums, most: int = PAGE_DOCUMENTS) -> list[list[int]]:
    """Groups the ranges, in their order, so that one request reads many small ranges.

    In each of the `sums`, a group has at most `most` documents. A range that has more is a group of its own.
    """
    found: list[list[int]] = []
    sizes = [0] * len(sums)
    for number in numbers:
        counts = [one.get(number, (0, 0, 0))[0] for one in sums]
        grown = [size + count for size, count in zip(sizes, counts, strict=True)]
        if found and max(grown, default=0) <= most:
            found[-1].append(number)
            sizes = grown
        else:
            found.append([number])
            sizes = counts
    return found


async def documents(
    client: Client,
    index: str,
    numbers: Sequence[int],
    *,
    organizations: frozenset[UUID] | None = None,
    with_source: bool = False,
    page: int = PAGE_DOCUMENTS,
) -> AsyncIterator[list[Document]]:
    """Yields the documents of the ranges `numbers` in pages, from one snapshot of the index (a point in time).

    The caller must be done with a page before the point in time expires (KEEP_ALIVE).
    """
    within = {"bool": {"should": [_range(number) for number in numbers]}}
    async with _point_in_time(client, index) as point_in_time:
        after: list[object] | None = None
        while True:
            body = {
                "size": page,
                "query": {"bool": {"filter": [within, *only(organizations)]}},
                "sort": [{"_shard_doc": "asc"}],
                "version": True,
                "_source": with_source,
                "docvalue_fields": ["tombstone.uid"],
                "track_total_hits": False,
                "pit": {"id": point_in_time, "keep_alive": KEEP_ALIVE},
                **({"search_after": after} if after else {}),
            }
            hits = hits_of(await search(client, {"body": body}))
            if hits:
                yield [Document(hit["_id"], hit["_version"], "fields" in hit, hit.get("_source")) for hit in hits]
            if len(hits) < page:
                return
            after = hits[-1]["sort"]


def _range(number: int) -> dict[str, object]:
    low = number * RANGE_WIDTH
    return {"range": {"order.uid_1": {"gte": low, "lt": low + RANGE_WIDTH}}}


async def count_by_organization(client: Client, index: str) -> dict[str, int]:
    """The number of live conversations of each organization."""
    counts: dict[str, int] = {}
    after: dict[str, str] | None = None
    while True:
        composite: dict[str, object] = {
            "size": 10_000,
            "sources": [{"organization": {"terms": {"field": "organization_uid"}}}],
        }
        if after is not None:
            composite["after"] = after
        body = {"size": 0, "aggs": {"organizations": {"composite": composite}}}
        answer = await search(client, {"index": index, "body": body})
        page = part(answer, "aggregations", "organizations", expected=_Organizations)
        counts |= {bucket.key.organization: bucket.doc_count for bucket in page.buckets}
        after = page.after_key
        if after is None:
            return counts


async def count_conversations(client: Client, index: str) -> int:
    """The number of live conversations in an index, as of its last refresh."""
    return await _count_with(client, index, "organization_uid")


async def count_tombstones(client: Client, index: str) -> int:
    """The number of tombstones in an index, as of its last refresh."""
    return await _count_with(client, index, "tombstone.uid")


async def count_import_records(client: Client, index: str) -> int:
    """The number of import records in an index, as of its last refresh."""
    return await _count_with(client, index, "record.organization_uid")


async def _count_with(client: Client, index: str, field: str) -> int:
    body = {"size": 0, "track_total_hits": True, "query": {"exists": {"field": field}}}
    return part(await search(client, {"index": index, "body": body}), "hits", "total", "value", expected=int)


@asynccontextmanager
async def _point_in_time(client: Client, index: str) -> AsyncIterator[str]:
    with translated(alias=index):
        opened = await client.create_pit(index=index, params={"keep_alive": KEEP_ALIVE})
    try:
        yield opened["pit_id"]
    finally:
        with suppress(TransportError):  # it expires by itself, and this must not hide an earlier error
            await client.delete_pit(body={"pit_id": [opened["pit_id"]]})


def hits_of(answer: Json) -> list[Hit]:
    hits: list[Hit] = answer["hits"]["hits"]
    return hits


async def search(client: Client, request: dict[str, object]) -> Json:
    """Searches once. Raises SearchUnavailable unless all shards responded in time."""
    with translated(alias=str(request.get("index", "the index"))):
        answer: Json = await client.search(**request, params={"allow_partial_search_results": "false"})
    shards = answer["_shards"]
    if answer["timed_out"] or shards["failed"] or shards["successful"] != shards["total"]:
        total = counted(shards["total"], "shard")
        raise SearchUnavailable(f"only {shards['successful']} of {total} responded in time: try again shortly")
    return answer
