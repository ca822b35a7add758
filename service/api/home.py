"""`GET /`: the page for a browser, and a list of the endpoints for every other client."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from litestar import MediaType, Response, get
from litestar.handlers import HTTPRouteHandler

from service.api import responses, web
from service.api.documentation import DOCS
from service.api.openapi import OPERATIONS
from service.api.quality_values import weights
from service.api.requests import ApiRequest
from service.identity.providers import Providers
from service.query.query_string import no_parameters

VARYING = {"Vary": "Accept"}


class Endpoint(msgspec.Struct):
    method: str
    path: str
    summary: str


class Home(msgspec.Struct):
    """The data of the response."""

    name: str
    documentation: str
    openapi: str
    endpoints: list[Endpoint]


def home(handlers: Sequence[HTTPRouteHandler], providers: Providers) -> HTTPRouteHandler:
    """Makes the route for `/`, which lists the endpoints of `handlers`. People sign in at the `providers`."""
    endpoints = [endpoint for handler in handlers for endpoint in _endpoints(handler)]
    body = responses.data(Home("Conversation search", DOCS, f"{DOCS}/openapi.json", endpoints))

    @get("/", include_in_schema=False)
    async def show_home(request: ApiRequest) -> Response[bytes]:
        no_parameters(request.scope["query_string"])
        if prefers_html(request.headers.get("accept", "")):
            return web.page(request, VARYING, await providers.known())
        return Response(body, media_type=MediaType.JSON, headers=VARYING)

    return show_home


_SUMMARIES = {(operation.method.upper(), operation.path): operation.summary for operation in OPERATIONS}


def _endpoints(handler: HTTPRouteHandler) -> list[Endpoint]:
    return [
        Endpoint(method, path, _SUMMARIES[method, path])
        for path in sorted(one.replace(":str}", "}") for one in handler.paths)
        for method in sorted(map(str, handler.http_methods))
    ]


def prefers_html(accept: str) -> bool:
    """Whether an Accept header names HTML and gives JSON no higher weight. `*/*` alone gets JSON."""
    by_type = weights(accept)
    html = by_type.get("text/html", 0.0)
    return html > 0 and html >= by_type.get("application/json", 0.0)
