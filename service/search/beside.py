"""A page with what was asked for beside it: facets, a way out of nothing found, how the question was understood."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID

from opensearchpy.exceptions import TransportError

from service.answers import total_of
from service.errors import IndexUnusable, SearchTimeout, SearchUnavailable
from service.search.explain import explain
from service.search.facets import CACHED, compile_count, compile_facets, read_facets
from service.search.nothing import explain_nothing
from service.search.page import Page
from service.search.query import ConversationQuery
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
    beside = {**found.beside, **facets, **_told(query)}
    if query.extras.suggest and found.total == 0:
        beside["suggestions"] = await _suggestions(searcher, query, organization_uid)
    return replace(found, beside=beside) if beside else found


async def count(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> dict[str, Any]:
    """How many match, exactly, and the facets."""
    async with searcher.deadlined():
        answer, facets = await asyncio.gather(
            searcher.ask(compile_count(query, organization_uid), organization_uid, **CACHED),
            _facets(searcher, query, organization_uid),
        )
    return {"total": total_of(answer), **facets, **_told(query)}


async def _suggestions(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> dict[str, Any] | None:
    """None where they cannot be made in most of the time that the request still has: the page is answered anyway."""
    try:
        async with searcher.deadlined(share=SHARE_FOR_SUGGESTIONS):
            return await explain_nothing(searcher, query, organization_uid)
    except (SearchTimeout, SearchUnavailable, IndexUnusable, TransportError):
        return None


async def _facets(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> dict[str, Any]:
    if not query.extras.facets:
        return {}
    async with searcher.deadlined():
        bodies = compile_facets(query, organization_uid)
        answers = await asyncio.gather(*(searcher.ask(body, organization_uid, **CACHED) for body in bodies))
    return {"facets": read_facets(query, answers)}


def _told(query: ConversationQuery) -> dict[str, Any]:
    """How the question was understood, where that was asked for; else what of it was not."""
    if query.extras.explain:
        return {"query": explain(query)}
    warnings = query.extras.box.warnings if query.extras.box is not None else ()
    return {"warnings": [warning.record() for warning in warnings]} if warnings else {}
