"""Reads an index from end to end, by ranges of uids: what every document is, and sums that tell two ranges apart.

A range is one of 256, by the first byte of the uid. Its sums are those of the digests that each document holds
(conversation.digest), made by the cluster in one pass, whatever the order of the documents.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from opensearchpy.exceptions import TransportError

from service.client import Client, translated
from service.errors import SearchUnavailable
from service.message_texts import counted

RANGES = 256
RANGE_WIDTH = 2**40  # of order.uid_1, which holds the first 48 bits
PAGE_DOCUMENTS = 2_000
KEEP_ALIVE = "10m"
MAX_TERMS = 50_000  # OpenSearch takes 65,536 in one clause (index.max_terms_count)

Sums = dict[int, tuple[int, int, int]]
"""By range: how many documents, and the sums of their two digests. A range without documents is left out."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it is stored. `source` is None where it was not asked for."""

    id: str
    version: int
    is_tombstone: bool
    source: dict[str, Any] | None


def only(organizations: frozenset[UUID] | None) -> list[dict[str, Any]]:
    """Clauses for the documents of these organizations, their tombstones too; of all, where None."""
    if organizations is None:
        return []
    names = sorted(map(str, organizations))
    fields = ("organization_uid", "tombstone.organization_uid")
    parts = [names[start : start + MAX_TERMS] for start in range(0, len(names), MAX_TERMS)]
    return [{"bool": {"should": [{"terms": {field: part}} for part in parts for field in fields]}}]


async def sums(client: Client, index: str, organizations: frozenset[UUID] | None = None) -> Sums:
    """The sums of every range, as far as the index was refreshed."""
    digests = {name: {"sum": {"field": f"order.{name}"}} for name in ("digest_1", "digest_2")}
    ranges = {"field": "order.uid_1", "interval": RANGE_WIDTH, "min_doc_count": 1}
    body = {
        "size": 0,
        "query": {"bool": {"filter": only(organizations)}},
        "aggs": {"ranges": {"histogram": ranges, "aggs": digests}},
    }
    answer = await search(client, {"index": index, "body": body})
    return {
        int(bucket["key"]) // RANGE_WIDTH: (
            bucket["doc_count"],
            int(bucket["digest_1"]["value"]),
            int(bucket["digest_2"]["value"]),
        )
        for bucket in answer["aggregations"]["ranges"]["buckets"]
    }


async def documents(
    client: Client,
    index: str,
    number: int,
    *,
    organizations: frozenset[UUID] | None = None,
    with_source: bool = False,
    page: int = PAGE_DOCUMENTS,
) -> AsyncIterator[list[Document]]:
    """The documents of one range, a page at a time, of one state of the index.

    A page must be worked off before the point in time ends (KEEP_ALIVE).
    """
    low = number * RANGE_WIDTH
    within: dict[str, Any] = {"range": {"order.uid_1": {"gte": low, "lt": low + RANGE_WIDTH}}}
    async with _point_in_time(client, index) as point_in_time:
        after: list[Any] | None = None
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
            hits = (await search(client, {"body": body}))["hits"]["hits"]
            if hits:
                yield [Document(hit["_id"], hit["_version"], "fields" in hit, hit.get("_source")) for hit in hits]
            if len(hits) < page:
                return
            after = hits[-1]["sort"]


async def count_by_organization(client: Client, index: str) -> dict[str, int]:
    """How many live conversations each organization has."""
    found: dict[str, int] = {}
    after: dict[str, Any] | None = None
    while True:
        composite: dict[str, Any] = {
            "size": 10_000,
            "sources": [{"organization": {"terms": {"field": "organization_uid"}}}],
        }
        if after is not None:
            composite["after"] = after
        body = {"size": 0, "aggs": {"organizations": {"composite": composite}}}
        page = (await search(client, {"index": index, "body": body}))["aggregations"]["organizations"]
        found |= {bucket["key"]["organization"]: bucket["doc_count"] for bucket in page["buckets"]}
        after = page.get("after_key")
        if after is None:
            return found


async def count_tombstones(client: Client, index: str) -> int:
    """How many deletions an index knows of, as far as it was refreshed."""
    body = {"size": 0, "track_total_hits": True, "query": {"exists": {"field": "tombstone.uid"}}}
    count: int = (await search(client, {"index": index, "body": body}))["hits"]["total"]["value"]
    return count


@asynccontextmanager
async def _point_in_time(client: Client, index: str) -> AsyncIterator[str]:
    with translated(alias=index):
        opened = await client.create_pit(index=index, params={"keep_alive": KEEP_ALIVE})
    try:
        yield opened["pit_id"]
    finally:
        with suppress(TransportError):  # it ends by itself, and must not hide what went wrong
            await client.delete_pit(body={"pit_id": [opened["pit_id"]]})


async def search(client: Client, request: dict[str, Any]) -> dict[str, Any]:
    """One search of which only a whole answer is taken."""
    with translated(alias=str(request.get("index", "the index"))):
        answer: dict[str, Any] = await client.search(**request, params={"allow_partial_search_results": "false"})
    shards = answer["_shards"]
    if answer["timed_out"] or shards["failed"] or shards["successful"] != shards["total"]:
        whole = counted(shards["total"], "shard")
        raise SearchUnavailable(f"only {shards['successful']} of {whole} answered: try again shortly")
    return answer
