"""Everything that matches, a batch at a time, in bounded memory: one state of the index, walked by its sort values."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

from service.client.responses import SearchAnswer, total_of
from service.errors import AnswerTooLarge, SearchUnavailable
from service.message_texts import counted
from service.query.conversation_query import ConversationQuery
from service.search.compiler import compile_walk
from service.search.paging.cursors import Position
from service.search.searcher import Searcher, check_scope, items_of

BATCH_BYTES = 2_000_000  # about; two batches are held at a time
FIRST_BATCH = 200  # documents
LARGEST_BATCH = 500  # 128 MB of the greatest documents, which a node of 512 MB heap bears; 4,000 are hardly quicker
PATIENCE = "5m"  # how long a consumer may pause before the point in time is gone, and the export with it


@dataclass(frozen=True, slots=True)
class Batch:
    """The next items, and how many there are in all."""

    items: tuple[bytes, ...]
    total: int


async def export(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> AsyncGenerator[Batch]:
    """Batches of the conversations that match, in the query's order; at least one batch, empty where none match.

    Each batch has the deadline of a request, and is fetched while the consumer works on the one before. Raises
    SearchTimeout, SearchUnavailable (also where fewer came than there are, so an export that ends is whole),
    IndexUnusable.
    """
    async with searcher.point_in_time(organization_uid, PATIENCE) as point_in_time:

        async def fetch(after: Position | None, size: int) -> SearchAnswer:
            body = {
                **compile_walk(query, organization_uid, after=after, size=size),
                "track_total_hits": after is None,
                "pit": {"id": point_in_time, "keep_alive": PATIENCE},
            }
            try:
                async with searcher.deadlined():
                    answer = await searcher.search(body, params={})
            except AnswerTooLarge:
                if size == 1:
                    raise
                return await fetch(after, max(1, size // 4))
            check_scope(answer, organization_uid)
            return answer

        answer = await fetch(None, FIRST_BATCH)
        total, given = total_of(answer), 0
        if total == 0:
            yield Batch((), 0)
        while hits := answer.hits.hits:
            items = items_of(hits, organization_uid)
            given += len(items)
            if given > total:
                break
            following = asyncio.create_task(fetch(hits[-1].sort, _next_size(items)))
            try:
                yield Batch(items, total)
                answer = await following
            finally:
                following.cancel()
                following.add_done_callback(_forget)
        if given != total:
            raise SearchUnavailable(f"only {given} of {counted(total, 'conversation')} came: export again")


def _forget(task: asyncio.Task[SearchAnswer]) -> None:
    """A consumer that left does not ask how the batch ended that it would have had next."""
    if not task.cancelled():
        task.exception()


def _next_size(items: tuple[bytes, ...]) -> int:
    """How many documents of the size of these make a batch; at most twice as many, as the next may be larger."""
    return min(LARGEST_BATCH, 2 * len(items), max(1, BATCH_BYTES * len(items) // sum(map(len, items))))
