"""What OpenSearch's answers must hold. An answer of another shape is refused before anything is made of it.

Between the service and OpenSearch there may be proxies, and clusters answer with parts missing while they fail. So each
kind of call has a shape (SHAPES), and a search's answer must also fit its request: the number of hits, the exact total,
the sort values, the aggregations. Whatever does not fit raises AnswerUnusable.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.errors import AnswerUnusable, SearchTimeout, SearchUnavailable

Expected = TypeVar("Expected")

Count = Annotated[int, Meta(ge=0, le=2**53)]
Key = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[float, Meta(ge=-(2.0**63), lt=2.0**63)] | str | bool
Json = dict[str, Any]


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


class BulkError(msgspec.Struct):
    type: str = "unknown"
    reason: str | None = None


class BulkEntry(msgspec.Struct):
    """What became of one document of a bulk request."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    status: Count
    error: BulkError | None = None


class _BulkItem(msgspec.Struct):
    index: BulkEntry


class Bulk(msgspec.Struct):
    items: list[_BulkItem]


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
    """One of several documents. One that could not be read has an `error` in place of `found`."""

    id: str = msgspec.field(name="_id")
    found: bool
    version: Count | UnsetType = msgspec.field(name="_version", default=UNSET)
    source: Json | UnsetType = msgspec.field(name="_source", default=UNSET)

    def __post_init__(self) -> None:
        if self.found and UNSET in (self.version, self.source):
            raise ValueError("a document that was found has a version and a source")


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
    failures: Annotated[list[Any], Meta(max_length=0)]


SHAPES: Mapping[tuple[str, str], Any] = {
    ("POST", "_search"): _Search,
    ("POST", "_search/point_in_time"): _PointInTime,
    ("GET", "_doc"): _Document,
    ("PUT", "_doc"): _Written,
    ("DELETE", "_doc"): _Written,
    ("POST", "_bulk"): Bulk,
    ("PUT", "_bulk"): Bulk,
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
"""By method and kind of path (`kind_of`). An answer of a call that is not listed must be a JSON object."""

_LONG_KINDS = ("_search", "_cluster")  # the part behind these tells what is asked for


def kind_of(url: str) -> str:
    """What a path asks for: "_search" of "/conversations/_search", "" of "/conversations", "/" of "/"."""
    parts = [part for part in url.split("/") if part]
    if not parts:
        return "/"
    for at, part in enumerate(parts):
        if part.startswith("_"):
            return "/".join(parts[at : at + 2]) if part in _LONG_KINDS else part
    return ""


def check_shape(method: str, url: str, answer: Any, body: Any = None) -> None:
    """Raises AnswerUnusable unless the answer has the shape of this call's answers, and fits the call's `body`."""
    if isinstance(answer, SearchAnswer):  # decoded to its type already, and checked by who asked
        if answer.error is not None:
            raise unusable("it reports an error as a success")
        return
    if not isinstance(answer, dict):
        raise unusable("it is no JSON object")
    if "error" in answer:
        raise unusable("it reports an error as a success")
    found = convert(answer, SHAPES.get((method, kind_of(url)), Json))
    if isinstance(found, _Search) and isinstance(body, dict):
        _check_documents(found, body)
    if isinstance(found, _Many) and isinstance(body, dict):
        _check_many(found, body)


def _check_documents(answer: _Search, body: Json) -> None:
    """As check_search, for an answer that was decoded to plain values."""
    if answer.timed_out:
        raise SearchTimeout("the search took too long and was stopped: try again")
    check_shards(answer.shards)
    hits, keys = answer.hits.hits, len(body.get("sort", ()))
    if len(hits) > body.get("size", 10):
        raise unusable("it has more hits than were asked for")
    if body.get("version") and any(hit.version is UNSET for hit in hits):
        raise unusable("a hit lacks its version")
    if body.get("_source", True) is not False and any(hit.source is UNSET for hit in hits):
        raise unusable("a hit lacks its document")
    if keys > 1 and any(len(hit.sort) != keys for hit in hits):
        raise unusable("a hit lacks its sort values")
    check_aggregations(body.get("aggs", {}), answer.aggregations)


def _check_many(answer: _Many, body: Json) -> None:
    wanted = [one.get("_id") for one in body.get("docs", [])]
    if [one.id for one in answer.docs] != wanted:
        raise unusable("it has other documents than were asked for")


def convert(answer: Any, expected: type[Expected]) -> Expected:
    """The answer as this type. Raises AnswerUnusable where it has another shape."""
    try:
        return msgspec.convert(answer, expected)
    except (msgspec.ValidationError, RecursionError) as error:
        raise unusable("it lacks a part, or has one of another kind") from error


def decode(text: bytes | msgspec.Raw, expected: type[Expected]) -> Expected:
    """A document as this type. Raises AnswerUnusable where it has another shape."""
    try:
        return msgspec.json.decode(text, type=expected)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise unusable("a document in it has another shape than the service writes") from error


def unusable(why: str) -> AnswerUnusable:
    return AnswerUnusable(
        f"OpenSearch's answer cannot be used ({why}): check the cluster, and any proxy between it and the service"
    )


def part(answer: Any, *path: str, expected: type[Expected]) -> Expected:
    """The value at this path of the answer. Raises AnswerUnusable where there is none, or one of another type."""
    for name in path:
        if not isinstance(answer, dict) or name not in answer:
            raise unusable(f"it lacks {name if name.replace('_', '').isalpha() else 'a part'}")
        answer = answer[name]
    return convert(answer, expected)


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
            f"only {shards.successful} of {shards.total} shards answered: "
            "check the cluster's health and the service's alias, or try again shortly"
        )


