"""The hierarchy of errors. It is independent of HTTP: a table in api/errors.py maps errors to responses.

ConversationsError
├── InvalidQuery          parameters are invalid; has a list of all problems
├── Unauthorized          the token is missing or not valid
├── KeysUnavailable       the keys of the token's issuer, or API keys, cannot be looked up now
├── Forbidden             the token does not cover the organization or lacks a scope
├── NotFound              no such conversation
├── TooLarge              the request has too many lines or bytes
├── UnsupportedMediaType  the body is not NDJSON or JSON
├── UnsupportedEncoding   the body is compressed
├── TooBusy               too many concurrent requests of this kind, or too many concurrent writes to a conversation
│   └── RateExceeded      the caller has sent too many requests in a short time
├── Saturated             the service is busy with requests of other organizations
├── SlowRequest           the caller took too long to send the body
├── BodyIncomplete        the caller disconnected before the body was complete
├── SearchUnavailable     OpenSearch cannot respond now, or its response is incomplete
│   ├── AnswerTooLarge    its response exceeds the limit in bytes
│   ├── AnswerUnusable    its response does not have the expected shape or content
│   │   ├── AnswerMayBeOld  it came from a node that may not be part of its cluster any more
│   │   └── WrongPath     the path in OPENSEARCH_URL leads to nothing
│   ├── CircuitOpen       nothing is sent to it, because none of its nodes answered the last calls
│   └── Overloaded        it refused a request because of overload (429, or too little memory)
├── SearchTimeout         OpenSearch, or the whole request, took too long
├── WriteFailed           OpenSearch refused a whole bulk request
│   ├── WriteIndexMissing the alias is missing
│   └── PushedBack        it refused because of overload, until the time for retries was over
├── ReindexFailed         a reindex, or another command on indices, cannot continue
│   └── UnderWay          another process has the lock
├── IndexUnusable         the index behind the alias does not fit the mapping, or is none
│   └── IndexMissing      the alias is missing
├── SourceUnreadable      an input cannot be read
├── NodeFailed            the local node did not start, died, or is in use
├── DistributionFailed    the JDK or OpenSearch could not be downloaded
└── Misconfigured         a setting or an option cannot work
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

NO_INDEX = "the index of the conversations is not there: ask the operator of the service"
UNFIT_INDEX = (
    "the service cannot use its index of the conversations until its operator repairs it: tell them the request_id"
)
NOT_NOW = "the service cannot answer this now: try again later; if this lasts, tell its operator the request_id"
NOT_WRITTEN = (
    "the service cannot write now (no acknowledged write is lost): send the request again later; "
    "if this lasts, tell its operator the request_id"
)
OVERLOADED = "OpenSearch is overloaded: try again shortly"


class ConversationsError(Exception):
    """The base class of this package's errors. Its text is one sentence that also says what to do.

    `to_callers` replaces the text in answers of the API, if the text is meant for operators of the service.
    """

    to_callers: str | None = None

    def for_operators(self) -> Self:
        """This error, whose text is meant for operators of the service. Callers get NOT_NOW instead."""
        self.to_callers = NOT_NOW
        return self


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem with one parameter: `message` says what is allowed, `value` is what the caller sent."""

    parameter: str
    message: str
    value: str | None = None


class InvalidQuery(ConversationsError):
    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.parameter}: {problem.message}" for problem in problems))
        self.problems = problems


class Unauthorized(ConversationsError):
    pass


class KeysUnavailable(ConversationsError):
    pass


class Forbidden(ConversationsError):
    """`lacks` is what the token does not have: a scope, an organization, or, if it is restricted, all conversations."""

    def __init__(self, message: str, lacks: Literal["scope", "organization", "all conversations"]) -> None:
        super().__init__(message)
        self.lacks = lacks


class NotFound(ConversationsError):
    pass


class TooLarge(ConversationsError):
    pass


class UnsupportedMediaType(ConversationsError):
    pass


class UnsupportedEncoding(ConversationsError):
    pass


class TooBusy(ConversationsError):
    pass


class RateExceeded(TooBusy):
    def __init__(self, message: str, *, retry_after: int) -> None:
        """`retry_after` is in seconds."""
        super().__init__(message)
        self.retry_after = retry_after


class Saturated(ConversationsError):
    pass


class SlowRequest(ConversationsError):
    pass


class BodyIncomplete(ConversationsError):
    pass


class SearchUnavailable(ConversationsError):
    pass


class AnswerTooLarge(SearchUnavailable):
    pass


class CircuitOpen(SearchUnavailable):
    pass


class Overloaded(SearchUnavailable):
    pass


class AnswerUnusable(SearchUnavailable):
    to_callers = NOT_NOW


class AnswerMayBeOld(AnswerUnusable):
    to_callers = "the answer of OpenSearch may be out of date: try again shortly"


class WrongPath(AnswerUnusable):
    pass


class SearchTimeout(ConversationsError):
    pass


class WriteFailed(ConversationsError):
    to_callers = NOT_WRITTEN


class WriteIndexMissing(WriteFailed):
    to_callers = NO_INDEX


class PushedBack(WriteFailed):
    to_callers = "OpenSearch is overloaded (no acknowledged write is lost): send the request again shortly"


class ReindexFailed(ConversationsError):
    pass


class UnderWay(ReindexFailed):
    pass


class IndexUnusable(ConversationsError):
    to_callers = UNFIT_INDEX


class IndexMissing(IndexUnusable):
    to_callers = NO_INDEX


class SourceUnreadable(ConversationsError):
    pass


class NodeFailed(ConversationsError):
    pass


class DistributionFailed(ConversationsError):
    pass


class Misconfigured(ConversationsError):
    pass
