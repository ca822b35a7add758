"""The error tree. Knows no HTTP: api/errors.py has the one table that turns these into answers.

ConversationsError
├── InvalidQuery          the caller's parameters are wrong; carries every problem found
├── Unauthorized          no token, or one that cannot be trusted
├── Forbidden             an organization that is not the caller's
├── NotFound              no such conversation
├── TooLarge              more lines or bytes than a request may have
├── UnsupportedMediaType  a body of another kind than lines of JSON
├── UnsupportedEncoding   a compressed body
├── TooBusy               more at once than this process, or OpenSearch, takes
├── SlowRequest           the caller took too long to send its body
├── BodyIncomplete        the caller went away before its body was complete
├── SearchUnavailable     OpenSearch cannot answer now, or answered in part only
│   ├── AnswerTooLarge    its answer has more bytes than are read
│   ├── AnswerUnusable    it answered, but with something else than what was asked for
│   └── Overloaded        it refused for want of room (429)
├── SearchTimeout         the deadline of a request passed
├── WriteFailed           OpenSearch refused a whole bulk request
│   └── PushedBack        for want of room, and as long as one was willing to wait
├── ReindexFailed         a reindex could not go on
│   └── UnderWay          another process holds the lock
├── IndexUnusable         the alias is missing, or its index does not fit the mapping
├── SourceUnreadable      an input that cannot be read at all
├── NodeFailed            the local node did not start, died, or is in use
├── DistributionFailed    the JDK or OpenSearch could not be fetched
└── Misconfigured         a setting or an option that cannot work
"""

from __future__ import annotations

from dataclasses import dataclass


class ConversationsError(Exception):
    """Every error of this package. Its text is one sentence that names the way out."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with one parameter: what came, and what is allowed."""

    parameter: str
    message: str
    value: str | None = None


class InvalidQuery(ConversationsError):
    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("; ".join(f"{problem.parameter}: {problem.message}" for problem in problems))
        self.problems = problems


class Unauthorized(ConversationsError):
    pass


class Forbidden(ConversationsError):
    pass


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


class SlowRequest(ConversationsError):
    pass


class BodyIncomplete(ConversationsError):
    pass


class SearchUnavailable(ConversationsError):
    pass


class AnswerTooLarge(SearchUnavailable):
    pass


class Overloaded(SearchUnavailable):
    pass


class AnswerUnusable(SearchUnavailable):
    pass


class SearchTimeout(ConversationsError):
    pass


class WriteFailed(ConversationsError):
    pass


class PushedBack(WriteFailed):
    pass


class ReindexFailed(ConversationsError):
    pass


class UnderWay(ReindexFailed):
    pass


class IndexUnusable(ConversationsError):
    pass


class SourceUnreadable(ConversationsError):
    pass


class NodeFailed(ConversationsError):
    pass


class DistributionFailed(ConversationsError):
    pass


class Misconfigured(ConversationsError):
    pass
