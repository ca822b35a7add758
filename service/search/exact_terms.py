"""Exact counts of values if an organization is spread over several shards (a routing partition).

Each shard sends only the values that are most frequent in it, so the count of a value that is rare in a shard may be
too low. OpenSearch reports this (`doc_count_error_upper_bound`). The values are then counted again in one point in
time, in parts that are small enough for each shard to send all of its values.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import cast
from uuid import UUID

import msgspec

from service.client.responses import Aggregation, Bucket, SearchAnswer, listed
from service.search.clauses import Clause
from service.search.searcher import Searcher

SENT = 1_000  # values that each shard sends at first, or more; most organizations have fewer
SENT_AGAIN = 20_000  # of each part; OpenSearch allows 65,535 buckets in an answer (search.max_buckets)
FIRST_PARTS, PARTS_FACTOR = 1, 8  # the number of parts grows until the counts are exact
KEEP_ALIVE = "1m"


async def ask(searcher: Searcher, body: Clause, organization_uid: UUID, **params: str) -> SearchAnswer:
    """Like `Searcher.ask`, but the counts of values (`terms`, in the order of their counts) are always exact."""
    answer = await searcher.ask(body, organization_uid, **params)
    if not _inexact(answer):
        return answer
    async with searcher.point_in_time(organization_uid, KEEP_ALIVE) as point_in_time:
        pinned = {**body, "pit": {"id": point_in_time}}
        answer = await searcher.ask_pinned(pinned, organization_uid)
        counted = {name: await _counted(searcher, pinned, name, organization_uid) for name in _inexact(answer)}
    return msgspec.structs.replace(answer, aggregations={**answer.aggregations, **counted})


def _inexact(answer: SearchAnswer) -> list[str]:
    return [name for name, found in answer.aggregations.items() if found.get("doc_count_error_upper_bound")]


async def _counted(searcher: Searcher, body: Clause, name: str, organization_uid: UUID) -> Aggregation:
    """The values of one aggregation, counted in enough parts for each shard to send all of its values."""
    terms = _terms(body, name)
    parts = FIRST_PARTS
    while True:
        answers = await asyncio.gather(
            *(searcher.ask_pinned(_part(body, name, number, parts), organization_uid) for number in range(parts))
        )
        if not any(map(_inexact, answers)):
            return _together([answer.aggregations[name] for answer in answers], cast(int, terms["size"]))
        parts *= PARTS_FACTOR


def _terms(body: Clause, name: str) -> Mapping[str, object]:
    aggregations = cast(Mapping[str, Mapping[str, Mapping[str, object]]], body["aggs"])
    return aggregations[name]["terms"]


def _part(body: Clause, name: str, number: int, parts: int) -> Clause:
    """The search that counts this part of the values. OpenSearch divides them by their hashes."""
    division = {"include": {"partition": number, "num_partitions": parts}} if parts > 1 else {}
    terms = {**_terms(body, name), "shard_size": SENT_AGAIN, **division}
    return {**body, "aggs": {name: {"terms": terms}}}


def _together(parts: list[Aggregation], size: int) -> Aggregation:
    """The most frequent values of all parts, which have none in common. Of equal counts, the smaller value is first."""
    buckets: list[Bucket] = [bucket for part in parts for bucket in listed(part)]
    buckets.sort(key=lambda bucket: (-bucket["doc_count"], str(bucket["key"]).encode()))
    left_out = sum(bucket["doc_count"] for bucket in buckets[size:])
    others = sum(part.get("sum_other_doc_count", 0) for part in parts)
    return {"buckets": buckets[:size], "sum_other_doc_count": others + left_out}
