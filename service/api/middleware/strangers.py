"""Limits requests without a valid token by the address they come from, before they cost much work.

These are all requests without a caller: with a bad token or none, sign-in codes, the documentation, the page's files,
and paths that do not exist. Health checks and metrics are free, because many may come from one address.
"""

from __future__ import annotations

from litestar.types import ASGIApp, HTTPScope, Receive, Send

from service.api.auth import Tokens
from service.api.client_address import ClientAddresses
from service.api.limits import CHARGED
from service.api.middleware.http import HttpMiddleware
from service.api.middleware.refusal import refuse
from service.errors import RateExceeded
from service.limits.token_buckets import Buckets

FREE = frozenset({"/health/live", "/health/ready", "/metrics"})


class Strangers(HttpMiddleware):
    """ASGI middleware. A caller whose token is remembered passes, whatever else its address sends."""

    def __init__(self, app: ASGIApp, *, tokens: Tokens, addresses: Buckets, clients: ClientAddresses) -> None:
        super().__init__(app)
        self._tokens = tokens
        self._addresses = addresses
        self._clients = clients

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if not self._addresses.rate or scope["path"] in FREE or self._tokens.known_of(scope["headers"]):
            await self.app(scope, receive, send)
            return
        address = self._clients.of(scope)
        try:
            self._addresses.take(address)
        except RateExceeded as error:
            await refuse(scope, send, 429, message=str(error), retry_after=error.retry_after)
            return
        try:
            await self.app(scope, receive, send)
        finally:
            if CHARGED in scope["state"]:
                self._addresses.give_back(address)
