"""One log line a request, and the request id that also stands in each answer as X-Request-ID.

A line holds no token, no query string, no subject: the route, the status, the times, and what a handler noted
(the organization, OpenSearch's own time). The same request is counted for /metrics, and traced where that is on.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable
from typing import Any

import structlog
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from service import telemetry

HEADER = b"x-request-id"
CLIENT_CLOSED = 499  # nginx's number for a request whose client did not wait; nobody is sent it
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
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

        telemetry.under_way.inc()
        try:
            if telemetry.tracing.is_on:
                await _traced(self.app, scope, receive, marked, answered=lambda: status)
            else:
                await self.app(scope, receive, marked)
        except Exception as error:  # an answer that had begun, such as an export: its status tells nothing of it
            notes["cut_off"] = type(error).__name__
            raise
        finally:
            telemetry.under_way.dec()
            took = time.perf_counter() - started
            logged_status = CLIENT_CLOSED if notes.get("hung_up") else status
            method, route = _method(scope), _route(scope)
            telemetry.requests.labels(method, route, str(logged_status)).observe(took)
            logger.info(
                "request", method=method, route=route, status=logged_status, milliseconds=round(took * 1000, 2), **notes
            )


async def _traced(app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send, *, answered: Callable[[], int]) -> None:
    """The request as a span, under the caller's own where it sends a traceparent."""
    headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
    with telemetry.tracing.span(_method(scope), "server", headers=headers) as facts:
        try:
            await app(scope, receive, send)
        finally:
            route = _route(scope)
            facts |= {"name": f"{_method(scope)} {route}", "http.route": route}
            facts |= {"http.request.method": _method(scope), "http.response.status_code": answered()}
            facts["request_id"] = request_id(scope)


def _route(scope: Scope) -> str:
    """The route's template: a path may hold anything, and there are only so many routes."""
    return str(scope.get("path_template", "unmatched"))


def _method(scope: HTTPScope) -> str:
    return str(scope["method"]) if scope["method"] in METHODS else "OTHER"


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
