"""The client for programs without asyncio."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar, Unpack
from uuid import UUID

import httpx

from conversation_search import _calls
from conversation_search._batches import Batches
from conversation_search._calls import CURSOR_START, Call, ExportReader, Written
from conversation_search._errors import IncompleteExport
from conversation_search._models import BulkResult, Caller, Conversation, Count, Page, Suggestions, WriteResult
from conversation_search._parameters import Filters
from conversation_search._retries import Retries
from conversation_search._settings import http_settings

Result = TypeVar("Result")


class Client:
    """Finds, reads and writes conversations. Use it in a `with` statement, or call `close` at the end.

    One client may be used by several threads. It keeps connections open.

    Args:
        url: the address of the service, without /api, such as "https://search.example.com".
        token: a token or an API key.
        timeout: the seconds to wait for a connection, and for each part of an answer.
        retries: when a request is sent again.
        transport: another transport of httpx, for tests and proxies.

    All methods raise the exceptions of this package, which derive from ConversationSearchError.
    """

    def __init__(
        self, url: str, *, token: str, timeout: float = 30.0, retries: Retries = Retries(),  # noqa: B008
        transport: httpx.BaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._retries = retries
        self._http = httpx.Client(transport=transport, **http_settings(url, token, timeout))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes all connections."""
        self._http.close()

    def search(
        self, *, sort: str | Sequence[str] | None = None, page: int | None = None, per_page: int | None = None,
        facets: Sequence[str] | None = None, highlight: bool = False, suggest: bool = False, strict: bool = False,
        **filters: Unpack[Filters],
    ) -> Page:  # fmt: skip
        """A page of the conversations that match, with their exact number.

        Args:
            sort: "-sent_at", "relevance" or another order, or several.
            page, per_page: which page, and how many conversations on a page (at most 100).
            facets: fields whose values are counted, such as ["status", "category"].
            highlight: whether to mark the matches in the subjects.
            suggest: whether to say what would find something, if nothing is found.
            strict: whether a doubtful `q` is an error instead of a warning.
            filters: what to search for: see Filters.
        """
        return self._send(
            _calls.search(
                filters, strict=strict, sort=sort, page=page, per_page=per_page, facets=facets,
                highlight="subject" if highlight else None, suggest=True if suggest else None,
            )
        )  # fmt: skip

    def walk(
        self, *, sort: str | Sequence[str] | None = None, per_page: int = 100, strict: bool = False,
        **filters: Unpack[Filters],
    ) -> Iterator[Conversation]:  # fmt: skip
        """Every conversation that matches, page by page. One that does not change meanwhile appears exactly once."""
        cursor: str | None = CURSOR_START
        while cursor is not None:
            page = self._send(_calls.search(filters, strict=strict, sort=sort, per_page=per_page, cursor=cursor))
            yield from page
            cursor = page.next_cursor

    def export(
        self, *, sort: str | Sequence[str] | None = None, strict: bool = False, **filters: Unpack[Filters]
    ) -> Iterator[Conversation]:
        """Every conversation that matches, from one snapshot, in one request. Needs the scope conversations:export.

        Raises IncompleteExport if the export breaks off. Only one conversation at a time is in memory.
        """
        call, reader = _calls.export(filters, strict=strict, sort=sort), ExportReader()
        with self._stream(call) as response:
            try:
                for text in response.iter_lines():
                    if (found := reader.conversation(text)) is not None:
                        yield found
            except httpx.TransportError as error:
                raise IncompleteExport(reader.received, f"the connection broke: {error}") from error
        reader.close()

    def count(self, *, facets: Sequence[str] | None = None, strict: bool = False, **filters: Unpack[Filters]) -> Count:
        """The exact number of conversations that match, and the numbers by the values of fields."""
        return self._send(_calls.count(filters, strict=strict, facets=facets))

    def caller(self) -> Caller:
        """The user of the token, and what it allows. Raises Unauthorized if it is not accepted."""
        return self._send(_calls.caller())

    def suggest(self, text: str, *, organization_uid: UUID | str | None = None) -> Suggestions:
        """Completions of the last word of a text: words, senders, categories and labels."""
        return self._send(_calls.suggest(text, organization_uid))

    def get(self, uid: UUID | str, *, organization_uid: UUID | str | None = None) -> Conversation:
        """One conversation. Raises NotFound."""
        return self._send(_calls.get(uid, organization_uid))

    def delete(
        self, uid: UUID | str, *, organization_uid: UUID | str | None = None, deleted_on: datetime | None = None,
        refresh: bool = False,
    ) -> bool:  # fmt: skip
        """Deletes a conversation. Needs the scope conversations:write. Raises NotFound.

        Returns whether it was deleted: a version that is newer than `deleted_on` stays. Without `deleted_on`, the
        current version is deleted. Such a deletion is not sent again after a broken connection, because a second one
        could delete what was written meanwhile. With `refresh`, the method returns when searches no longer find the
        conversation.
        """
        return self._send(_calls.delete(uid, organization_uid, deleted_on, refresh=refresh)) == "written"

    def write(self, items: Iterable[Written], *, refresh: bool = False) -> BulkResult:
        """Writes up to 5,000 conversations and deletions in one request. Needs the scope conversations:write.

        An item is a Conversation, a Deletion, or a mapping in the form of the HTTP API. Look at `rejected` of the
        result: one wrong item does not prevent the others from being written. With `refresh`, the method returns when
        searches find what was written.
        """
        return self._send(_calls.write(items, refresh=refresh))

    def write_all(self, items: Iterable[Written]) -> Iterator[WriteResult]:
        """Writes any number of conversations and deletions, in requests of a good size.

        Yields the result of each when it is acknowledged. `line` counts through all of them. If an error is raised,
        the items whose results were yielded before are written, and all others may be sent again.
        """
        batches = Batches()
        for item in items:
            if (full := batches.add(_calls.line(item))) is not None:
                yield from batches.numbered(self._send(_calls.written(full, refresh=False)))
        if rest := batches.rest():
            yield from batches.numbered(self._send(_calls.written(rest, refresh=False)))

    def _send(self, call: Call[Result]) -> Result:
        with self._answered(call, stream=False) as response:
            return _calls.result(call, response)

    @contextmanager
    def _stream(self, call: Call[None]) -> Iterator[httpx.Response]:
        with self._answered(call, stream=True) as response:
            if not response.is_success:
                response.read()
                raise _calls.error(response)
            yield response

    @contextmanager
    def _answered(self, call: Call[Result], *, stream: bool) -> Iterator[httpx.Response]:
        """The last of all answers, after the retries. Raises ConnectionFailed if none comes."""
        attempt = 1
        while True:
            failed: httpx.Response | httpx.TransportError
            try:
                failed = self._http.send(_calls.request(self._http, call), stream=stream)
            except httpx.TransportError as error:
                failed = error
            wait = _calls.wait_before_retry(call, failed, attempt, self._retries)
            if wait is None:
                break
            if isinstance(failed, httpx.Response):
                failed.close()
            time.sleep(wait)
            attempt += 1
        if isinstance(failed, httpx.TransportError):
            raise _calls.connection_failed(call, self._http.base_url, failed) from failed
        try:
            yield failed
        finally:
            failed.close()
