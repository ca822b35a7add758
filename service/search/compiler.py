"""(query, organization) -> search body. Pure; one small function a clause; plain dicts in the order of the body.

The security invariant: `bool_query` is the one place where a bool query is made, the organization is its required
argument, and clauses go into `filter` beside it, where they can only narrow. A tombstone keeps its organization under
`tombstone`, so this same filter leaves it out at no cost.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from service.search.query import ConversationQuery, Sort, SortField

Clause = dict[str, Any]

SORT_KEYS: dict[SortField, str] = {
    "created_on": "created_on",
    "updated_on": "updated_on",
    "sent_at": "sent_at",
    "subject": "order.subject",
    "status": "order.status",
    "channel": "order.channel",
}
TIE_BREAKS = (("updated_on", "desc"), ("order.uid_1", "asc"), ("order.uid_2", "asc"), ("order.uid_3", "asc"))
SEARCH_FIELD = "subject.english"


def compile_query(query: ConversationQuery, organization_uid: UUID, narrowing: Sequence[Clause] = ()) -> Clause:
    """The query clause: the organization, every filter that was given, and what a deep page adds to these."""
    return bool_query(organization_uid, [*clauses(query), *narrowing])


def bool_query(organization_uid: UUID, narrowing: list[Clause]) -> Clause:
    return {"bool": {"filter": [{"term": {"organization_uid": str(organization_uid)}}, *narrowing]}}


def clauses(query: ConversationQuery) -> list[Clause]:
    """One clause a parameter, in the order of the contract."""
    found: list[Clause] = []
    if query.is_read is not None:
        found.append({"term": {"is_read": query.is_read}})
    if query.statuses:
        found.append({"terms": {"status": list(query.statuses)}})
    if query.channel is not None:
        found.append({"term": {"channel": query.channel}})
    if query.categories:
        found.append({"terms": {"categories": list(query.categories)}})
    if query.agent_uid is not None:
        found.append({"term": {"agent_uid": str(query.agent_uid)}})
    if query.party_uid is not None:
        found.append({"term": {"party_uid": str(query.party_uid)}})
    if query.search is not None:
        found.append(_search_clause(query.search))
    return found


def _search_clause(text: str) -> Clause:
    """All words must match, in any form of English. `match` takes text and no operators."""
    return {"match": {SEARCH_FIELD: {"query": text, "operator": "and"}}}


def compile_sort(sort: Sort, *, reverse: bool = False) -> list[Clause]:
    """The total order: the key, then -updated_on, then the uid. Missing values last (first where reversed)."""
    keys = [(SORT_KEYS[sort.field], "desc" if sort.descending else "asc")]
    keys += [tie for tie in TIE_BREAKS if tie[0] != keys[0][0]]
    flipped = {"asc": "desc", "desc": "asc"}
    return [
        {name: {"order": flipped[order] if reverse else order, "missing": "_first" if reverse else "_last"}}
        for name, order in keys
    ]


def compile_walk(
    query: ConversationQuery, organization_uid: UUID, *, after: Sequence[int | str | None] | None, size: int
) -> Clause:
    """The search body of the `size` conversations that follow the sort values `after`, or that stand first."""
    body = {"query": compile_query(query, organization_uid), "sort": compile_sort(query.sort), "size": size}
    return body if after is None else {**body, "search_after": list(after)}


def missing(field: str) -> Clause:
    """Documents without a value."""
    return {"bool": {"must_not": [{"exists": {"field": field}}]}}


def compile_page(query: ConversationQuery, organization_uid: UUID) -> Clause:
    """The whole search body of a page that from/size can reach."""
    return {
        "query": compile_query(query, organization_uid),
        "sort": compile_sort(query.sort),
        "from": query.offset,
        "size": query.per_page,
        "track_total_hits": True,
    }
