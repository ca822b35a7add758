"""Refuses requests for host names that are not in the setting, which protects from DNS rebinding.

Health checks are answered under any name, because load balancers use addresses.
"""

from __future__ import annotations

from litestar.types import ASGIApp, HTTPScope, Receive, Send

from service.api.middleware.http import HttpMiddleware
from service.api.middleware.refusal import refuse

HEALTH = "/health/"


class Hosts(HttpMiddleware):
    """ASGI middleware. `allowed` are names in lower case, without ports."""

    def __init__(self, app: ASGIApp, *, allowed: frozenset[str]) -> None:
        super().__init__(app)
        self._allowed = allowed

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        named = [value for name, value in scope["headers"] if name == b"host"]
        is_known = len(named) == 1 and host_of(named[0]) in self._allowed
        if is_known or scope["path"].startswith(HEALTH):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, send, 421)


def host_of(header: bytes) -> str:
    """The name in a Host header, in lower case and without its port."""
    name, colon, port = header.decode("latin-1").lower().rpartition(":")
    return name if colon and port.isdecimal() else header.decode("latin-1").lower()
