"""A query over one state of the index: the counts of a rank descent, and the slices of a page."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from opensearchpy.exceptions import TransportError

from service.client.responses import Hit, SearchAnswer, listed, total_of, unusable
from service.errors import SearchUnavailable
from service.query.conversation_query import ConversationQuery
from service.search.clauses import Clause
from service.search.compiler import compile_query, compile_sort, excluded_by
from service.search.highlight import compile_highlight
from service.search.paging.buckets import TooManyBuckets
from service.search.paging.slices import Slice

SAMPLED = 60  # subjects that divide a bucket of equal prefixes; each becomes two clauses of one request


class Search(Protocol):
    """Sends a search. Raises an error unless the answer is complete, and of this organization only."""

    async def __call__(self, body: Clause, organization_uid: UUID) -> SearchAnswer: ...


@dataclass(slots=True)
class Snapshot:
    """A query over one point in time. It is the Counter of a rank descent."""

    search: Search
    query: ConversationQuery
    organization_uid: UUID
    point_in_time: str
    took: int = 0

    async def histogram(self, narrowing: Sequence[Clause], field: str, width: int) -> tuple[int, dict[int, int]]:
        ranks = {"histogram": {"field": field, "interval": 2**width, "min_doc_count": 1}}
        try:
            answer = await self._count(narrowing, {"track_total_hits": True, "aggs": {"ranks": ranks}})
        except TransportError as error:
            if "too_many_buckets" in str(error.info):
                raise TooManyBuckets from error
            raise
        found = {int(bucket["key"]): bucket["doc_count"] for bucket in listed(answer.aggregations["ranks"])}
        if sum(found.values()) > total_of(answer):
            raise unusable("its counts add up to more than its total")
        return total_of(answer), found

    async def total(self, narrowing: Sequence[Clause]) -> int:
        """Counts documents without a value as all documents minus those with a value, which is four times as fast."""
        for at, clause in enumerate(narrowing):
            if (exists := excluded_by(clause)) is not None:
                others = (*narrowing[:at], *narrowing[at + 1 :])
                everything, valued = await asyncio.gather(self.total(others), self.total((*others, exists)))
                if valued > everything:
                    raise unusable("its counts contradict one another")
                return everything - valued
        return total_of(await self._count(narrowing, {"track_total_hits": True}))

    async def sample(self, narrowing: Sequence[Clause], field: str) -> list[str]:
        query = compile_query(self.query, self.organization_uid, narrowing, scored=False)
        at_random = {"random_score": {"seed": 1, "field": "order.uid_3"}, "boost_mode": "replace"}
        body = {
            "query": {"function_score": {"query": query, **at_random}},
            "size": SAMPLED,
            "sort": ["_score"],
            "track_total_hits": False,
            "_source": False,
            "docvalue_fields": [field],
        }
        answer = await self._send(body)
        return [str(value) for hit in answer.hits.hits for value in (hit.fields or {}).get(field, [])]

    async def counts(self, narrowing: Sequence[Clause], clauses: Sequence[Clause]) -> list[int]:
        filters = {"filters": {"filters": list(clauses)}}
        answer = await self._count(narrowing, {"track_total_hits": False, "aggs": {"ranks": filters}})
        return [bucket["doc_count"] for bucket in listed(answer.aggregations["ranks"])]

    async def slice(self, part: Slice, *, may_be_short: bool = False) -> list[Hit]:
        """The hits of the slice, in the query's order. It leaves out keys by which all are equal, to sort faster."""
        keys = compile_sort(self.query.sort, self.query.then, reverse=part.reverse)
        sort = keys[part.fixed :] or keys[-1:]
        scored = "_score" in sort[0]
        answer = await self._send(
            {
                "query": compile_query(self.query, self.organization_uid, part.narrowing, scored=scored),
                "sort": sort,
                "from": part.start,
                "size": part.size,
                "track_total_hits": False,
                **compile_highlight(self.query),
            }
        )
        hits = answer.hits.hits
        if len(hits) != part.size and not may_be_short:
            raise SearchUnavailable("the index changed while the page was read: try again")
        return hits[::-1] if part.reverse else hits

    async def _count(self, narrowing: Sequence[Clause], body: Clause) -> SearchAnswer:
        query = compile_query(self.query, self.organization_uid, narrowing, scored=False)
        return await self._send({"query": query, "size": 0, **body})

    async def _send(self, body: Clause) -> SearchAnswer:
        answer = await self.search({**body, "pit": {"id": self.point_in_time}}, self.organization_uid)
        self.took += answer.took
        return answer
