"""The handlers: each is the walk of one request, and nothing else."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from litestar import MediaType, Request, Response, get

from service.api import envelope
from service.api.access_log import note
from service.api.auth import Tokens
from service.api.openapi import ListConversations
from service.api.parameters import no_parameters, parse_query
from service.search.searcher import Searcher


@dataclass(frozen=True, slots=True)
class Parts:
    """What the handlers work with; app.py wires it. `index_fits` raises while the index cannot be served."""

    tokens: Tokens
    searcher: Searcher
    index_fits: Callable[[], Awaitable[None]]


AnyRequest = Request[Any, Any, Any]


@get(
    "/api/conversations",
    operation_class=ListConversations,
    summary="Find conversations",
    tags=["conversations"],
)
async def list_conversations(request: AnyRequest) -> Response[bytes]:
    """A page of the conversations that match, in a total order, with the exact total."""
    parts: Parts = request.app.state.parts
    caller = parts.tokens.verify(request.headers.get("authorization"))
    organization_uid, query = parse_query(request.scope["query_string"], caller.default_organization)
    caller.require(organization_uid)
    note(request.scope, organization=str(organization_uid))
    await parts.index_fits()
    page = await parts.searcher.page(query, organization_uid)
    note(request.scope, took=page.took)
    return Response(envelope.page(page), media_type=MediaType.JSON)


@get("/health/live", summary="The process runs", tags=["health"], security=[])
async def live(request: AnyRequest) -> dict[str, str]:
    no_parameters(request.scope["query_string"])
    return {"status": "live"}


@get("/health/ready", summary="The index answers and fits", tags=["health"], security=[])
async def ready(request: AnyRequest) -> dict[str, str]:
    no_parameters(request.scope["query_string"])
    parts: Parts = request.app.state.parts
    await parts.index_fits()
    await parts.searcher.ping()
    return {"status": "ready"}


HANDLERS = [list_conversations, live, ready]
