"""Adds HEAD to every route that has GET (RFC 9110, 9.3.2); Litestar does not do this.

The request is handled as GET, so it has the status and the headers of GET, Content-Length included. The body is
dropped. A handler with an expensive body calls `is_head` and skips that work.
"""

from __future__ import annotations

from collections.abc import Iterable

from litestar.types import HTTPScope, Message, Receive, Scope, Send

from service.api.middleware.http import HttpMiddleware


class Head(HttpMiddleware):
    """ASGI middleware. It also adds HEAD to each Allow header (of 405 and OPTIONS) that has GET."""

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if scope["method"] != "HEAD":
            await self.app(scope, receive, _allowing(send))
            return
        # A copy, because the server reads the method from its own scope to decide whether to send a body.
        as_get: Scope = {**scope, "method": "GET"}
        as_get["state"]["is_head"] = True
        try:
            await self.app(as_get, receive, _allowing(_without_body(send)))
        finally:
            if "path_template" in as_get:
                scope["path_template"] = as_get["path_template"]


def is_head(scope: Scope) -> bool:
    """Whether the request was sent as HEAD, although it is handled as GET."""
    return "is_head" in scope["state"]


def _without_body(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] != "http.response.body":
            await send(message)
        elif not message.get("more_body"):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    return sent


def _allowing(send: Send) -> Send:
    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] in _WITH_ALLOW:
            message["headers"] = _with_head(message["headers"])
        await send(message)

    return sent


_WITH_ALLOW = frozenset({200, 204, 405})  # the statuses of OPTIONS and of a method that is not allowed


def _with_head(headers: Iterable[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    return [(name, _and_head(value) if name.lower() == b"allow" else value) for name, value in headers]


def _and_head(allow: bytes) -> bytes:
    methods = {method.strip() for method in allow.decode("latin-1").split(",")}
    if "GET" in methods:
        methods.add("HEAD")
    return ", ".join(sorted(methods)).encode("latin-1")
