"""Gives every part of the service the same path, without repeated slashes and one at the end.

Litestar finds the route of `//metrics/` as that of `/metrics`. Middlewares compare paths, so they must see the same.
"""

from __future__ import annotations

from litestar.types import HTTPScope, Receive, Send
from litestar.utils import normalize_path

from service.api.middleware.http import HttpMiddleware


class Paths(HttpMiddleware):
    """ASGI middleware, to be put around all others. `raw_path` stays as it was sent."""

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        scope["path"] = normalize_path(scope["path"])
        await self.app(scope, receive, send)
