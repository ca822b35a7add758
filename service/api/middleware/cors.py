"""Lets pages of the origins in CONVERSATIONS_CORS_ORIGINS call the API from a browser (CORS, in the Fetch standard).

Without the setting, this middleware is not installed, and browsers keep other origins out. Cookies are not used, so
credentials are never allowed. An origin is compared as a whole, and `*` is never sent.
"""

from __future__ import annotations

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from service.api.middleware.http import API, HttpMiddleware, with_vary

MAX_AGE_SECONDS = b"600"
METHODS = b"GET, HEAD, POST, DELETE"
SENT = b"Authorization, Content-Type, If-None-Match, Prefer, X-Request-ID"
SHOWN = b"ETag, Link, Preference-Applied, RateLimit, RateLimit-Policy, Retry-After, X-Request-ID"

Headers = list[tuple[bytes, bytes]]


class Cors(HttpMiddleware):
    """ASGI middleware. `origins` are the allowed origins, in lower case."""

    def __init__(self, app: ASGIApp, *, origins: frozenset[bytes]) -> None:
        super().__init__(app)
        self._origins = origins

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(API):
            await self.app(scope, receive, send)
            return
        given = [value for name, value in scope["headers"] if name == b"origin"]
        origin = given[0] if len(given) == 1 and given[0] in self._origins else None
        if origin is not None and scope["method"] == "OPTIONS" and _is_preflight(scope):
            await _answer(send, origin)
            return
        shown: Headers = (
            []
            if origin is None
            else [(b"access-control-allow-origin", origin), (b"access-control-expose-headers", SHOWN)]
        )

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*with_vary(message["headers"], "Origin"), *shown]
            await send(message)

        await self.app(scope, receive, marked)


def _is_preflight(scope: HTTPScope) -> bool:
    return any(name == b"access-control-request-method" for name, _value in scope["headers"])


async def _answer(send: Send, origin: bytes) -> None:
    """Answers the preflight request that a browser sends before the request itself."""
    headers: Headers = [
        (b"access-control-allow-origin", origin),
        (b"access-control-allow-methods", METHODS),
        (b"access-control-allow-headers", SENT),
        (b"access-control-max-age", MAX_AGE_SECONDS),
        (b"vary", b"Origin, Access-Control-Request-Method, Access-Control-Request-Headers"),
    ]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
