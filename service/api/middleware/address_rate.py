"""Limits requests without a valid token by the address they come from, before they cost much work.

Such requests have a bad token or none. Requests for sign-in codes, the documentation, the page's files and paths that
do not exist are limited, too. Health checks and metrics are free, because many may come from one address.

A request with a valid token costs its caller at least one unit, even on a path that needs no token.
"""

from __future__ import annotations

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from service.api.auth import Tokens
from service.api.client_address import ClientAddresses
from service.api.limits import CHARGED
from service.api.middleware.http import HttpMiddleware
from service.api.middleware.refusal import refuse
from service.errors import RateExceeded
from service.limits.token_buckets import Buckets

FREE = frozenset({"/health/live", "/health/ready", "/metrics"})


class AddressRate(HttpMiddleware):
    """ASGI middleware. A caller whose token is remembered passes, whatever else its address sends."""

    def __init__(
        self, app: ASGIApp, *, tokens: Tokens, callers: Buckets, addresses: Buckets, clients: ClientAddresses
    ) -> None:
        super().__init__(app)
        self._tokens = tokens
        self._callers = callers
        self._addresses = addresses
        self._clients = clients

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if scope["path"] in FREE:
            await self.app(scope, receive, send)
        elif (caller := self._tokens.known_of(scope["headers"])) is not None:
            await self._of_caller(caller.identity, scope, receive, send)
        elif self._addresses.rate:
            await self._of_address(scope, receive, send)
        else:
            await self.app(scope, receive, send)

    async def _of_caller(self, who: str, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """The API's handlers take the unit themselves. A request that reaches no such handler costs one unit, too."""
        try:
            self._callers.require(who)
        except RateExceeded as error:
            scope["state"][CHARGED] = who
            await refuse(scope, send, 429, message=str(error), retry_after=error.retry_after)
            return

        async def checked(message: Message) -> None:
            if message["type"] == "http.response.start" and CHARGED not in scope["state"]:
                scope["state"][CHARGED] = who
                self._callers.charge(who, 1)
            await send(message)

        await self.app(scope, receive, checked)

    async def _of_address(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
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
