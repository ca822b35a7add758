"""Sends an error response in the API's format if a middleware fails. Litestar does this only for code inside it."""

from __future__ import annotations

from litestar.types import HTTPScope, Message, Receive, Send

from service.api.errors import INTERNAL, log_fault
from service.api.middleware.http import HttpMiddleware
from service.api.middleware.refusal import refuse_with


class Faults(HttpMiddleware):
    """ASGI middleware. Once a response has begun, the exception goes on to the server, which cuts the response off."""

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        has_begun = False

        async def noted(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            await self.app(scope, receive, noted)
        except Exception as error:
            if has_begun:
                raise
            log_fault(scope, error)
            await refuse_with(scope, send, INTERNAL)
