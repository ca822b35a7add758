"""The response to a search, and the checks that it is complete, exact, and fits the request's body."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import msgspec

from service.client.responses.aggregations import Aggregation, check_aggregations
from service.client.responses.parts import Body, Count, unusable
from service.errors import SearchTimeout, SearchUnavailable
from service.message_texts import counted


class Total(msgspec.Struct):
    value: Count
    relation: Literal["eq", "gte"]


class Hit(msgspec.Struct):
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    id: str = msgspec.field(name="_id", default="")
    fields: dict[str, list[int | float | str | bool]] | None = None
    sort: tuple[int | float | str | None, ...] = ()
    highlight: dict[str, list[str]] | None = None


class Hits(msgspec.Struct):
    hits: list[Hit]
    total: Total | None = None


NO_HITS = Hits([])
"""The value of a missing `hits`, which is normal when a point in time is opened, and an error in a search."""


class Shards(msgspec.Struct):
    total: Count
    successful: Count
    failed: Count


class Copy(msgspec.Struct):
    """One copy of a shard."""

    index: str


class SearchAnswer(msgspec.Struct):
    """The response to a search, or to a call for a point in time, a document or `_search_shards`. Documents stay bytes.

    `copies` are the copies of each shard that a search would ask, in the response to `_search_shards`.
    """

    shards: Shards = msgspec.field(name="_shards", default_factory=lambda: Shards(0, 0, 0))
    took: Count = 0
    timed_out: bool = False
    hits: Hits = msgspec.field(default_factory=lambda: NO_HITS)
    aggregations: dict[str, Aggregation] = {}
    pit_id: str | None = None
    copies: list[list[Copy]] = msgspec.field(name="shards", default_factory=list)
    id: str = msgspec.field(name="_id", default="")
    found: bool = False
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    error: object = None


def total_of(answer: SearchAnswer) -> int:
    """The exact total. Raises AnswerUnusable if the response has none."""
    if answer.hits.total is None or answer.hits.total.relation != "eq":
        raise unusable("it has no exact total")
    return answer.hits.total.value


def check_search(answer: SearchAnswer, body: Body) -> None:
    """Raises SearchTimeout, SearchUnavailable or AnswerUnusable unless the response is complete and fits this body.

    Each part is checked, because a search that timed out responds with status 200, relation "eq" and no failed shard.
    """
    if answer.timed_out:
        raise SearchTimeout("the search took too long and was stopped: narrow the request, or try again")
    check_shards(answer.shards)
    if answer.hits is NO_HITS:
        raise unusable("hits is missing")
    size, hits = body.get("size", 10), answer.hits.hits
    if len(hits) > size:
        raise unusable("it has more hits than were requested")
    if body.get("track_total_hits") is True:
        total = total_of(answer)
        if "search_after" not in body and len(hits) != min(size, max(0, total - body.get("from", 0))):
            raise unusable("its number of hits does not fit its total")
        if len(hits) > total:
            raise unusable("it has more hits than its total")
    keys = len(body.get("sort", ()))
    if keys > 1 and any(len(hit.sort) != keys for hit in hits):
        raise unusable("a hit lacks its sort values")
    check_aggregations(body.get("aggs", {}), answer.aggregations)


def check_shards(shards: Shards) -> None:
    """Raises SearchUnavailable unless every shard responded."""
    if shards.failed or shards.successful != shards.total or shards.total == 0:
        raise SearchUnavailable(
            f"only {shards.successful} of {counted(shards.total, 'shard')} responded: "
            "check the cluster's health and the service's alias, or try again shortly"
        ).for_operators()


def check_owner(hits: Sequence[Hit], organization_uid: str) -> None:
    """Raises AnswerUnusable if a hit belongs to another organization. A document's id begins with its organization."""
    prefix = f"{organization_uid}:"
    if not all(hit.id.startswith(prefix) for hit in hits):
        raise unusable("a document in it belongs to another organization")
