"""Exports all matches in batches, from one snapshot of the index, with bounded memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

from service.client.responses import SearchAnswer, total_of
from service.errors import AnswerTooLarge, SearchUnavailable
from service.message_texts import counted
from service.query.conversation_query import ConversationQuery, Matched
from service.search.compiler import compile_walk
from service.search.paging.cursors import Position
from service.search.resolution import matched_by, resolve
from service.search.searcher import Searcher, items_of

BATCH_BYTES = 2_000_000  # about; two batches are in memory at a time
FIRST_BATCH = 200  # documents
LARGEST_BATCH = 500  # at most 128 MB, which a node with a heap of 512 MB can send; 4,000 are hardly faster
PATIENCE = "5m"  # if the consumer pauses for longer, the point in time expires and the export fails


@dataclass(frozen=True, slots=True)
class Batch:
    """The next items, the total number of matches, and which words they have if that depended on the organization."""

    items: tuple[bytes, ...]
    total: int
    matched: Matched | None = None


async def export(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> AsyncGenerator[Batch]:
    """Yields the matches in batches, in the query's order. If nothing matches, it yields one empty batch.

    Each batch has a request's deadline, and is fetched while the consumer works on the previous one. Raises
    SearchTimeout, IndexUnusable, and SearchUnavailable, also if conversations are missing: an export that ends is
    complete.
    """
    query = await resolve(searcher, query, organization_uid)
    matched = matched_by(query)
    async with searcher.point_in_time(organization_uid, PATIENCE) as point_in_time:

        async def fetch(after: Position | None, size: int) -> SearchAnswer:
            body = {
                **compile_walk(query, organization_uid, after=after, size=size),
                "track_total_hits": after is None,
                "pit": {"id": point_in_time, "keep_alive": PATIENCE},
            }
            try:
                async with searcher.deadlined():
                    return await searcher.ask_pinned(body, organization_uid)
            except AnswerTooLarge:
                if size == 1:
                    raise
                return await fetch(after, max(1, size // 4))

        answer = await fetch(None, FIRST_BATCH)
        total, given = total_of(answer), 0
        if total == 0:
            yield Batch((), 0, matched)
        while hits := answer.hits.hits:
            items = items_of(hits, organization_uid)
            given += len(items)
            if given > total:
                break
            following = asyncio.create_task(fetch(hits[-1].sort, _next_size(items)))
            try:
                yield Batch(items, total, matched)
                answer = await following
            finally:
                following.cancel()
                following.add_done_callback(_forget)
        if given != total:
            raise SearchUnavailable(f"only {given} of {counted(total, 'conversation')} were received: export again")


def _forget(task: asyncio.Task[SearchAnswer]) -> None:
    """Retrieves the error of a batch that is no longer needed, so that asyncio does not log it."""
    if not task.cancelled():
        task.exception()


def _next_size(items: tuple[bytes, ...]) -> int:
    """The size of the next batch, from the bytes of this one. At most doubled, because later items may be larger."""
    return min(LARGEST_BATCH, 2 * len(items), max(1, BATCH_BYTES * len(items) // sum(map(len, items))))
