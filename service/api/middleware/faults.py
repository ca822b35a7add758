"""Answers a fault of a middleware in the API's form. Litestar does that only for what happens within it."""

from __future__ import annotations

from litestar.types import HTTPScope, Message, Receive, Send

from service.api.errors import INTERNAL, log_fault
from service.api.middleware.http import HttpMiddleware
from service.api.middleware.refusal import refuse_with


class Faults(HttpMiddleware):
    """ASGI middleware. Once an answer has begun, its connection must be cut off, so the exception goes on."""

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
