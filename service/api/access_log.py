"""One log line a request, and the request id that also stands in each answer as X-Request-ID.

A line holds no token, no query string, no subject: the route, the status, the times, and what a handler noted
(the organization, OpenSearch's own time).
"""

from __future__ import annotations

import re
import time
import uuid
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

HEADER = b"x-request-id"
CLIENT_CLOSED = 499  # nginx's number for a request whose client did not wait; nobody is sent it
_SANE = re.compile(rb"[A-Za-z0-9._-]{8,64}")

logger = structlog.get_logger("conversations.access")


class AccessLog:
    """ASGI middleware around the whole application, so that 404 and 405 are logged and marked too."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        notes: dict[str, Any] = {"request_id": _chosen_id(scope)}
        scope.setdefault("state", {})["notes"] = notes
        status = 500

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, notes["request_id"].encode())]
            await send(message)

        try:
            await self.app(scope, receive, marked)
        finally:
            logger.info(
                "request",
                method=scope["method"],
                route=scope.get("path_template", "unmatched"),
                status=CLIENT_CLOSED if notes.get("hung_up") else status,
                milliseconds=round((time.perf_counter() - started) * 1000, 2),
                **notes,
            )


def request_id(scope: Scope) -> str:
    return str(scope["state"]["notes"]["request_id"])


def note(scope: Scope, **facts: Any) -> None:
    """Adds facts to the request's log line: identifiers and numbers only."""
    scope["state"]["notes"].update(facts)


def _chosen_id(scope: Scope) -> str:
    """The caller's own request id where it is a sane one, else a new one."""
    for name, value in scope["headers"]:
        if name == HEADER and _SANE.fullmatch(value):
            return value.decode()
    return uuid.uuid4().hex
