"""Adds RateLimit and RateLimit-Policy to answers. Delays refusals, because some clients ignore Retry-After.

The fields are those of draft-ietf-httpapi-ratelimit-headers-10: the policy is `q` units in `w` seconds; `r` units are
left, and the balance is full again after `t` seconds. The units are what requests cost (service/api/request_costs.py).
"""

from __future__ import annotations

import asyncio

from litestar.types import ASGIApp, HTTPScope, Message, Receive, Send

from service.api.limits import CHARGED, SHED
from service.api.middleware.http import HttpMiddleware
from service.limits.token_buckets import NAME, Buckets

HOLD_SECONDS = 0.5  # a client that ignores Retry-After would keep the process busy with refusals
MOST_HELD = 500


class RateLimit(HttpMiddleware):
    """ASGI middleware."""

    def __init__(self, app: ASGIApp, *, callers: Buckets) -> None:
        super().__init__(app)
        self._callers = callers
        self._policy = b""
        if callers.rate:
            self._policy = f'"{NAME}";q={callers.burst};w={max(1, round(callers.burst / callers.rate))}'.encode()
        self._held = 0

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                if self._policy and (who := scope["state"].get(CHARGED)) is not None:
                    balance = self._callers.balance(str(who))
                    field = f'"{NAME}";r={balance.left};t={balance.seconds}'.encode()
                    headers = [(b"ratelimit-policy", self._policy), (b"ratelimit", field)]
                    message["headers"] = [*message["headers"], *headers]
                if message["status"] == 429 or SHED in scope["state"]:
                    await self._hold()
            await send(message)

        await self.app(scope, receive, marked)

    async def _hold(self) -> None:
        if self._held >= MOST_HELD:
            return
        self._held += 1
        try:
            await asyncio.sleep(HOLD_SECONDS)
        finally:
            self._held -= 1
