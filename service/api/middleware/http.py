"""The base class of middlewares, and a function for the header Vary.

A middleware handles HTTP requests, and passes on everything else, such as lifespan.
"""

from __future__ import annotations

from collections.abc import Iterable

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

API = "/api/"  # the paths of the API begin with this


class HttpMiddleware:
    """ASGI middleware. A subclass implements `handle`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == ScopeType.HTTP:
            await self.handle(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Handles one HTTP request."""
        raise NotImplementedError


def with_vary(headers: Iterable[tuple[bytes, bytes]], needed: str) -> list[tuple[bytes, bytes]]:
    """The headers with a single Vary, which has the existing names and those in `needed`."""
    kept: list[tuple[bytes, bytes]] = []
    names: dict[str, str] = {}
    for name, value in headers:
        if name.lower() == b"vary":
            names |= _names(value.decode("latin-1"))
        else:
            kept.append((name, value))
    names = _names(needed) | names
    return [*kept, (b"vary", ", ".join(names.values()).encode("latin-1"))]


def _names(vary: str) -> dict[str, str]:
    return {name.strip().lower(): name.strip() for name in vary.split(",") if name.strip()}
