"""The client for programs with asyncio. It has the methods of Client, as coroutines and asynchronous iterators."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
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


class AsyncClient:
    """Finds, reads and writes conversations. Use it in an `async with` statement, or call `close` at the end.

    One client may be used by several tasks of one event loop. It keeps connections open.

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
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:  # fmt: skip
        self._retries = retries
        self._http = httpx.AsyncClient(transport=transport, **http_settings(url, token, timeout))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes all connections."""
        await self._http.aclose()

    async def search(
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
        return await self._send(
            _calls.search(
                filters, strict=strict, sort=sort, page=page, per_page=per_page, facets=facets,
                highlight="subject" if highlight else None, suggest=True if suggest else None,
            )
        )  # fmt: skip

    async def walk(
        self, *, sort: str | Sequence[str] | None = None, per_page: int = 100, strict: bool = False,
        **filters: Unpack[Filters],
    ) -> AsyncIterator[Conversation]:  # fmt: skip
        """Every conversation that matches, page by page. One that does not change meanwhile appears exactly once."""
        cursor: str | None = CURSOR_START
        while cursor is not None:
            page = await self._send(_calls.search(filters, strict=strict, sort=sort, per_page=per_page, cursor=cursor))
            for conversation in page:
                yield conversation
            cursor = page.next_cursor

    async def export(
        self, *, sort: str | Sequence[str] | None = None, strict: bool = False, **filters: Unpack[Filters]
    ) -> AsyncIterator[Conversation]:
        """Every conversation that matches, from one snapshot, in one request. Needs the scope conversations:export.

        Raises IncompleteExport if the export breaks off. Only one conversation at a time is in memory.
        """
        call, reader = _calls.export(filters, strict=strict, sort=sort), ExportReader()
        async with self._stream(call) as response:
            try:
                async for text in response.aiter_lines():
                    if (found := reader.conversation(text)) is not None:
                        yield found
            except httpx.TransportError as error:
                raise IncompleteExport(reader.received, f"the connection broke: {error}") from error
        reader.close()

    async def count(
        self, *, facets: Sequence[str] | None = None, strict: bool = False, **filters: Unpack[Filters]
    ) -> Count:
        """The exact number of conversations that match, and the numbers by the values of fields."""
        return await self._send(_calls.count(filters, strict=strict, facets=facets))

    async def caller(self) -> Caller:
        """The user of the token, and what it allows. Raises Unauthorized if it is not accepted."""
        return await self._send(_calls.caller())

    async def suggest(self, text: str, *, organization_uid: UUID | str | None = None) -> Suggestions:
        """Completions of the last word of a text: words, senders, categories and labels."""
        return await self._send(_calls.suggest(text, organization_uid))

    async def get(self, uid: UUID | str, *, organization_uid: UUID | str | None = None) -> Conversation:
        """One conversation. Raises NotFound."""
        return await self._send(_calls.get(uid, organization_uid))

    async def delete(
        self, uid: UUID | str, *, organization_uid: UUID | str | None = None, deleted_on: datetime | None = None,
        refresh: bool = False,
    ) -> bool:  # fmt: skip
        """Deletes a conversation. Needs the scope conversations:write. Raises NotFound.

        Returns whether it was deleted: a version that is newer than `deleted_on` stays. Without `deleted_on`, the
        current version is deleted. Such a deletion is not sent again after a broken connection, because a second one
        could delete what was written meanwhile. With `refresh`, the method returns when searches no longer find the
        conversation.
        """
        return await self._send(_calls.delete(uid, organization_uid, deleted_on, refresh=refresh)) == "written"

    async def write(self, items: Iterable[Written], *, refresh: bool = False) -> BulkResult:
        """Writes up to 5,000 conversations and deletions in one request. Needs the scope conversations:write.

        An item is a Conversation, a Deletion, or a mapping in the form of the HTTP API. Look at `rejected` of the
        result: one wrong item does not prevent the others from being written. With `refresh`, the method returns when
        searches find what was written.
        """
        return await self._send(_calls.write(items, refresh=refresh))

    async def write_all(self, items: Iterable[Written] | AsyncIterable[Written]) -> AsyncIterator[WriteResult]:
        """Writes any number of conversations and deletions, in requests of a good size.

        Yields the result of each when it is acknowledged. `line` counts through all of them. If an error is raised,
        the items whose results were yielded before are written, and all others may be sent again.
        """
        batches = Batches()
        async for item in _asynchronous(items):
            if (full := batches.add(_calls.line(item))) is not None:
                for result in batches.numbered(await self._send(_calls.written(full, refresh=False))):
                    yield result
        if rest := batches.rest():
            for result in batches.numbered(await self._send(_calls.written(rest, refresh=False))):
                yield result

    async def _send(self, call: Call[Result]) -> Result:
        async with self._answered(call, stream=False) as response:
            return _calls.result(call, response)

    @asynccontextmanager
    async def _stream(self, call: Call[None]) -> AsyncIterator[httpx.Response]:
        async with self._answered(call, stream=True) as response:
            if not response.is_success:
                await response.aread()
                raise _calls.error(response)
            yield response

    @asynccontextmanager
    async def _answered(self, call: Call[Result], *, stream: bool) -> AsyncIterator[httpx.Response]:
        """The last of all answers, after the retries. Raises ConnectionFailed if none comes."""
        attempt = 1
        while True:
            failed: httpx.Response | httpx.TransportError
            try:
                failed = await self._http.send(_calls.request(self._http, call), stream=stream)
            except httpx.TransportError as error:
                failed = error
            wait = _calls.wait_before_retry(call, failed, attempt, self._retries)
            if wait is None:
                break
            if isinstance(failed, httpx.Response):
                await failed.aclose()
            await asyncio.sleep(wait)
            attempt += 1
        if isinstance(failed, httpx.TransportError):
            raise _calls.connection_failed(call, self._http.base_url, failed) from failed
        try:
            yield failed
        finally:
            await failed.aclose()


async def _asynchronous(items: Iterable[Written] | AsyncIterable[Written]) -> AsyncIterator[Written]:
    if isinstance(items, AsyncIterable):
        async for item in items:
            yield item
    else:
        for item in items:
            yield item
