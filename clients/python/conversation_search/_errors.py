"""What can go wrong. Every exception of this package is a ConversationSearchError."""

from __future__ import annotations

from dataclasses import dataclass

MOST_CHARACTERS_SHOWN = 200


class ConversationSearchError(Exception):
    """The base of all errors of this package."""


class ConnectionFailed(ConversationSearchError):
    """The service cannot be reached, or the connection broke. The cause is the exception of httpx."""


class UnexpectedAnswer(ConversationSearchError):
    """The answer is not one of this service: another program may listen there, or a proxy may have answered."""


class IncompleteExport(ConversationSearchError):
    """The export ended before its last line. `received` conversations had arrived; the rest is missing."""

    def __init__(self, received: int, reason: str) -> None:
        super().__init__(f"the export is incomplete: {reason}; {received} conversations had arrived")
        self.received = received


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one parameter, and the value it had (None if it had none)."""

    parameter: str
    message: str
    value: str | None


class ServiceError(ConversationSearchError):
    """The service answered with an error.

    Attributes:
        status: the HTTP status.
        code: the kind of error, for programs, such as "invalid_parameter".
        message: one sentence for people.
        problems: what is wrong with each parameter.
        request_id: the id under which the service logged the request.
        retry_after: the seconds after which to try again, if the service said so.
    """

    def __init__(
        self, status: int, code: str, message: str, problems: tuple[Problem, ...], request_id: str | None,
        retry_after: float | None,
    ) -> None:  # fmt: skip
        told = [f"{problem.parameter}: {problem.message}" for problem in problems]
        named = "".join(f"\n  {one}" for one in told if one != message)
        super().__init__(f"{message} ({status} {code}, request {request_id}){named}")
        self.status, self.code, self.message = status, code, message
        self.problems, self.request_id, self.retry_after = problems, request_id, retry_after


class InvalidRequest(ServiceError):
    """A parameter, a body or a path is wrong (400, 404 for a path, 413, 415, 431). `problems` names the parameters."""


class Unauthorized(ServiceError):
    """There is no token, or it is not valid, or it has expired (401)."""


class Forbidden(ServiceError):
    """The token does not permit this organization or this action (403)."""


class NotFound(ServiceError):
    """There is no such conversation (404)."""


class TooManyRequests(ServiceError):
    """The caller or the service is at a limit (429). `retry_after` says when to try again."""


class Unavailable(ServiceError):
    """The service cannot answer now, or not in time (500, 502, 503, 504)."""


_BY_STATUS: dict[int, type[ServiceError]] = {
    401: Unauthorized,
    403: Forbidden,
    404: NotFound,
    429: TooManyRequests,
}


def service_error(status: int, body: object, retry_after: float | None) -> ServiceError | UnexpectedAnswer:
    """The exception for an answer with an error."""
    error = body.get("error") if isinstance(body, dict) else None
    if not isinstance(error, dict):
        if status >= 500 or status == 429:  # also from a proxy in front of the service
            proxy = TooManyRequests if status == 429 else Unavailable
            return proxy(status, "unknown", f"status {status} without an error of the service", (), None, retry_after)
        return UnexpectedAnswer(f"status {status} without an error of the service: is it conversation search?")
    problems = tuple(
        Problem(str(one.get("parameter")), str(one.get("message")), one.get("value"))
        for one in error.get("details") or ()
        if isinstance(one, dict)
    )
    kind = _BY_STATUS.get(status, Unavailable if status >= 500 else InvalidRequest)
    return kind(
        status, str(error.get("code")), str(error.get("message")), problems, error.get("request_id"), retry_after
    )
