"""Maps every error to a status, a code and headers in one table, and makes the response from it."""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog
from litestar import MediaType, Response
from litestar.exceptions import HTTPException
from litestar.types import Scope

from service import errors
from service.api import responses
from service.api.limits import SHED
from service.api.media_type import NDJSON
from service.api.middleware.access_log import note, request_id
from service.api.requests import ApiRequest
from service.client.error_types import facts_of
from service.log_lines import places

RETRY_AFTER_SECONDS = "1"

logger = structlog.get_logger("conversations.api")


@dataclass(frozen=True, slots=True)
class Answer:
    """The response to one kind of error. Its message is `message`, or if that is None, `message_for_callers`."""

    status: int
    code: str
    description: str
    headers: dict[str, str] = field(default_factory=dict)
    message: str | None = None


INVALID = Answer(400, "invalid_parameter", "A parameter is unknown, repeated or malformed; all problems are listed.")
INTERNAL = Answer(
    500,
    "internal_error",
    "A fault of the service.",
    message="the service failed: its log has the details under this request_id",
)
UNAVAILABLE = Answer(
    503,
    "search_unavailable",
    "OpenSearch cannot answer, or can answer only in part.",
    {"Retry-After": RETRY_AFTER_SECONDS},
)

BUSY = Answer(
    429, "too_many_requests", "Too many requests, or OpenSearch is overloaded.", {"Retry-After": RETRY_AFTER_SECONDS}
)

BY_ERROR: dict[type[Exception], Answer] = {
    errors.InvalidQuery: INVALID,
    errors.Unauthorized: Answer(
        401, "unauthorized", "No token, or one that cannot be trusted.", {"WWW-Authenticate": "Bearer"}
    ),
    errors.Forbidden: Answer(
        403, "forbidden", "The token lacks the scope, or does not cover the organization, whether that exists or not."
    ),
    errors.NotFound: Answer(404, "not_found", "There is no such conversation."),
    errors.SlowRequest: Answer(408, "request_timeout", "The body did not arrive in time.", {"Connection": "close"}),
    errors.BodyIncomplete: Answer(400, "bad_request", "The body was cut off.", {"Connection": "close"}),
    errors.TooLarge: Answer(413, "too_large", "The request has too many lines or bytes."),
    errors.UnsupportedMediaType: Answer(
        415, "unsupported_media_type", "The body has an unsupported media type.", {"Accept": NDJSON}
    ),
    errors.UnsupportedEncoding: Answer(
        415, "unsupported_media_type", "The body is compressed.", {"Accept-Encoding": "identity"}
    ),
    errors.TooBusy: BUSY,
    errors.PushedBack: BUSY,
    errors.Overloaded: BUSY,  # must come before SearchUnavailable, its base class
    errors.WriteFailed: UNAVAILABLE,
    errors.SearchUnavailable: UNAVAILABLE,
    errors.IndexUnusable: UNAVAILABLE,
    errors.KeysUnavailable: Answer(
        503,
        "keys_unavailable",
        "The token or API key cannot be verified now, because its issuer or OpenSearch does not answer.",
        {"Retry-After": RETRY_AFTER_SECONDS},
    ),
    errors.Saturated: Answer(
        503, "busy", "The service is busy with requests of other organizations.", {"Retry-After": RETRY_AFTER_SECONDS}
    ),
    errors.SearchTimeout: Answer(504, "search_timeout", "The request did not complete within its deadline."),
}
# Errors that http_protocol.py sends before the headers of a request are complete.
BEFORE_A_REQUEST = (
    Answer(414, "uri_too_long", "The request line is too long.", {"Connection": "close"}),
    Answer(431, "headers_too_large", "The headers are too many or too long.", {"Connection": "close"}),
)
BY_STATUS: dict[int, Answer] = {
    400: Answer(400, "bad_request", "The request cannot be understood.", message="the request cannot be understood"),
    404: Answer(404, "not_found", "There is no such path.", message="there is no such path"),
    405: Answer(405, "method_not_allowed", "", message="the path does not take this method"),
    406: Answer(
        406,
        "not_acceptable",
        "",
        message="Accept-Encoding excludes every coding that the service has: allow gzip or identity",
    ),
    413: Answer(413, "too_large", "", message="the request is too large"),
    421: Answer(
        421, "misdirected_request", "", message="the service does not answer under the name in the Host header"
    ),
    429: Answer(429, "too_many_requests", "", {"Retry-After": RETRY_AFTER_SECONDS}, "too many requests"),
}


def error_response(request: ApiRequest, error: Exception) -> Response[bytes]:
    """Litestar's exception handler for every error."""
    answer = _answer_of(error)
    if answer is INTERNAL:
        log_fault(request.scope, error)
    elif answer.status >= 500:
        note(request.scope, error=type(error).__name__, cause=type(error.__cause__).__name__, **facts_of(error))
    if isinstance(error, errors.ConversationsError) and error.to_callers is not None:
        note(request.scope, reason=str(error))  # what callers do not get
    if isinstance(error, errors.Saturated):
        request.scope["state"][SHED] = True
    headers = dict(answer.headers)
    if isinstance(error, errors.RateExceeded):
        headers["Retry-After"] = str(error.retry_after)
    if isinstance(error, HTTPException) and error.headers:
        headers |= {name: value for name, value in error.headers.items() if name.lower() == "allow"}
    return Response(
        content=responses.error(
            answer.code,
            answer.message or message_for_callers(error),
            request_id(request.scope),
            error.problems if isinstance(error, errors.InvalidQuery) else [],
        ),
        status_code=answer.status,
        headers=headers,
        media_type=MediaType.JSON,
    )


def message_for_callers(error: Exception) -> str:
    """The message of the error for callers: its `to_callers`, or else its text."""
    to_callers = error.to_callers if isinstance(error, errors.ConversationsError) else None
    return to_callers or str(error)


def log_fault(scope: Scope, error: Exception) -> None:
    """Logs a fault of the service with its type and its place in the code.

    Its text is not logged, because it may hold the caller's data.
    """
    where = places(error.__traceback__)
    logger.error("fault", request_id=request_id(scope), error=type(error).__name__, places=where)


def _answer_of(error: Exception) -> Answer:
    for kind, answer in BY_ERROR.items():
        if isinstance(error, kind):
            return answer
    if isinstance(error, HTTPException):
        return BY_STATUS.get(error.status_code, INTERNAL)
    return INTERNAL
