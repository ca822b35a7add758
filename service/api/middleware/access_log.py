"""Logs one line for each request, and gives each response a request id in X-Request-ID.

A line has the route, the status, the duration, and facts that a handler noted, such as the organization. It never has a
token, a query string or a subject. The middleware also counts the request for /metrics, and traces it if tracing is on.
"""

from __future__ import annotations

import re
import time
import uuid
from collections.abc import Callable

import structlog
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from service import telemetry
from service.api.middleware.http import HttpMiddleware

HEADER = b"x-request-id"
CLIENT_CLOSED = 499  # nginx's status for a request whose client disconnected; it is logged, never sent
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SANE = re.compile(rb"[A-Za-z0-9._-]{8,64}")

logger = structlog.get_logger("conversations.access")


class AccessLog(HttpMiddleware):
    """ASGI middleware around the whole application, so that 404 and 405 are logged and get a request id too."""

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        chosen_id = _chosen_id(scope)
        notes: dict[str, object] = {"request_id": chosen_id}
        scope.setdefault("state", {})["notes"] = notes
        status = 500

        async def marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (HEADER, chosen_id.encode())]
            await send(message)

        telemetry.under_way.inc()
        try:
            if telemetry.tracing.is_on:
                await _traced(self.app, scope, receive, marked, answered=lambda: status)
            else:
                await self.app(scope, receive, marked)
        except Exception as error:  # the response has begun, as in an export, so its status does not show the error
            notes["cut_off"] = type(error).__name__
            raise
        finally:
            telemetry.under_way.dec()
            took = time.perf_counter() - started
            logged_status = CLIENT_CLOSED if notes.get("client_disconnected") else status
            method, route = _method(scope), _route(scope)
            telemetry.requests.labels(method, route, str(logged_status)).observe(took)
            logger.info(
                "request", method=method, route=route, status=logged_status, milliseconds=round(took * 1000, 2), **notes
            )


async def _traced(app: ASGIApp, scope: HTTPScope, receive: Receive, send: Send, *, answered: Callable[[], int]) -> None:
    """Runs the request in a span. Its parent is the caller's span if the request has a traceparent."""
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
    """The route's template, not the path: label values must be few, and a path may hold anything."""
    return str(scope.get("path_template", "unmatched"))


def _method(scope: HTTPScope) -> str:
    return str(scope["method"]) if scope["method"] in METHODS else "OTHER"


def request_id(scope: Scope) -> str:
    return str(scope["state"]["notes"]["request_id"])


def note(scope: Scope, **facts: object) -> None:
    """Adds facts to the request's log line: identifiers, numbers, the service's own texts; never the caller's texts."""
    scope["state"]["notes"].update(facts)


def _chosen_id(scope: Scope) -> str:
    """The caller's X-Request-ID if it has 8 to 64 letters, digits, dots, underscores or hyphens; else a new id."""
    for name, value in scope["headers"]:
        if name == HEADER and _SANE.fullmatch(value):
            return value.decode()
    return uuid.uuid4().hex
