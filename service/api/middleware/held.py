"""Gives back the bytes of a large answer once it was sent, or its client has gone."""

from __future__ import annotations

from litestar.types import HTTPScope, Receive, Send

from service.api.limits import HELD
from service.api.middleware.http import HttpMiddleware


class Held(HttpMiddleware):
    """ASGI middleware. A generator alone would give them back only when it is collected as garbage."""

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if (release := scope["state"].pop(HELD, None)) is not None:
                release()
