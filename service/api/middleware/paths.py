"""Normalizes the path of a request: removes repeated slashes, and a slash at the end.

For Litestar, `//metrics/` and `/metrics` are the same route. Middlewares compare paths, so they must see the same path.
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
