"""Gives /metrics and /health/ready an address of their own.

They are served on that port only, and it serves nothing else but /health/live, which all ports serve.
"""

from __future__ import annotations

from litestar.types import ASGIApp, HTTPScope, Receive, Send

from service.api.middleware.http import HttpMiddleware
from service.api.middleware.refusal import refuse

OWN = frozenset({"/metrics", "/health/ready"})
BOTH = frozenset({"/health/live"})


class OperationsAddress(HttpMiddleware):
    """ASGI middleware. `port` is that of the address for operators."""

    def __init__(self, app: ASGIApp, *, port: int) -> None:
        super().__init__(app)
        self._port = port

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        is_own = is_for_operators(scope, self._port)
        if scope["path"] in BOTH or is_own == (scope["path"] in OWN):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, send, 404)


def is_for_operators(scope: HTTPScope, port: int | None) -> bool:
    """Whether the request came to the address for operators, which has this port."""
    server = scope.get("server")
    return port is not None and server is not None and server[1] == port
