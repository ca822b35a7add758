"""A page with its extras: facets, suggestions where nothing was found, how the query was understood."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

from opensearchpy.exceptions import TransportError

from service.client.responses import total_of
from service.errors import IndexUnusable, SearchTimeout, SearchUnavailable
from service.query.conversation_query import ConversationQuery
from service.query.explain import explain
from service.search.did_you_mean import explain_no_results
from service.search.facets import CACHED, compile_count, compile_facets, read_facets
from service.search.paging.page import Page
from service.search.searcher import Searcher

SHARE_FOR_SUGGESTIONS = 0.8  # of the time left; the rest is for sending the page


async def page(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> Page:
    """The page and all that its query's extras ask for. Raises what `Searcher.page` raises."""
    if not query.extras.facets:
        found = await searcher.page(query, organization_uid)
        facets = {}
    else:
        found, facets = await asyncio.gather(
            searcher.page(query, organization_uid), _facets(searcher, query, organization_uid)
        )
    extras = {**found.extras, **facets, **_explanation(query)}
    if query.extras.suggest and found.total == 0:
        extras["suggestions"] = await _suggestions(searcher, query, organization_uid)
    return replace(found, extras=extras) if extras else found


async def count(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> dict[str, Any]:
    """How many match, exactly, and the facets."""
    async with searcher.deadlined():
        answer, facets = await asyncio.gather(
            searcher.ask(compile_count(query, organization_uid), organization_uid, **CACHED),
            _facets(searcher, query, organization_uid),
        )
    return {"total": total_of(answer), **facets, **_explanation(query)}


async def _suggestions(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> dict[str, Any] | None:
    """None where they cannot be made in most of the time that the request still has: the page is answered anyway."""
    try:
        async with searcher.deadlined(share=SHARE_FOR_SUGGESTIONS):
            return await explain_no_results(searcher, query, organization_uid)
    except (SearchTimeout, SearchUnavailable, IndexUnusable, TransportError):
        return None


async def _facets(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> dict[str, Any]:
    if not query.extras.facets:
        return {}
    async with searcher.deadlined():
        bodies = compile_facets(query, organization_uid)
        answers = await asyncio.gather(*(searcher.ask(body, organization_uid, **CACHED) for body in bodies))
    return {"facets": read_facets(query, answers)}


def _explanation(query: ConversationQuery) -> dict[str, Any]:
    """How the question was understood, where that was asked for; else what of it was not."""
    if query.extras.explain:
        return {"query": explain(query)}
    warnings = query.extras.parsed_search.warnings if query.extras.parsed_search is not None else ()
    return {"warnings": [warning.record() for warning in warnings]} if warnings else {}
