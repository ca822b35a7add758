"""Sends searches, refuses incomplete answers, and returns pages.

This module repeats a search only if it has too many clauses (fuzzy_rewrite.py), or its point in time was lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from hashlib import blake2b
from typing import TypeVar
from uuid import UUID

import msgspec
from opensearchpy.exceptions import NotFoundError, TransportError

from service import deadline, telemetry
from service.client import Client, error_types, responses, translated
from service.client.connection import MAX_ANSWER_BYTES
from service.client.responses import Hit, SearchAnswer, Shards, total_of
from service.errors import (
    AnswerTooLarge,
    ConversationsError,
    InvalidQuery,
    NotFound,
    Problem,
)
from service.limits.fair_semaphore import FairSemaphore, Size
from service.query.conversation_query import ConversationQuery, Resolution
from service.reach import identity_of, restriction_of
from service.search import fuzzy_rewrite
from service.search.clauses import Clause
from service.search.compiler import compile_page, compile_walk, scored_clauses
from service.search.highlight import marked
from service.search.paging import near_pages, rank_descent
from service.search.paging.cursors import Cursors, Position, fingerprint
from service.search.paging.order import Key, keys_of
from service.search.paging.page import Page
from service.search.paging.rank_cache import RankCache
from service.search.paging.rank_descent import Windows
from service.search.paging.tiers import Tiers
from service.search.shard_check import ShardCheck
from service.search.snapshot import Snapshot
from service.stored_documents import document_id, is_tombstone, item

POINTS_IN_TIME = Size(units=50, share=50, waiting=400, waiting_share=400, patience=1.0)  # of commands

Made = TypeVar("Made")

_TOO_LARGE = f"these conversations have more than {MAX_ANSWER_BYTES // 1_000_000} MB together: ask for fewer at once"


class Searcher:
    """Searches through one alias, each request within `deadline` seconds.

    `client` must decode answers to SearchAnswer (`connect(..., answer=SearchAnswer)`).
    """

    def __init__(
        self,
        client: Client,
        alias: str,
        *,
        deadline: float,
        cursors: Cursors,
        windows: Windows | None = None,
        points: FairSemaphore | None = None,
    ) -> None:
        self._client = client
        self._alias = alias
        self._deadline = deadline
        self._cursors = cursors
        self.windows = windows or Windows()
        self._rank_cache = RankCache()
        self._shard_check = ShardCheck(client, alias)
        self._shards_of: dict[str, int] = {}  # the number of shards of each open point in time
        self._closing: set[asyncio.Task[None]] = set()
        self._points = points or FairSemaphore("points_in_time", POINTS_IN_TIME, what="deep pages and exports")

    async def page(self, query: ConversationQuery, organization_uid: UUID) -> Page:
        """The requested page.

        Raises InvalidQuery (for an invalid cursor or a page with too many bytes), SearchTimeout, SearchUnavailable and
        IndexUnusable.
        """
        try:
            return await self._page(query, organization_uid)
        except AnswerTooLarge:
            raise InvalidQuery([Problem("per_page", _TOO_LARGE, str(query.per_page))]) from None

    async def _page(self, query: ConversationQuery, organization_uid: UUID) -> Page:
        after = self._cursors.read(query, organization_uid)
        async with self.deadlined():
            if query.cursor is not None:
                telemetry.pages.labels("walk").inc()
                return await self._walk(query, organization_uid, after)
            wanted = _NumberedPage.of(query, organization_uid)
            if wanted.rank > self.windows.plain(wanted.keys):
                return await self._pinned(wanted, self._deep)
            return await self._near(wanted) or await self._plain(wanted)

    async def _pinned(self, wanted: _NumberedPage, work: Callable[[_NumberedPage, Snapshot], Awaitable[Made]]) -> Made:
        """Runs `work` on one state of the index. If the point in time was lost, runs it once more, on a newer state."""
        try:
            async with self._snapshot(wanted.query, wanted.organization_uid) as snapshot:
                return await work(wanted, snapshot)
        except TransportError as error:
            if not error_types.is_snapshot_lost(error):
                raise
        async with self._snapshot(wanted.query, wanted.organization_uid) as snapshot:
            return await work(wanted, snapshot)

    @asynccontextmanager
    async def _snapshot(self, query: ConversationQuery, organization_uid: UUID) -> AsyncIterator[Snapshot]:
        """One state of the index for a page that takes several searches."""
        keep_alive = f"{self._deadline * 1000 + 1000:.0f}ms"
        async with self.point_in_time(organization_uid, keep_alive) as point_in_time:
            yield Snapshot(self.ask_pinned, query, organization_uid, point_in_time)

    def resolution_of(self, query: ConversationQuery, organization_uid: UUID) -> Resolution | None:
        """The resolution in the query's cursor; None if there is none. Raises InvalidQuery for an invalid cursor."""
        return self._cursors.resolution(query, organization_uid)

    async def one(self, organization_uid: UUID, uid: UUID) -> bytes:
        """The current version of the conversation, even if searches do not find it yet. Raises NotFound."""
        missing = NotFound("there is no such conversation in this organization")
        async with self.deadlined():
            try:
                found: SearchAnswer = await self._client.get(
                    index=self._alias,
                    id=document_id(organization_uid, uid),
                    params={"routing": str(organization_uid)},
                )
            except NotFoundError as error:
                if isinstance(error.info, dict) and error.info.get("found") is False:
                    raise missing from None
                raise
        source = bytes(found.source)
        if not found.found or found.id != document_id(organization_uid, uid):
            raise responses.unusable("it is another document than the one that was asked for")
        if is_tombstone(source):
            raise missing
        one = item_of(source, found.id)
        if not is_seen(one, organization_uid):
            raise missing
        return one

    async def ping(self) -> None:
        """Raises an error if the alias cannot be searched, for example because the cluster or a shard is down."""
        async with self.deadlined():
            await self.search({"size": 0, "track_total_hits": False}, params={"index": self._alias})

    async def close(self) -> None:
        """Waits until every point in time is closed."""
        await asyncio.gather(*self._closing)

    async def search(self, body: Clause, *, params: dict[str, str]) -> SearchAnswer:
        """Sends one search. Raises an error unless the answer is complete and fits the body (check_search)."""
        try:
            answer = await self._sent(body, **params)
        except TransportError as error:
            if not error_types.has_too_many_clauses(error) or (other := fuzzy_rewrite.together(body)) == body:
                raise
            answer = await self._sent(other, **params)
        responses.check_search(answer, body)
        return answer

    async def _sent(self, body: Clause, *, index: str | None = None, **params: str) -> SearchAnswer:
        left = f"{max(1.0, deadline.remaining(self._deadline) * 1000):.0f}ms"
        answer: SearchAnswer = await self._client.search(
            index=index,
            body={**body, "timeout": left},
            params={**params, "allow_partial_search_results": "false", "cancel_after_time_interval": left},
        )
        return answer

    @asynccontextmanager
    async def deadlined(self, *, share: float = 1.0) -> AsyncIterator[None]:
        """Raises SearchTimeout in the block at the request's deadline, or after this share of the remaining time.

        Errors of opensearch-py in the block become errors of this package.
        """
        with translated(alias=self._alias, is_query=True):
            async with asyncio.timeout(share * deadline.remaining(self._deadline)):
                yield

    async def _plain(self, wanted: _NumberedPage) -> Page:
        answer = await self.ask(compile_page(wanted.query, wanted.organization_uid), wanted.organization_uid)
        telemetry.pages.labels("plain").inc()
        hits, total = answer.hits.hits, total_of(answer)
        self._remember_end(wanted, hits, total)
        items = items_of(hits, wanted.organization_uid)
        return Page(wanted.query, total, items, answer.took, extras=marked(wanted.query, hits))

    async def _near(self, wanted: _NumberedPage) -> Page | None:
        """The page, found from where it ended before (near_pages.py). None if that is unknown or no longer true."""
        end = self._rank_cache.get(wanted.key).end
        if end is None or wanted.rank > near_pages.FARTHEST:
            return None
        parts = near_pages.slices_up_to(wanted.keys, end, wanted.rank)

        async def work(wanted: _NumberedPage, snapshot: Snapshot) -> tuple[int, list[list[Hit]], int]:
            total, found = await asyncio.gather(
                snapshot.total(()), asyncio.gather(*(snapshot.slice(part, may_be_short=True) for part in parts))
            )
            return total, found, snapshot.took

        total, found, took = await self._pinned(wanted, work)
        hits = [hit for part in found for hit in part][: wanted.rank]
        if len(hits) < min(wanted.rank, total):
            return None
        telemetry.pages.labels("hinted").inc()
        hits = hits[wanted.query.offset :]
        items = items_of(hits, wanted.organization_uid)
        return Page(wanted.query, total, items, took, extras=marked(wanted.query, hits))

    def _remember_end(self, wanted: _NumberedPage, hits: Sequence[Hit], total: int) -> None:
        if len(hits) == wanted.query.per_page and near_pages.is_worth_it(wanted.keys, wanted.rank, total):
            memory = self._rank_cache.get(wanted.key)
            self._rank_cache.put(wanted.key, replace(memory, end=hits[-1].sort))

    async def _walk(self, query: ConversationQuery, organization_uid: UUID, after: Position | None) -> Page:
        """Requests one more conversation than the page has. If there is none, this is the last page.

        All pages of a walk read the same copy of a shard while it exists. Copies refresh at different times, so
        another copy could return an older version of a conversation of an earlier page.
        """
        body = compile_walk(query, organization_uid, after=after, size=query.per_page + 1)
        copy = blake2b(identity_of(organization_uid) + fingerprint(query), digest_size=8).hexdigest()
        answer = await self.ask({**body, "track_total_hits": True}, organization_uid, preference=copy)
        hits = answer.hits.hits[: query.per_page]
        items = items_of(hits, organization_uid)
        following = None
        if len(answer.hits.hits) > query.per_page:
            following = self._cursors.write(hits[-1].sort, query, organization_uid)
        return Page(query, total_of(answer), items, answer.took, following, marked(query, hits))

    async def ask(self, body: Clause, organization_uid: UUID, **params: str) -> SearchAnswer:
        """Searches one organization. The query of the body must come from `compile_query` or `bool_query`."""
        routing = str(organization_uid)
        answer = await self.search(body, params={"index": self._alias, "routing": routing, **params})
        await self._shard_check.check(answer.shards.total, organization_uid)
        responses.check_owner(answer.hits.hits, routing)
        return answer

    async def ask_pinned(self, body: Clause, organization_uid: UUID) -> SearchAnswer:
        """Searches the point in time that the body names, which must be one of this organization.

        The shards of the point in time were checked when it was opened, and do not change.
        """
        answer = await self.search(body, params={})
        if answer.shards.total != self._shards_of.get(responses.part(body, "pit", "id", expected=str)):
            raise responses.unusable("it is of other shards than the point in time")
        responses.check_owner(answer.hits.hits, str(organization_uid))
        return answer

    async def _deep(self, wanted: _NumberedPage, snapshot: Snapshot) -> Page:
        query = wanted.query
        memory = self._rank_cache.get(wanted.key)
        plan = await rank_descent.descend(
            snapshot, wanted.keys, query.offset, query.per_page, windows=self.windows, remembered=memory.known
        )
        if plan.known is not None:
            self._rank_cache.put(wanted.key, replace(memory, known=plan.known))
        telemetry.pages.labels("hinted" if plan.was_remembered else "counted").inc()
        slices = await asyncio.gather(*(snapshot.slice(part) for part in plan.slices))
        hits = [hit for part in slices for hit in part]
        items = items_of(hits, wanted.organization_uid)
        return Page(query, plan.total, items, snapshot.took, extras=marked(query, hits))

    @asynccontextmanager
    async def point_in_time(self, organization_uid: UUID, keep_alive: str) -> AsyncIterator[str]:
        """A snapshot of the index for all steps of an answer. It is always closed after the answer.

        Its slot is released when OpenSearch has closed it. If the request ends during the opening, it is closed too.
        """
        tenant = organization_uid.bytes
        await self._points.acquire(tenant)
        opening = asyncio.create_task(self._open(organization_uid, keep_alive))
        try:
            point_in_time, shards = await asyncio.shield(opening)
            responses.check_shards(shards)  # with some of them only, every total would be too low
            async with self.deadlined():
                await self._shard_check.check(shards.total, organization_uid)
            self._shards_of[point_in_time] = shards.total
            try:
                yield point_in_time
            finally:
                del self._shards_of[point_in_time]
        finally:
            task = asyncio.create_task(self._close_point_in_time(opening, tenant))
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    async def _open(self, organization_uid: UUID, keep_alive: str) -> tuple[str, Shards]:
        """The id of a new point in time, and its shards."""
        async with self.deadlined():
            opened: SearchAnswer = await self._client.create_pit(
                index=self._alias, params={"keep_alive": keep_alive, "routing": str(organization_uid)}
            )
        if not opened.pit_id:
            raise responses.unusable("it holds no point in time")
        return opened.pit_id, opened.shards

    async def _close_point_in_time(self, opening: asyncio.Task[tuple[str, Shards]], tenant: bytes) -> None:
        try:
            with suppress(TransportError, ConversationsError):  # it expires by itself after its keep_alive
                point_in_time, _shards = await opening
                await self._client.delete_pit(body={"pit_id": [point_in_time]})
        finally:
            self._points.release(tenant)