def check_owner(hits: Sequence[Hit], organization_uid: str) -> None:
    """Raises AnswerUnusable where a hit is of another organization: the ids of documents begin with their own."""
    prefix = f"{organization_uid}:"
    if not all(hit.id.startswith(prefix) for hit in hits):
        raise unusable("a document in it is not of the organization that was asked for")


class _Bucket(msgspec.Struct):
    key: Key
    doc_count: Count
    key_as_string: str | None = None


class _NumberBucket(msgspec.Struct):
    key: Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[float, Meta(ge=-(2.0**63), lt=2.0**63)]
    doc_count: Count
    key_as_string: str | None = None


class _Anonymous(msgspec.Struct):
    doc_count: Count


class _Composed(msgspec.Struct):
    key: Json
    doc_count: Count


class _Terms(msgspec.Struct):
    buckets: list[_Bucket]
    sum_other_doc_count: Count


class _Histogram(msgspec.Struct):
    buckets: list[_NumberBucket]


class _Filters(msgspec.Struct):
    buckets: dict[str, _Anonymous] | list[_Anonymous]


class _Composite(msgspec.Struct):
    buckets: list[_Composed]
    after_key: Json | None = None


class _Value(msgspec.Struct):
    value: float | None


AGGREGATIONS: Mapping[str, Any] = {
    "terms": _Terms,
    "histogram": _Histogram,
    "date_histogram": _Histogram,
    "filters": _Filters,
    "composite": _Composite,
    "missing": _Anonymous,
    "sum": _Value,
    "max": _Value,
    "min": _Value,
}


def check_aggregations(asked: Json, answered: Json) -> None:
    """Raises AnswerUnusable unless every aggregation that was asked for is there, in its own shape."""
    for name, request in asked.items():
        kind = next((one for one in request if one in AGGREGATIONS), None)
        if name not in answered:
            raise unusable("it lacks a count that was asked for")
        if kind is None:
            continue
        convert(answered[name], AGGREGATIONS[kind])
        buckets = answered[name].get("buckets", [])
        if kind == "filters":
            _check_filters(request["filters"]["filters"], buckets)
        for bucket in buckets if "aggs" in request else ():
            check_aggregations(request["aggs"], bucket)


def _check_filters(asked: Any, buckets: Any) -> None:
    fits = (
        buckets.keys() == asked.keys()
        if isinstance(buckets, dict) and isinstance(asked, dict)
        else (isinstance(buckets, list) and not isinstance(asked, dict) and len(buckets) == len(asked))
    )
    if not fits:
        raise unusable("it has other counts than were asked for")
