"""Requests and the decoding of their answers, without any input or output: both clients send what is made here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import httpx

from conversation_search import _models
from conversation_search._errors import (
    ConnectionFailed,
    ConversationSearchError,
    IncompleteExport,
    UnexpectedAnswer,
    service_error,
)
from conversation_search._models import BulkResult, Caller, Conversation, Count, Deletion, Page, Suggestions
from conversation_search._parameters import Parameters, parameters
from conversation_search._retries import Retries

PATH = "/api/conversations"
CURSOR_START = "*"
RETRIED = frozenset({429, 502, 503, 504})
REFUSED = frozenset({429})  # certainly not applied

Result = TypeVar("Result")
Written = Conversation | Deletion | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Call(Generic[Result]):
    """One request, and what makes its result from the data of the answer."""

    method: str
    path: str
    result: Callable[[Any], Result]
    parameters: Parameters
    content: bytes | None = None
    content_type: str | None = None
    strict: bool = False
    retried: frozenset[int] = RETRIED  # the statuses after which the request may be sent again

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Content-Type": self.content_type} if self.content_type else {}
        return headers | ({"Prefer": "handling=strict"} if self.strict else {})

    @property
    def may_follow_a_broken_connection(self) -> bool:
        """Whether the request may be sent again if it is not known whether it arrived."""
        return self.retried == RETRIED


def search(filters: Mapping[str, object], *, strict: bool, **more: object) -> Call[Page]:
    return Call("GET", PATH, _models.page, parameters(filters, **more), strict=strict)


def count(filters: Mapping[str, object], *, strict: bool, **more: object) -> Call[Count]:
    return Call("GET", f"{PATH}/count", _models.count, parameters(filters, **more), strict=strict)


def suggest(text: str, organization_uid: UUID | str | None) -> Call[Suggestions]:
    return Call(
        "GET", f"{PATH}/suggest", _models.suggestions, parameters({}, q=text, organization_uid=organization_uid)
    )


def get(uid: UUID | str, organization_uid: UUID | str | None) -> Call[Conversation]:
    return Call("GET", _path(uid), _models.conversation, parameters({}, organization_uid=organization_uid))


def caller() -> Call[Caller]:
    return Call("GET", "/api/caller", _models.caller, [])


def export(filters: Mapping[str, object], *, strict: bool, **more: object) -> Call[None]:
    return Call("GET", f"{PATH}/export", lambda _data: None, parameters(filters, **more), strict=strict)


def delete(
    uid: UUID | str, organization_uid: UUID | str | None, deleted_on: datetime | None, *, refresh: bool
) -> Call[str]:
    given = parameters({}, organization_uid=organization_uid, deleted_on=deleted_on, refresh=_refresh(refresh))
    retried = REFUSED if deleted_on is None else RETRIED
    return Call("DELETE", _path(uid), lambda data: str(data["items"][0]["outcome"]), given, retried=retried)


def write(items: Iterable[Written], *, refresh: bool) -> Call[BulkResult]:
    return written([line(item) for item in items], refresh=refresh)


def written(lines: list[bytes], *, refresh: bool) -> Call[BulkResult]:
    return Call(
        "POST", f"{PATH}/bulk", _models.bulk_result, parameters({}, refresh=_refresh(refresh)),
        content=b"".join(lines), content_type="application/x-ndjson",
    )  # fmt: skip


def line(item: Written) -> bytes:
    """One line of NDJSON."""
    data = _models.as_json(item) if isinstance(item, Conversation | Deletion) else item
    return json.dumps(data, ensure_ascii=False, separators=(",", ":"), default=str).encode() + b"\n"


def _refresh(wait: bool) -> str | None:
    return "wait_for" if wait else None


def _path(uid: UUID | str) -> str:
    return f"{PATH}/{uid if isinstance(uid, UUID) else UUID(uid)}"


def request(client: httpx.Client | httpx.AsyncClient, call: Call[Any]) -> httpx.Request:
    """The request of a call, with the client's address and headers."""
    return client.build_request(
        call.method,
        call.path,
        params=httpx.QueryParams(tuple(call.parameters)),
        headers=call.headers,
        content=call.content,
    )


def result(call: Call[Result], response: httpx.Response) -> Result:
    """The result of a call. Raises a ServiceError, or UnexpectedAnswer."""
    if not response.is_success:
        raise error(response)
    try:
        return call.result(response.json()["data"])
    except (ValueError, LookupError, TypeError, RecursionError) as problem:
        raise UnexpectedAnswer(f"{response.url} did not answer as conversation search does: {problem!r}") from problem


def error(response: httpx.Response) -> ConversationSearchError:
    """The exception for an answer with an error, whose body was read."""
    try:
        body = response.json()
    except (ValueError, RecursionError):
        body = None
    return service_error(response.status_code, body, retry_after(response))


def retry_after(response: httpx.Response) -> float | None:
    """The seconds of `Retry-After`. A date is not used by the service, and counts as absent."""
    value = response.headers.get("retry-after", "")
    return float(value) if value.isdigit() else None


def connection_failed(call: Call[Any], url: httpx.URL, failed: httpx.TransportError) -> ConnectionFailed:
    """The exception for a call that got no answer. It says so if nobody knows whether the call was applied."""
    text = f"{url}: {failed or type(failed).__name__}"
    if not (call.may_follow_a_broken_connection or _was_never_sent(failed)):
        text += "; the deletion may have been applied or not: look, or send it with deleted_on, which may be sent twice"
    return ConnectionFailed(text)


def _was_never_sent(failed: httpx.TransportError) -> bool:
    return isinstance(failed, httpx.ConnectError | httpx.ConnectTimeout | httpx.PoolTimeout)


def wait_before_retry(
    call: Call[Any], failed: httpx.Response | httpx.TransportError, attempt: int, retries: Retries
) -> float | None:
    """The seconds to wait before the call is sent again, or None if it must not be."""
    if isinstance(failed, httpx.Response):
        return retries.wait(attempt, retry_after(failed)) if failed.status_code in call.retried else None
    is_safe = _was_never_sent(failed) or call.may_follow_a_broken_connection
    if isinstance(failed, httpx.UnsupportedProtocol) or not is_safe:
        return None
    return retries.wait(attempt, None)


class ExportReader:
    """Reads the lines of an export, and knows whether it is complete."""

    def __init__(self) -> None:
        self.received = 0
        self._ended = False

    def conversation(self, text: str) -> Conversation | None:
        """The conversation of a line; None for the last line, and for a blank one."""
        if not text:
            return None
        try:
            data = json.loads(text)
            if "export" in data:
                self._ended = data["export"]["complete"] is True and data["export"]["conversations"] == self.received
                return None
            found = _models.conversation(data)
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as problem:
            raise IncompleteExport(self.received, f"a line is cut off or no conversation: {problem!r}") from problem
        self.received += 1
        return found

    def close(self) -> None:
        """Raises IncompleteExport if the last line was missing."""
        if not self._ended:
            raise IncompleteExport(self.received, "its last line is missing")
