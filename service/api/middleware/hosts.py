"""Refuses requests for host names that are not in CONVERSATIONS_ALLOWED_HOSTS, which protects from DNS rebinding.

Health checks are answered under any name, because load balancers use IP addresses. Requests to the address for
operators may also name localhost or any IP address, because Prometheus uses these. DNS rebinding can use neither.
"""

from __future__ import annotations

import ipaddress

from litestar.types import ASGIApp, HTTPScope, Receive, Send

from service.api.middleware.http import HttpMiddleware
from service.api.middleware.operations_address import is_for_operators
from service.api.middleware.refusal import refuse

HEALTH = "/health/"


class Hosts(HttpMiddleware):
    """ASGI middleware. `allowed` are names in lower case, without ports.

    `operations_port` is the port of the address for operators, if there is one.
    """

    def __init__(self, app: ASGIApp, *, allowed: frozenset[str], operations_port: int | None = None) -> None:
        super().__init__(app)
        self._allowed = allowed
        self._operations_port = operations_port

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        named = [value for name, value in scope["headers"] if name == b"host"]
        name = host_of(named[0]) if len(named) == 1 else ""
        is_own = is_for_operators(scope, self._operations_port)
        if name in self._allowed or scope["path"].startswith(HEALTH) or (is_own and is_address(name)):
            await self.app(scope, receive, send)
        else:
            await refuse(scope, send, 421, message=_TO_OPERATORS if is_own else None)


_TO_OPERATORS = (
    "the service does not answer under the name in the Host header: ask by IP address, or add the name to "
    "CONVERSATIONS_ALLOWED_HOSTS"
)


def host_of(header: bytes) -> str:
    """The name in a Host header, in lower case and without its port."""
    name, colon, port = header.decode("latin-1").lower().rpartition(":")
    return name if colon and port.isdecimal() else header.decode("latin-1").lower()


def is_address(name: str) -> bool:
    """Whether the name of a Host header is an IP address, or localhost."""
    is_6 = name.startswith("[") and name.endswith("]")
    try:
        return name == "localhost" or ipaddress.ip_address(name[1:-1] if is_6 else name).version == (6 if is_6 else 4)
    except ValueError:
        return False
