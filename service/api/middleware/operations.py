"""Gives /metrics and /health/ready an address of their own. Only that port serves them, and it serves nothing else."""

from __future__ import annotations

from litestar.types import ASGIApp, HTTPScope, Receive, Send

from service.api.middleware.http import HttpMiddleware
from service.api.middleware.refusal import refuse

OWN = frozenset({"/metrics", "/health/ready"})
BOTH = frozenset({"/health/live"})


class Operations(HttpMiddleware):
    """ASGI middleware. `port` is that of the address for operators."""

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        super().__init__(app)
        self._port = port

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        server = scope.get("server")
        is_own = server is not None and server[1] == self._port
        if scope["path"] in BOTH or is_own == (scope["path"] in OWN):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, send, 404)
