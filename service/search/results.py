"""A page or a count with its extras: facets, suggestions, and the explanation of the query."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType
from opensearchpy.exceptions import TransportError

from service.client.responses import total_of
from service.errors import IndexUnusable, SearchTimeout, SearchUnavailable
from service.query.conversation_query import ConversationQuery
from service.query.explain import Explanation, explain
from service.query.search_syntax import Warning  # noqa: A004
from service.search import exact_terms
from service.search.answers import Alternatives, Count, Facets
from service.search.did_you_mean import explain_no_results
from service.search.facets import CACHED, compile_count, compile_facets, read_facets
from service.search.paging.page import Page
from service.search.resolution import matched_by, resolve
from service.search.searcher import Searcher

SHARE_FOR_SUGGESTIONS = 0.8  # of the time left; the rest is for sending the page


async def page(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> Page:
    """The page with the requested extras. Raises what `Searcher.page` raises."""
    query = await resolve(searcher, query, organization_uid)
    if query.extras.facets:
        found, facets = await asyncio.gather(
            searcher.page(query, organization_uid), _facets(searcher, query, organization_uid)
        )
    else:
        found, facets = await searcher.page(query, organization_uid), UNSET
    explanation, warnings = _explained(query)
    suggestions: Alternatives | UnsetType | None = UNSET
    if query.extras.suggest and found.total == 0:
        suggestions = await _suggestions(searcher, query, organization_uid)
    extras = msgspec.structs.replace(
        found.extras,
        matched=matched_by(query) or UNSET,
        facets=facets,
        query=explanation,
        warnings=warnings,
        suggestions=suggestions,
    )
    return replace(found, extras=extras)


async def count(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> Count:
    """The exact number of matches, with the requested extras."""
    query = await resolve(searcher, query, organization_uid)
    async with searcher.deadlined():
        answer, facets = await asyncio.gather(
            searcher.ask(compile_count(query, organization_uid), organization_uid, **CACHED),
            _facets(searcher, query, organization_uid),
        )
    explanation, warnings = _explained(query)
    return Count(
        total=total_of(answer), matched=matched_by(query) or UNSET, facets=facets, query=explanation, warnings=warnings
    )


async def _suggestions(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> Alternatives | None:
    """The suggestions, or None if they take too long or fail. The page is sent in any case."""
    try:
        async with searcher.deadlined(share=SHARE_FOR_SUGGESTIONS):
            return await explain_no_results(searcher, query, organization_uid)
    except (SearchTimeout, SearchUnavailable, IndexUnusable, TransportError):
        return None


async def _facets(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> Facets | UnsetType:
    if not query.extras.facets:
        return UNSET
    async with searcher.deadlined():
        bodies = compile_facets(query, organization_uid)
        answers = await asyncio.gather(
            *(exact_terms.ask(searcher, body, organization_uid, **CACHED) for body in bodies)
        )
    return read_facets(query, answers)


def _explained(query: ConversationQuery) -> tuple[Explanation | UnsetType, list[Warning] | UnsetType]:
    """The explanation, if it was requested; else the warnings, if there are any. An explanation contains them."""
    if query.extras.explain:
        return explain(query), UNSET
    warnings = query.extras.parsed_search.messages if query.extras.parsed_search is not None else ()
    return UNSET, list(warnings) or UNSET
