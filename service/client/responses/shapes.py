"""The shape that each kind of call's response must have: one table, by method and path."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.client.responses.aggregations import check_aggregations
from service.client.responses.parts import Body, Count, Json, convert, unusable
from service.client.responses.search import SearchAnswer, Shards, Total, check_shards
from service.client.responses.writes import AnyBulk
from service.errors import SearchTimeout


class _AnyHit(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    version: Count | UnsetType = msgspec.field(name="_version", default=UNSET)
    sort: list[int | float | str | None] = []
    source: Json | UnsetType = msgspec.field(name="_source", default=UNSET)


class _SearchHits(msgspec.Struct):
    hits: list[_AnyHit]
    total: Total | None = None


class _Search(msgspec.Struct):
    shards: Shards = msgspec.field(name="_shards")
    timed_out: bool
    hits: _SearchHits
    aggregations: Json = {}


class _PointInTime(msgspec.Struct):
    pit_id: Annotated[str, Meta(min_length=1)]


class _Document(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    found: Literal[True]
    seq_no: Count = msgspec.field(name="_seq_no")
    primary_term: Count = msgspec.field(name="_primary_term")
    source: Json = msgspec.field(name="_source")


class _Written(msgspec.Struct):
    result: Literal["created", "updated", "deleted", "noop"]
    seq_no: Count = msgspec.field(name="_seq_no")
    primary_term: Count = msgspec.field(name="_primary_term")


class _Got(msgspec.Struct):
    """One document of a multi-get. A document that could not be read has `error` instead of `found`."""

    id: str = msgspec.field(name="_id")
    found: bool
    version: Count | UnsetType = msgspec.field(name="_version", default=UNSET)
    source: Json | UnsetType = msgspec.field(name="_source", default=UNSET)

    def __post_init__(self) -> None:
        if self.found and self.version is UNSET:
            raise ValueError("a document that was found has a version")


class _Many(msgspec.Struct):
    docs: list[_Got]


class _Counted(msgspec.Struct):
    count: Count
    shards: Shards = msgspec.field(name="_shards")


class _Refreshed(msgspec.Struct):
    shards: Shards = msgspec.field(name="_shards")


class _Stats(msgspec.Struct):
    indices: dict[str, Json] = {}


class _Aliases(msgspec.Struct):
    aliases: Json


class _Mappings(msgspec.Struct):
    mappings: Json


class _IndexSettings(msgspec.Struct):
    index: Json


class _Settings(msgspec.Struct):
    settings: _IndexSettings


class _Index(msgspec.Struct):
    aliases: Json
    mappings: Json
    settings: _IndexSettings


class _Acknowledged(msgspec.Struct):
    acknowledged: Literal[True]


class _Version(msgspec.Struct):
    number: str


class _Info(msgspec.Struct):
    cluster_name: str
    version: _Version


class _Health(msgspec.Struct):
    cluster_name: str
    status: Literal["green", "yellow", "red"]
    number_of_nodes: Count
    indices: dict[str, Json] = {}


class _ClusterSettings(msgspec.Struct):
    persistent: Json
    transient: Json
    defaults: Json = {}


class _Blocks(msgspec.Struct):
    blocks: dict[str, Json] = {}


class _Nodes(msgspec.Struct):
    nodes: dict[str, Json]


class _Token(msgspec.Struct):
    token: str


class _Analyzed(msgspec.Struct):
    tokens: list[_Token]


class _Deleted(msgspec.Struct):
    deleted: Count
    timed_out: bool
    failures: Annotated[list[object], Meta(max_length=0)]


SHAPES: Mapping[tuple[str, str], type[object]] = {
    ("POST", "_search"): _Search,
    ("POST", "_search/point_in_time"): _PointInTime,
    ("GET", "_doc"): _Document,
    ("PUT", "_doc"): _Written,
    ("DELETE", "_doc"): _Written,
    ("POST", "_bulk"): AnyBulk,
    ("PUT", "_bulk"): AnyBulk,
    ("POST", "_mget"): _Many,
    ("POST", "_count"): _Counted,
    ("POST", "_refresh"): _Refreshed,
    ("GET", "_stats"): _Stats,
    ("GET", "_alias"): dict[str, _Aliases],
    ("GET", "_mapping"): dict[str, _Mappings],
    ("GET", "_settings"): dict[str, _Settings],
    ("GET", ""): dict[str, _Index],
    ("PUT", ""): _Acknowledged,
    ("DELETE", ""): _Acknowledged,
    ("PUT", "_settings"): _Acknowledged,
    ("POST", "_aliases"): _Acknowledged,
    ("GET", "/"): _Info,
    ("GET", "_cluster/health"): _Health,
    ("GET", "_cluster/settings"): _ClusterSettings,
    ("GET", "_cluster/state"): _Blocks,
    ("GET", "_nodes"): _Nodes,
    ("POST", "_analyze"): _Analyzed,
    ("POST", "_delete_by_query"): _Deleted,
}
"""By method and kind of path (`kind_of`). The response to a call that is not listed must be a JSON object."""


_LONG_KINDS = ("_search", "_cluster")  # here, the next part of the path belongs to the kind


def kind_of(url: str) -> str:
    """The kind of a call: "_search" for "/conversations/_search", "" for "/conversations", "/" for "/"."""
    parts = [part for part in url.split("/") if part]
    if not parts:
        return "/"
    for at, part in enumerate(parts):
        if part.startswith("_"):
            return "/".join(parts[at : at + 2]) if part in _LONG_KINDS else part
    return ""


def check_shape(method: str, url: str, answer: object, body: object = None) -> None:
    """Raises AnswerUnusable unless the response has the shape of this kind of call and fits the request's `body`."""
    if isinstance(answer, SearchAnswer):  # already decoded to its type, and the searcher calls check_search
        if answer.error is not None:
            raise unusable("it reports an error as a success")
        return
    if not isinstance(answer, dict):
        raise unusable("it is not a JSON object")
    if "error" in answer:
        raise unusable("it reports an error as a success")
    converted = convert(answer, SHAPES.get((method, kind_of(url)), Json))
    if isinstance(converted, _Search) and isinstance(body, dict):
        _check_documents(converted, body)
    if isinstance(converted, _Many) and isinstance(body, dict):
        _check_many(converted, body)


def _check_documents(answer: _Search, body: Body) -> None:
    """Like check_search, for a response that was decoded to plain dicts."""
    if answer.timed_out:
        raise SearchTimeout("the search took too long and was stopped: try again")
    check_shards(answer.shards)
    hits, keys = answer.hits.hits, len(body.get("sort", ()))
    if len(hits) > body.get("size", 10):
        raise unusable("it has more hits than were requested")
    if body.get("version") and any(hit.version is UNSET for hit in hits):
        raise unusable("a hit lacks its version")
    if body.get("_source", True) is not False and any(hit.source is UNSET for hit in hits):
        raise unusable("a hit lacks its document")
    if keys > 1 and any(len(hit.sort) != keys for hit in hits):
        raise unusable("a hit lacks its sort values")
    check_aggregations(body.get("aggs", {}), answer.aggregations)


def _check_many(answer: _Many, body: Body) -> None:
    requested = [document.get("_id") for document in body.get("docs", [])]
    if [document.id for document in answer.docs] != requested:
        raise unusable("it has other documents than were requested")
