"""Facets: exact counts of the matches by the values of fields. exact_terms.py makes them exact.

A facet is a search of size 0. OpenSearch answers it from its cache until the index is refreshed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast
from uuid import UUID

from service.client.responses import Bucket, SearchAnswer, listed, total_of, unusable
from service.query.conversation_query import ConversationQuery
from service.query.fields import FIELDS
from service.search.answers import Facet, Facets, FacetValue
from service.search.clauses import Clause
from service.search.compiler import bool_query, compile_query, index_field, named_clauses

MOST_VALUES = 1000  # in a facet; further values are counted together as `other`
CACHED = {"request_cache": "true"}
CREATED_ON = "created_on"
SEVERAL_VALUED = frozenset(row.name for row in FIELDS if row.has_several)
NONE_OF = "none of "
_FORMATS = {"year": "yyyy", "month": "yyyy-MM", "week": "yyyy-MM-dd", "day": "yyyy-MM-dd"}


def compile_count(query: ConversationQuery, organization_uid: UUID) -> Clause:
    return {"query": compile_query(query, organization_uid), "size": 0, "track_total_hits": True}


def compile_facets(query: ConversationQuery, organization_uid: UUID) -> list[Clause]:
    """The searches of the facets. A facet ignores the filters on its own field, so that it shows the other values.

    Facets without a filter on their field share one search. Each of the others has its own search. (One search with a
    filter for each facet took four times as long.)
    """
    found = named_clauses(query, organization_uid)
    filtered = [name for name in _names(query) if any(of == name for of, _clause in found)]
    shared = [name for name in _names(query) if name not in filtered]
    groups = ([shared] if shared else []) + [[name] for name in filtered]
    return [
        {
            "query": bool_query(organization_uid, [clause for of, clause in found if of not in group]),
            "size": 0,
            "track_total_hits": True,
            "aggs": {name: agg for facet in group for name, agg in _counts(query, facet).items()},
        }
        for group in groups
    ]


def _names(query: ConversationQuery) -> list[str]:
    return [*query.extras.facets.fields, *([CREATED_ON] if query.extras.facets.created_on else [])]


def _counts(query: ConversationQuery, name: str) -> dict[str, Clause]:
    interval = query.extras.facets.created_on
    if name == CREATED_ON and interval is not None:
        by_time = {
            "field": CREATED_ON, "calendar_interval": interval, "time_zone": query.extras.zone.key,
            "format": _FORMATS[interval], "min_doc_count": 1,
        }  # fmt: skip
        return {name: {"date_histogram": by_time}}
    field = index_field(name)
    order = [{"_count": "desc"}, {"_key": "asc"}]
    values: dict[str, Clause] = {name: {"terms": {"field": field, "size": MOST_VALUES, "order": order}}}
    return values | {NONE_OF + name: {"missing": {"field": field}}} if name in SEVERAL_VALUED else values


def read_facets(query: ConversationQuery, answers: Sequence[SearchAnswer]) -> Facets:
    """The facets by name, from the answers to `compile_facets`."""
    by_name = {name: answer for answer in answers for name in answer.aggregations}
    return cast(Facets, {name: _facet(name, by_name[name]) for name in _names(query)})


def _facet(name: str, answer: SearchAnswer) -> Facet:
    found = answer.aggregations[name]
    buckets = listed(found)
    other = found.get("sum_other_doc_count", 0)
    if name in SEVERAL_VALUED:
        none = answer.aggregations[NONE_OF + name]["doc_count"]
    else:  # a conversation has at most one value, so all others have none
        none = total_of(answer) - other - sum(bucket["doc_count"] for bucket in buckets)
        if none < 0:
            raise unusable("its counts add up to more than its total")
    values = [FacetValue(value=_value(bucket), count=bucket["doc_count"]) for bucket in buckets]
    return Facet(values=values, none=none, other=other)


def _value(bucket: Bucket) -> str | bool:
    text = bucket.get("key_as_string")  # of booleans and times
    return text == "true" if text in ("true", "false") else str(text or bucket["key"])
