"""Sends a search, refuses an answer that is not whole, and returns a Page. One search is sent once."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from service.client import Client, SearchAnswer, translated
from service.conversation import item
from service.errors import InvalidQuery, Problem, SearchTimeout, SearchUnavailable
from service.search.compiler import compile_page
from service.search.page import Page
from service.search.query import ConversationQuery

RESULT_WINDOW = 10_000  # index.max_result_window


class Searcher:
    """Searches through one alias, each request within `deadline` seconds.

    `client` must decode answers to SearchAnswer (`connect(..., answer=SearchAnswer)`).
    """

    def __init__(self, client: Client, alias: str, *, deadline: float) -> None:
        self._client = client
        self._alias = alias
        self._deadline = deadline

    async def page(self, query: ConversationQuery, organization_uid: UUID) -> Page:
        """The page asked for. Raises SearchTimeout, SearchUnavailable, IndexUnusable."""
        if query.offset + query.per_page > RESULT_WINDOW:
            raise InvalidQuery(
                [Problem("page", f"must end within the first {RESULT_WINDOW} conversations", str(query.page))]
            )
        with translated(alias=self._alias):
            async with asyncio.timeout(self._deadline):
                answer = await self._search(compile_page(query, organization_uid), organization_uid)
        assert answer.hits.total is not None
        return Page(
            query=query,
            total=answer.hits.total.value,
            items=tuple(item(bytes(hit.source)) for hit in answer.hits.hits),
            took=answer.took,
        )

    async def ping(self) -> None:
        """Raises where the alias does not answer a search: an unreachable cluster, a missing index, a red shard."""
        with translated(alias=self._alias):
            async with asyncio.timeout(self._deadline):
                answer: SearchAnswer = await self._client.search(
                    index=self._alias, body={"size": 0}, params={"allow_partial_search_results": "false"}
                )
        _check_whole(answer)

    async def _search(self, body: dict[str, Any], organization_uid: UUID) -> SearchAnswer:
        answer: SearchAnswer = await self._client.search(
            index=self._alias,
            body={**body, "timeout": f"{self._deadline * 1000:.0f}ms"},
            params={
                "routing": str(organization_uid),
                "allow_partial_search_results": "false",
            },
        )
        _check_whole(answer)
        return answer


def _check_whole(answer: SearchAnswer) -> None:
    """A timed-out search answers 200 with relation "eq" and no failed shard: so look at all of it."""
    if answer.timed_out:
        raise SearchTimeout("the search took too long and was stopped: narrow the request, or try again")
    shards = answer.shards
    if shards.failed or shards.successful != shards.total or shards.total == 0:
        raise SearchUnavailable(f"only {shards.successful} of {shards.total} shards answered: try again shortly")
    if answer.hits.total is not None and answer.hits.total.relation != "eq":
        raise SearchUnavailable("the total is not exact: try again shortly")