@dataclass(frozen=True, slots=True)
class _NumberedPage:
    """A numbered page: its query, the keys of its order, and the last of its ranks, counted from 1."""

    query: ConversationQuery
    organization_uid: UUID
    keys: tuple[Key, ...]

    @classmethod
    def of(cls, query: ConversationQuery, organization_uid: UUID) -> _NumberedPage:
        tiers = Tiers.of(scored_clauses(query, organization_uid))
        return cls(query, organization_uid, keys_of((query.sort, *query.then), tiers))

    @property
    def rank(self) -> int:
        return self.query.offset + self.query.per_page

    @property
    def key(self) -> bytes:
        """The key of the query in the rank cache."""
        return identity_of(self.organization_uid) + fingerprint(self.query) + msgspec.json.encode(self.query.resolution)


def items_of(hits: Sequence[Hit], organization_uid: UUID) -> tuple[bytes, ...]:
    """The items of an answer, as bytes. Raises AnswerUnusable if an item belongs to another organization."""
    responses.check_owner(hits, str(organization_uid))
    return tuple(item_of(bytes(hit.source), hit.id) for hit in hits)


class _Owners(msgspec.Struct):
    agent_uid: str | None = None
    party_uid: str | None = None


def is_seen(one: bytes, organization_uid: UUID) -> bool:
    """Whether the caller may see an item that was fetched by its id, and not by a search."""
    restriction = restriction_of(organization_uid)
    if restriction is None:
        return True
    owners = responses.decode(msgspec.Raw(one), _Owners)
    return all(getattr(owners, name) in uids for name, uids in restriction.by_field().items())


def item_of(source: bytes, document: str) -> bytes:
    """The item of a stored document, cut out of its bytes. Raises AnswerUnusable if it does not fit its id.

    The bytes begin with uid and organization_uid, in this order and with fixed lengths.
    """
    organization_uid, _, uid = document.partition(":")
    if not source.startswith(_BEGINNING % (uid.encode(), organization_uid.encode())):
        raise responses.unusable("a document in it is another than its id says")
    try:
        return item(source)
    except ValueError as error:
        raise responses.unusable("a document in it was not written by the service") from error


_BEGINNING = b'{"uid":"%s","organization_uid":"%s",'
