"""Suggestions for a search without results: a corrected text that has results, and the filters that exclude everything.

Only the caller's organization is searched, so a word of another one is never suggested.
"""

from __future__ import annotations

import re
from dataclasses import replace
from difflib import SequenceMatcher
from uuid import UUID

import msgspec
from msgspec import UNSET

from service.client import responses
from service.client.responses import named, total_of
from service.query import search_syntax
from service.query.conditions import DEFAULT_MATCH, AllOf, SearchText, Words, texts_of
from service.query.conversation_query import ConversationQuery, Sort
from service.search.answers import DidYouMean, WaysOut, WithoutFilter
from service.search.compiler import bool_query, named_clauses
from service.search.facets import CACHED, compile_count
from service.search.searcher import Searcher
from service.search.subject_clauses import EXACT, FUZZY, NEAREST, Clause, any_of, clause_of
from service.text import LETTERS, fold

LOOKED_AT = 50  # subjects with a similar word
SHORTEST, LONGEST = 3, 50  # letters of a word and of its correction
MOST_CANDIDATES = 1_000  # a comparison takes about 20 microseconds
LEAST_ALIKE = 0.6
MOST_WORDS = 8


class _Subject(msgspec.Struct):
    subject: str | None = None


async def explain_no_results(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> WaysOut:
    """A corrected text, if one has results, and the single filters without which there are results."""
    return WaysOut(
        did_you_mean=await _did_you_mean(searcher, query, organization_uid),
        without=await _without(searcher, query, organization_uid),
    )


async def _without(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> list[WithoutFilter]:
    found = named_clauses(query)
    names = list(dict.fromkeys(name for name, _clause in found))
    if not names:
        return []
    filters = {
        name: bool_query(organization_uid, [clause for other, clause in found if other != name]) for name in names
    }
    counts = await _counts(searcher, filters, organization_uid)
    return [WithoutFilter(parameter=name, total=counts[name]) for name in names if counts[name]]


async def _counts(searcher: Searcher, filters: dict[str, Clause], organization_uid: UUID) -> dict[str, int]:
    """The number of the organization's conversations that match each filter, by name."""
    body = {
        "query": bool_query(organization_uid, []),
        "size": 0,
        "track_total_hits": False,
        "aggs": {"counts": {"filters": {"filters": filters}}},
    }
    answer = await searcher.ask(body, organization_uid, **CACHED)
    return {name: bucket["doc_count"] for name, bucket in named(answer.aggregations["counts"]).items()}


async def _did_you_mean(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> DidYouMean | None:
    """The text with its unknown words corrected, if it then has results."""
    name, text, typed = _typed(query)
    corrected = text
    for word in await _unknown(searcher, typed, organization_uid):
        like = await _like(searcher, word, organization_uid)
        if like is None:
            return None
        corrected = re.sub(rf"(?<!\w){re.escape(word)}(?!\w)", like, corrected)
    if corrected == text:
        return None
    for corrected_query, with_filters in _corrected_queries(query, name, corrected):
        answer = await searcher.ask(compile_count(corrected_query, organization_uid), organization_uid, **CACHED)
        if total := total_of(answer):
            return DidYouMean(
                search=corrected if name == "search" else UNSET,
                q=corrected if name == "q" else UNSET,
                total=total,
                with_filters=with_filters,
            )
    return None


def _typed(query: ConversationQuery) -> tuple[str, str, str]:
    """The parameter to correct (search or q), its text, and the words in it."""
    if query.search is not None or query.extras.parsed_search is None:
        text = "" if query.search is None else query.search.text
        return "search", text, text
    return (
        "q",
        query.extras.parsed_search.text,
        " ".join(words.text for words in texts_of(AllOf(query.extras.parsed_search.nodes))),
    )


def _corrected_queries(query: ConversationQuery, name: str, corrected: str) -> list[tuple[ConversationQuery, bool]]:
    """The corrected query with the same filters (True), and without them (False)."""
    plain = replace(query, page=1, cursor=None, sort=Sort(), then=())
    if name == "search":
        search = SearchText(corrected, DEFAULT_MATCH if query.search is None else query.search.match)
        where = tuple(search if isinstance(node, SearchText) else node for node in query.where)
        return [(replace(plain, where=where), True), (ConversationQuery(where=(search,)), False)]
    try:
        parsed = search_syntax.parse(corrected, query.extras.zone)
    except search_syntax.TooLong:
        return []
    own = query.extras.parsed_search.nodes if query.extras.parsed_search is not None else ()
    others = tuple(node for node in query.where if node not in own)
    return [(replace(plain, where=(*others, *parsed.nodes)), True), (ConversationQuery(where=parsed.nodes), False)]


async def _unknown(searcher: Searcher, text: str, organization_uid: UUID) -> list[str]:
    """The words of the text that are in no subject of the organization."""
    words = [word for word in dict.fromkeys(LETTERS.findall(text)) if len(word) <= LONGEST][:MOST_WORDS]
    if not words:
        return []
    counts = await _counts(searcher, {word: clause_of(Words(word)) for word in words}, organization_uid)
    return [word for word in words if not counts[word]]


async def _like(searcher: Searcher, word: str, organization_uid: UUID) -> str | None:
    """The most similar word in subjects that a fuzzy search finds. Among equals, the most frequent one."""
    fuzzy: Clause = {"match": {EXACT: {"query": word, **FUZZY}}}
    nearest: Clause = {"match": {EXACT: {"query": word, **NEAREST}}}
    first_letter_too: Clause = {"match": {EXACT: {"query": word, **FUZZY, "prefix_length": 0}}}
    body = {
        "query": bool_query(organization_uid, [any_of(fuzzy, first_letter_too)], [nearest]),
        "size": LOOKED_AT,
        "track_total_hits": False,
        "_source": ["subject"],
    }
    answer = await searcher.ask(body, organization_uid)
    subjects = [responses.decode(hit.source, _Subject).subject or "" for hit in answer.hits.hits]
    counts: dict[str, int] = {}
    for subject in subjects:
        for candidate in LETTERS.findall(fold(subject)):
            if len(candidate) <= LONGEST and (candidate in counts or len(counts) < MOST_CANDIDATES):
                counts[candidate] = counts.get(candidate, 0) + 1
    alike = {candidate: SequenceMatcher(None, fold(word), candidate).ratio() for candidate in counts}
    near = [candidate for candidate in counts if alike[candidate] >= LEAST_ALIKE]
    return max(near, key=lambda candidate: (alike[candidate], counts[candidate], candidate), default=None)
