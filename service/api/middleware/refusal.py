"""Sends an error response from a middleware that runs outside Litestar."""

from __future__ import annotations

from collections.abc import Mapping

from litestar.types import Scope, Send

from service.api import responses
from service.api.errors import BY_ERROR, BY_STATUS, Answer, message_for_callers
from service.api.middleware.access_log import request_id


async def refuse(
    scope: Scope, send: Send, status: int, *, message: str | None = None, retry_after: int | None = None
) -> None:
    """Sends the error of this status, in the API's format."""
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
    await _send(scope, send, BY_STATUS[status], message, headers)


async def refuse_for(scope: Scope, send: Send, error: Exception) -> None:
    """Sends the answer to an error of service.errors, as Litestar's exception handler would."""
    answer = BY_ERROR[type(error)]
    await _send(scope, send, answer, answer.message or message_for_callers(error), answer.headers)


async def refuse_with(scope: Scope, send: Send, answer: Answer) -> None:
    """Sends an answer that has its own message."""
    await _send(scope, send, answer, answer.message, answer.headers)


async def _send(scope: Scope, send: Send, answer: Answer, message: str | None, more: Mapping[str, str]) -> None:
    body = responses.error(answer.code, message or answer.message or "", request_id(scope), [])
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in more.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
