"""The answer to a search: whole, exact, and one to the body that was sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from service.client.responses.aggregations import check_aggregations
from service.client.responses.parts import Count, Json, unusable
from service.errors import SearchTimeout, SearchUnavailable
from service.message_texts import counted


class Total(msgspec.Struct):
    value: Count
    relation: Literal["eq", "gte"]


class Hit(msgspec.Struct):
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    id: str = msgspec.field(name="_id", default="")
    fields: dict[str, list[Any]] | None = None
    sort: tuple[int | float | str | None, ...] = ()
    highlight: dict[str, list[str]] | None = None


class Hits(msgspec.Struct):
    hits: list[Hit]
    total: Total | None = None


NO_HITS = Hits([])
"""Stands where an answer has no part of that name, which is right for a point in time and wrong for a search."""


class Shards(msgspec.Struct):
    total: Count
    successful: Count
    failed: Count


class SearchAnswer(msgspec.Struct):
    """What a search, the opening of a point in time, or the get of a document answers; documents are bytes."""

    shards: Shards = msgspec.field(name="_shards", default_factory=lambda: Shards(0, 0, 0))
    took: Count = 0
    timed_out: bool = False
    hits: Hits = msgspec.field(default_factory=lambda: NO_HITS)
    aggregations: dict[str, Any] = {}
    pit_id: str | None = None
    id: str = msgspec.field(name="_id", default="")
    found: bool = False
    source: msgspec.Raw = msgspec.field(name="_source", default=msgspec.Raw(b""))
    error: Any = None


def total_of(answer: SearchAnswer) -> int:
    """The exact total. Raises AnswerUnusable where the answer has none."""
    if answer.hits.total is None or answer.hits.total.relation != "eq":
        raise unusable("it has no exact total")
    return answer.hits.total.value


def check_search(answer: SearchAnswer, body: Json) -> None:
    """Raises SearchTimeout, SearchUnavailable or AnswerUnusable unless the answer is whole, and one to this body.

    A timed-out search answers 200 with relation "eq" and no failed shard: so all of it is looked at.
    """
    if answer.timed_out:
        raise SearchTimeout("the search took too long and was stopped: narrow the request, or try again")
    check_shards(answer.shards)
    if answer.hits is NO_HITS:
        raise unusable("it has no hits, not even none")
    size, hits = body.get("size", 10), answer.hits.hits
    if len(hits) > size:
        raise unusable("it has more hits than were asked for")
    if body.get("track_total_hits") is True:
        total = total_of(answer)
        if "search_after" not in body and len(hits) != min(size, max(0, total - body.get("from", 0))):
            raise unusable("it has fewer or more hits than its total says")
        if len(hits) > total:
            raise unusable("it has more hits than its total says")
    keys = len(body.get("sort", ()))
    if keys > 1 and any(len(hit.sort) != keys for hit in hits):
        raise unusable("a hit lacks its sort values")
    check_aggregations(body.get("aggs", {}), answer.aggregations)


def check_shards(shards: Shards) -> None:
    """Raises SearchUnavailable unless every shard answered."""
    if shards.failed or shards.successful != shards.total or shards.total == 0:
        raise SearchUnavailable(
            f"only {shards.successful} of {counted(shards.total, 'shard')} answered: "
            "check the cluster's health and the service's alias, or try again shortly"
        )


def check_owner(hits: Sequence[Hit], organization_uid: str) -> None:
    """Raises AnswerUnusable where a hit is of another organization: the ids of documents begin with their own."""
    prefix = f"{organization_uid}:"
    if not all(hit.id.startswith(prefix) for hit in hits):
        raise unusable("a document in it is not of the organization that was asked for")
