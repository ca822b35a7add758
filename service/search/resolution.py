"""Finds out, before a search, what `match=auto` and `match=any` mean in the organization.

`auto` means all words, or any of them if no conversation has all. If any word is enough, rare words score higher than
frequent ones, by their counts in the organization. A walk keeps the resolution in its cursor, so that all of its pages
have the same results in the same order.
"""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from service.client.responses import named, total_of
from service.query.conditions import AllOf, texts_of
from service.query.conversation_query import ConversationQuery, Matched, Resolution
from service.query.fields import RELEVANCE
from service.search.clauses import Clause
from service.search.compiler import bool_query
from service.search.facets import CACHED, compile_count
from service.search.relevance import with_signs
from service.search.searcher import Searcher
from service.search.subject_clauses import any_part
from service.text import pieces_of
from service.vocabulary import SIGNED, signed_words

MOST_RANKED = 16  # words of a text that count in the order: the rarest ones
RAREST_WORTH = 8  # of a word in very few conversations; one in most of them is worth 1


async def resolve(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> ConversationQuery:
    """The query with its resolution, if it needs one. Raises what `Searcher.page` raises."""
    loose = query.loose_matches
    if not loose:
        return query
    if (known := searcher.resolution_of(query, organization_uid)) is not None:
        return replace(query, resolution=known)
    async with searcher.deadlined():
        if "auto" in loose and await _total(searcher, query, organization_uid):
            return replace(query, resolution=Resolution("all"))
        resolution = Resolution("any")
        if query.sort.field == RELEVANCE:
            resolution = await _ranked(searcher, query, organization_uid)
    return replace(query, resolution=resolution)


def matched_by(query: ConversationQuery) -> Matched | None:
    """Which words the results have: all, or any. None unless match=auto decided that."""
    if query.resolution is None or "auto" not in query.loose_matches:
        return None
    return query.resolution.matched


async def _total(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> int:
    """How many conversations have all words."""
    body = compile_count(replace(query, resolution=Resolution("all")), organization_uid)
    return total_of(await searcher.ask(body, organization_uid, **CACHED))


async def _ranked(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> Resolution:
    """The rarest words, each with its worth. Words that no conversation of the organization has are left out.

    A word with signs is worth one more, so that C++ comes before another word that is as rare.
    """
    texts = [words.text for words in texts_of(AllOf(query.where)) if words.match in query.loose_matches]
    pieces = list(dict.fromkeys(piece for text in texts for piece in pieces_of(text)))
    filters = {piece: any_part(piece) for piece in pieces}
    signed = {f"{piece} {SIGNED}": with_signs(piece, organization_uid) for piece in pieces if signed_words(piece)}
    total, counts = await count_each(searcher, filters | signed, organization_uid)
    found = sorted((piece for piece in pieces if counts[piece]), key=lambda piece: counts[piece])[:MOST_RANKED]
    return Resolution(
        "any",
        tuple((piece, worth(counts[piece], total)) for piece in found),
        tuple((piece, worth(count, total) + 1) for piece in found if (count := counts.get(f"{piece} {SIGNED}", 0))),
    )


def worth(count: int, total: int) -> int:
    """1 if most conversations have it, plus 1 for each factor of four by which it is rarer, at most RAREST_WORTH."""
    return min(RAREST_WORTH, 1 + ((total + 1) // (count + 1)).bit_length() // 2)


async def count_each(
    searcher: Searcher, filters: dict[str, Clause], organization_uid: UUID
) -> tuple[int, dict[str, int]]:
    """How many conversations the organization has, and how many of them match each filter, by its name."""
    if not filters:
        return 0, {}
    body = {
        "query": bool_query(organization_uid, []),
        "size": 0,
        "track_total_hits": True,
        "aggs": {"counts": {"filters": {"filters": filters}}},
    }
    answer = await searcher.ask(body, organization_uid, **CACHED)
    return total_of(answer), {
        name: bucket["doc_count"] for name, bucket in named(answer.aggregations["counts"]).items()
    }
