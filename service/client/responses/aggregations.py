"""Validates the aggregations of a response: each requested one must be there, in the shape of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Required, TypedDict

import msgspec
from msgspec import Meta

from service.client.responses.parts import Body, Count, Json, Key, convert, unusable


class Bucket(TypedDict, total=False):
    """One bucket of an aggregation. A bucket of `filters` has no key."""

    doc_count: Required[Count]
    key: Key
    key_as_string: str


class Aggregation(TypedDict, total=False):
    """An aggregation of a search's response. Which fields it has depends on its kind."""

    buckets: list[Bucket] | dict[str, Bucket]
    doc_count: Count
    sum_other_doc_count: Count
    doc_count_error_upper_bound: int


def listed(aggregation: Aggregation) -> list[Bucket]:
    """The buckets of an aggregation that has a list of them."""
    buckets = aggregation["buckets"]
    return buckets if isinstance(buckets, list) else list(buckets.values())


def named(aggregation: Aggregation) -> dict[str, Bucket]:
    """The buckets of `filters` with names."""
    buckets = aggregation["buckets"]
    return buckets if isinstance(buckets, dict) else {}


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


AGGREGATIONS: Mapping[str, type[object]] = {
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


def check_aggregations(requested: Body, answered: Body) -> None:
    """Raises AnswerUnusable unless every requested aggregation is there, in the shape of its kind."""
    for name, request in requested.items():
        kind = next((key for key in request if key in AGGREGATIONS), None)
        if name not in answered:
            raise unusable("a requested aggregation is missing")
        if kind is None:
            continue
        convert(answered[name], AGGREGATIONS[kind])
        buckets = answered[name].get("buckets", [])
        if kind == "filters":
            _check_filters(request["filters"], buckets)
        for bucket in buckets if "aggs" in request else ():
            check_aggregations(request["aggs"], bucket)


def _check_filters(requested: Body, buckets: object) -> None:
    """Checks the buckets of a `filters` aggregation.

    `other_bucket` and `other_bucket_key` request one more bucket, for documents that match no filter.
    """
    filters, has_other = requested["filters"], "other_bucket_key" in requested or requested.get("other_bucket")
    if isinstance(buckets, dict) and isinstance(filters, dict):
        other = {requested.get("other_bucket_key", "_other_")} if has_other else set()
        fits = buckets.keys() == filters.keys() | other
    else:
        fits = (
            isinstance(buckets, list) and isinstance(filters, list) and len(buckets) == len(filters) + bool(has_other)
        )
    if not fits:
        raise unusable("it has other buckets than were requested")
