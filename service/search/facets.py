"""Counts beside a page: how many there are in all, and by the values of fields. Exact: one organization is one shard.

They are asked as a search of size 0, which OpenSearch answers from its cache until the index is refreshed.
"""

from __future__ import annotations

from typing import Any
from uuid import UUID

from service.client import SearchAnswer
from service.search.compiler import bool_query, compile_query, index_field, named_clauses
from service.search.query import ConversationQuery
from service.search.words import Clause

MOST_VALUES = 1000  # of a facet; those beyond are counted together
CACHED = {"request_cache": "true"}
CREATED_ON = "created_on"
_FORMATS = {"year": "yyyy", "month": "yyyy-MM", "week": "yyyy-MM-dd", "day": "yyyy-MM-dd"}


def compile_count(query: ConversationQuery, organization_uid: UUID) -> Clause:
    return {"query": compile_query(query, organization_uid), "size": 0, "track_total_hits": True}


def compile_facets(query: ConversationQuery, organization_uid: UUID) -> Clause:
    """Each facet counts what all filters leave but those of its own field, so that it shows what else there is."""
    names = _names(query)
    found = named_clauses(query)
    common = [clause for name, clause in found if name not in names]
    return {
        "query": bool_query(organization_uid, common),
        "size": 0,
        "track_total_hits": False,
        "aggs": {
            name: {
                "filter": bool_query(
                    organization_uid, [one for other, one in found if other in names and other != name]
                ),
                "aggs": _counts(query, name),
            }
            for name in names
        },
    }


def _counts(query: ConversationQuery, name: str) -> Clause:
    if name == CREATED_ON:
        interval = query.extras.facets.created_on
        assert interval is not None
        values: Clause = {
            "date_histogram": {
                "field": CREATED_ON, "calendar_interval": interval, "time_zone": query.extras.zone.key,
                "format": _FORMATS[interval], "min_doc_count": 1,
            }
        }  # fmt: skip
        field = CREATED_ON
    else:
        field = index_field(next(one for one in query.extras.facets.fields if one == name))
        order = [{"_count": "desc"}, {"_key": "asc"}]
        values = {"terms": {"field": field, "size": MOST_VALUES, "order": order}}
    return {"values": values, "none": {"missing": {"field": field}}}


def read_facets(query: ConversationQuery, answer: SearchAnswer) -> dict[str, Any]:
    """By facet: the values with their counts, how many have none, and how many have values that are not listed."""
    return {name: _facet(answer.aggregations[name]) for name in _names(query)}


def _names(query: ConversationQuery) -> list[str]:
    return [*query.extras.facets.fields, *([CREATED_ON] if query.extras.facets.created_on else [])]


def _facet(found: dict[str, Any]) -> dict[str, Any]:
    return {
        "values": [{"value": _value(bucket), "count": bucket["doc_count"]} for bucket in found["values"]["buckets"]],
        "none": found["none"]["doc_count"],
        "other": found["values"].get("sum_other_doc_count", 0),
    }


def _value(bucket: dict[str, Any]) -> str | bool:
    text = bucket.get("key_as_string")  # of booleans and times
    return text == "true" if text in ("true", "false") else str(text or bucket["key"])
