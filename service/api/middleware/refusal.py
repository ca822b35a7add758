"""Sends an error response from a middleware that stands outside Litestar."""

from __future__ import annotations

from litestar.types import Scope, Send

from service.api import responses
from service.api.errors import BY_STATUS
from service.api.middleware.access_log import request_id


async def refuse(
    scope: Scope, send: Send, status: int, *, message: str | None = None, retry_after: int | None = None
) -> None:
    """Sends the error of this status, in the API's format."""
    answer = BY_STATUS[status]
    body = responses.error(answer.code, message or answer.message or "", request_id(scope), [])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    if retry_after is not None:
        headers.append((b"retry-after", str(retry_after).encode()))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
