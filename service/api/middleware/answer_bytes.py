"""Releases the bytes that a large answer holds (`Limits.hold_answer`), after it was sent or its client disconnected."""

from __future__ import annotations

from litestar.types import HTTPScope, Receive, Send

from service.api.limits import HELD
from service.api.middleware.http import HttpMiddleware


class AnswerBytes(HttpMiddleware):
    """ASGI middleware. If a generator released the bytes, it might do so only at a garbage collection."""

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        finally:
            if (release := scope["state"].pop(HELD, None)) is not None:
                release()
