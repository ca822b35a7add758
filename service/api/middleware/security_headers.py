"""Adds headers that tell browsers to forbid content sniffing, framing, scripts and leaks to other pages."""

from __future__ import annotations

from litestar.types import HTTPScope, Message, Receive, Send

from service.api.middleware.http import API, HttpMiddleware

POLICY = b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
ALWAYS = {
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"no-referrer",
    b"content-security-policy": POLICY,
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
}
PRIVATE = {b"cache-control": b"no-store"}  # for answers of the API without a Cache-Control of their own
ENCRYPTED = {b"strict-transport-security": b"max-age=31536000"}


class SecurityHeaders(HttpMiddleware):
    """ASGI middleware. It keeps headers that the answer already has, such as the documentation's own policy."""

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        wanted = ALWAYS
        if scope["path"].startswith(API):
            wanted = wanted | PRIVATE
        if scope["scheme"] == "https":
            wanted = wanted | ENCRYPTED

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = list(message["headers"])
                names = {name.lower() for name, _value in given}
                message["headers"] = [*given, *(pair for pair in wanted.items() if pair[0] not in names)]
            await send(message)

        await self.app(scope, receive, marked)
