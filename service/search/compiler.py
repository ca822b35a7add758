"""Compiles a query and an organization into a search body.

The security invariant: only `bool_query` makes the query of a search. It always filters by the organization, and by the
agents and parties that the caller may see (service/reach.py). Other clauses are added to the same `filter`, so they can
only narrow the result. Clauses in `should` only change scores. A tombstone has no field organization_uid, so the same
filter excludes it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from service.codes import phone_number
from service.query.conditions import (
    AllOf,
    AnyOf,
    Between,
    Missing,
    Node,
    Not,
    OneOf,
    Person,
    SearchText,
    Words,
    field_of,
)
from service.query.conversation_query import ConversationQuery, Sort
from service.query.fields import FIELDS, FIELDS_BY_NAME, RELEVANCE, SORT_KEYS
from service.query.time_bounds import Ago, Bounds, Limit
from service.reach import restriction_of
from service.search.clauses import Clause, all_of, any_of, none_of, phrase
from service.search.highlight import compile_highlight
from service.search.relevance import Scored, constant_scores, pasted, relevance
from service.search.subject_clauses import clause_of
from service.search.vocabulary_clauses import own_term, person_begun
from service.search.words.forms import joined_words
from service.text import has_words, in_one_word, plain_of
from service.times import format_time
from service.vocabulary import COPY, RECIPIENT, SENDER

# By the name in the search box: the fields of whole addresses, and those of their words and of names.
PERSON_FIELDS = {
    row.syntax.name: (
        [one.path for one in (row, *map(FIELDS_BY_NAME.__getitem__, row.covers))],
        [path for one in (row, *map(FIELDS_BY_NAME.__getitem__, row.covers)) for path in one.words],
    )
    for row in FIELDS
    if row.kind == "address" and row.syntax
}
PERSON_KINDS = {"from": (SENDER,), "to": (RECIPIENT, COPY), "cc": (COPY,)}  # in the vocabulary
SHORTEST_JOINED = 3  # letters of a word that may be stored as two words of a name
NAME_FIELD = "metadata.from_name"  # the only field with one name; the others have addresses
TIE_BREAKS = (("updated_on", "desc"), ("order.uid_1", "asc"), ("order.uid_2", "asc"), ("order.uid_3", "asc"))


def compile_query(
    query: ConversationQuery, organization_uid: UUID, narrowing: Sequence[Clause] = (), *, scored: bool = True
) -> Clause:
    """The query: the organization, the filters of the query, and the clauses that a deep page adds."""
    return bool_query(
        organization_uid,
        [*clauses(query, organization_uid), *narrowing],
        constant_scores(scored_clauses(query, organization_uid)) if scored else [],
    )


def scored_clauses(query: ConversationQuery, organization_uid: UUID) -> list[Scored]:
    """The clauses that score for the order by relevance, each with its worth. Empty for other orders."""
    words = query.words if query.sort.field == RELEVANCE else None
    if words is None:
        return []
    whole = pasted(query.pasted) if query.pasted is not None else []
    if query.resolution is None:
        return [*whole, *relevance(words, organization_uid)]
    worths, signed = dict(query.resolution.worths), dict(query.resolution.signed)
    return [*whole, *relevance(words, organization_uid, worths, signed)]


def bool_query(organization_uid: UUID, narrowing: list[Clause], scoring: Sequence[Clause] = ()) -> Clause:
    """The query of a search. If `organization_uid` is a Reach, its restriction is a filter too."""
    should = {"should": list(scoring), "minimum_should_match": 0} if scoring else {}
    narrowing = [*_seen(organization_uid), *narrowing]
    return {"bool": {"filter": [{"term": {"organization_uid": str(organization_uid)}}, *narrowing], **should}}


def _seen(organization_uid: UUID) -> list[Clause]:
    restriction = restriction_of(organization_uid)
    return [] if restriction is None else [{"terms": {name: uids}} for name, uids in restriction.by_field().items()]


def clauses(query: ConversationQuery, organization_uid: UUID) -> list[Clause]:
    """One clause for each condition, in the order of the query."""
    return [clause for _name, clause in named_clauses(query, organization_uid)]


def named_clauses(query: ConversationQuery, organization_uid: UUID) -> list[tuple[str, Clause]]:
    """Each clause with the name of its field, or with "search" or "q" if it is about words."""
    return [
        (
            "search" if isinstance(node, SearchText) else field_of(node) or "q",
            node_clause(node, query.now, organization_uid),
        )
        for node in query.conditions
    ]


def node_clause(node: Node, now: datetime, organization_uid: UUID) -> Clause:  # noqa: PLR0911 (a case is a kind of node)
    """The clause that matches what the node matches. Times such as "7 days ago" are relative to `now`."""
    match node:
        case OneOf(field, values, any_case):
            path = FIELDS_BY_NAME[field].any_case if any_case else index_field(field)
            return {"term": {path: values[0]}} if len(values) == 1 else {"terms": {path: list(values)}}
        case Missing(field):
            return missing(index_field(field))
        case Between(field, bounds):
            return all_of([{"range": {index_field(field): part}} for part in _ranges(bounds, now)])
        case Words():
            return clause_of(node, organization_uid)
        case Person():
            return _person_clause(node, organization_uid)
        case Not(Missing(field)):
            return {"exists": {"field": index_field(field)}}
        case Not(inner):
            return none_of(node_clause(inner, now, organization_uid))
        case AllOf(nodes):
            return all_of([node_clause(part, now, organization_uid) for part in nodes])
        case AnyOf(nodes):
            return any_of(*(node_clause(part, now, organization_uid) for part in dict.fromkeys(nodes)))


def _ranges(bounds: Bounds, now: datetime) -> Sequence[Clause]:
    """The bounds in as few ranges as possible. A range has at most one lower and one upper bound."""
    ranges: list[dict[str, str | int]] = []
    for operator, limit in bounds:
        value = _value(limit, now)
        free = next((one for one in ranges if all(other[0] != operator[0] for other in one)), None)
        if free is None:
            ranges.append({operator: value})
        else:
            free[operator] = value
    return ranges


def _value(limit: Limit, now: datetime) -> str | int:
    return limit if isinstance(limit, int) else format_time(limit.at(now) if isinstance(limit, Ago) else limit)


def index_field(field: str) -> str:
    return FIELDS_BY_NAME[field].index_path


def _person_clause(person: Person, organization_uid: UUID) -> Clause:
    """A whole address; text with @ or a final *, whose last word may be incomplete; or words of an address or name."""
    whole, parts = PERSON_FIELDS[person.role]
    if person.is_whole_address:
        return any_of(*({"term": {field: person.text}} for field in whole))
    kinds = PERSON_KINDS[person.role]
    _local, at, domain = person.text.rpartition("@")
    if (at and domain) or person.text.endswith("*"):
        begun = person.text.rstrip("*")
        ways = [begun, word] if (word := in_one_word(begun)) else [begun]
        return any_of(*(person_begun(way, kinds, parts, organization_uid) for way in ways))
    ways_to_ask = [_words_of_person(field, person.text, kinds, organization_uid) for field in parts]
    if number := phone_number(plain_of(person.text)):
        ways_to_ask += [own_term(kind + number, organization_uid) for kind in kinds]
    return any_of(*ways_to_ask)


def _words_of_person(field: str, text: str, kinds: Sequence[str], organization_uid: UUID) -> Clause:
    """The words of the text: of a name in any order, because many programs write "Lovelace, Ada".

    A name may be in one word or in two: O'Brien and OBrien, Jean-Luc, Jean Luc and Jeanluc.
    """
    pieces = text.split() if field == NAME_FIELD else [text]
    joined = joined_words(pieces)
    found: list[Clause] = []
    for piece in dict.fromkeys(piece for piece in pieces if has_words(piece)):
        ways = [phrase(field, piece), *(phrase(field, word) for word in joined.get(piece, []))]
        if word := in_one_word(piece):
            ways.append(phrase(field, word))
        if one := word or (piece if piece.isalpha() and len(piece) >= SHORTEST_JOINED else ""):
            ways += [own_term(kind + plain_of(one).lower(), organization_uid) for kind in kinds]
        found.append(any_of(*ways) if len(ways) > 1 else ways[0])
    return all_of(found or [phrase(field, text)])


def compile_sort(sort: Sort, then: Sequence[Sort] = (), *, reverse: bool = False) -> list[Clause]:
    """The total order: the keys, then -updated_on, then the uid. Missing values come last; if reversed, first."""
    keys = [(SORT_KEYS[key.field], "desc" if key.descending else "asc") for key in (sort, *then)]
    keys += [tie for tie in TIE_BREAKS if tie[0] not in dict(keys)]
    flipped = {"asc": "desc", "desc": "asc"}
    last: Clause = {"missing": "_first" if reverse else "_last"}
    return [
        {name: {"order": flipped[order] if reverse else order, **(last if name != SORT_KEYS[RELEVANCE] else {})}}
        for name, order in keys
    ]


def compile_walk(
    query: ConversationQuery, organization_uid: UUID, *, after: Sequence[int | float | str | None] | None, size: int
) -> Clause:
    """The search body for the `size` conversations after the sort values `after`, or for the first ones."""
    body = {
        "query": compile_query(query, organization_uid),
        "sort": compile_sort(query.sort, query.then),
        "size": size,
        **compile_highlight(query),
    }
    return body if after is None else {**body, "search_after": list(after)}


def missing(field: str) -> Clause:
    """Documents without a value."""
    return {"bool": {"must_not": [{"exists": {"field": field}}]}}


def excluded_by(clause: Clause) -> Clause | None:
    """If `missing` made the clause, the clause for the documents that have a value. Else None."""
    match clause.get("bool"):
        case {"must_not": [{"exists": {"field": str(field)} as named}]} if clause == missing(field):
            return {"exists": named}
    return None


def compile_page(query: ConversationQuery, organization_uid: UUID) -> Clause:
    """The search body of a page that `from` and `size` can reach."""
    return {
        "query": compile_query(query, organization_uid),
        "sort": compile_sort(query.sort, query.then),
        "from": query.offset,
        "size": query.per_page,
        "track_total_hits": True,
        **compile_highlight(query),
    }
