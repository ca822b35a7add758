"""Suggestions for a search without results: a corrected text that has results, and the filters that exclude everything.

Only the caller's organization is searched, so a word of another one is never suggested.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from msgspec import UNSET

from service.query import search_syntax
from service.query.conditions import DEFAULT_MATCH, AllOf, Node, SearchText, Words, loosened, texts_of
from service.query.conversation_query import ConversationQuery, Matched, Resolution, Sort
from service.search.answers import Alternatives, DidYouMean, WithoutFilter
from service.search.clauses import Clause
from service.search.compiler import bool_query, clauses, named_clauses
from service.search.corrections import MOST_WORDS, Word, corrected_texts, corrections, words_in
from service.search.resolution import count_each
from service.search.searcher import Searcher

MOST_TRIED = 20  # corrected texts
MATCHED: tuple[Matched, ...] = ("all", "any")  # of match=auto, in this order


async def explain_no_results(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> Alternatives:
    """A corrected text with results, and the numbers of matches with any of the words and without each filter."""
    did_you_mean, counts = await asyncio.gather(
        _did_you_mean(searcher, query, organization_uid),
        count_each(searcher, _looser(query, organization_uid), organization_uid),
    )
    totals = counts[1]
    any_words = totals.pop(ANY_WORDS, 0)
    return Alternatives(
        did_you_mean=did_you_mean,
        any_words=any_words,
        without=[WithoutFilter(parameter=name, total=total) for name, total in totals.items() if total],
    )


ANY_WORDS = "any words"


def _looser(query: ConversationQuery, organization_uid: UUID) -> dict[str, Clause]:
    """The query without each single filter, and with any of the words instead of all, by name."""
    found = named_clauses(query, organization_uid)
    names = list(dict.fromkeys(name for name, _clause in found))
    looser = {
        name: bool_query(organization_uid, [clause for other, clause in found if other != name]) for name in names
    }
    if texts_of(AllOf(query.where)):
        looser[ANY_WORDS] = bool_query(organization_uid, clauses(_with_any_words(query), organization_uid))
    return looser


def _with_any_words(query: ConversationQuery) -> ConversationQuery:
    """The same query for conversations with any of the words, as with `match=any`."""
    search, parsed = query.search, query.extras.parsed_search
    own: tuple[Node, ...] = () if parsed is None else parsed.nodes
    new = () if parsed is None else search_syntax.parse(parsed.text, query.extras.zone, keeps_groups=True).nodes
    others = (replace(node, match="any") if node is search else node for node in query.where if node not in own)
    return replace(query, where=(*others, *loosened(new, "any")), sort=Sort(), then=(), resolution=None)


async def _did_you_mean(searcher: Searcher, query: ConversationQuery, organization_uid: UUID) -> DidYouMean | None:
    """The best corrected text that has results: with the same filters, or else without them."""
    name, text, typed = _typed(query)
    words = _words_in(text, typed)
    if not words:
        return None
    match = query.search.match if query.search is not None else DEFAULT_MATCH
    doubts, possible = await corrections(searcher, words, match, text, organization_uid)
    if query.loose_matches:  # a word without a correction may stay, because other words are enough
        unknown = {place for place in doubts.unknown if any(one.first <= place < one.end for one in possible)}
        doubts = replace(doubts, unknown=frozenset(unknown))
    tried = corrected_texts(text, words, doubts, possible, MOST_TRIED)
    ways = [
        (with_filters, matched)
        for with_filters in (True, False)
        for matched in (MATCHED if "auto" in query.loose_matches else MATCHED[:1])
    ]
    filters: dict[str, Clause] = {}
    for place, corrected in enumerate(tried):
        for way in ways:
            if (one := _corrected_query(query, name, corrected, *way)) is not None:
                filters[_key(place, *way)] = bool_query(organization_uid, clauses(one, organization_uid))
    _total, counts = await count_each(searcher, filters, organization_uid)
    for way in ways:
        for place, corrected in enumerate(tried):
            if total := counts.get(_key(place, *way), 0):
                return DidYouMean(
                    search=corrected if name == "search" else UNSET,
                    q=corrected if name == "q" else UNSET,
                    total=total,
                    with_filters=way[0],
                )
    return None


def _key(place: int, with_filters: bool, matched: Matched) -> str:
    return f"{place} {'with' if with_filters else 'without'} {matched}"


def _words_in(text: str, typed: Sequence[Words]) -> list[Word]:
    """The words with their places in the text, in order. Empty if a word is not in the text as it is written."""
    found: list[Word] = []
    at = 0
    for words in typed:
        own = words_in(words.text)
        for place, word in enumerate(own, start=1):
            start = text.find(word.text, at)
            if start < 0 or len(found) == MOST_WORDS:
                return found if start >= 0 else []
            at = start + len(word.text)
            is_last = place == len(own) and word.end == len(words.text.rstrip())
            found.append(Word(word.text, start, at, is_begun=words.match == "prefix" and is_last))
    return found


def _typed(query: ConversationQuery) -> tuple[str, str, list[Words]]:
    """The parameter to correct (search or q), its text, and the words in it."""
    if query.search is not None:
        return "search", query.search.text, [query.search]
    if query.extras.parsed_search is None:
        return "search", "", []
    return "q", query.extras.parsed_search.text, texts_of(AllOf(query.extras.parsed_search.nodes))


def _corrected_query(
    query: ConversationQuery, name: str, corrected: str, with_filters: bool, matched: Matched
) -> ConversationQuery | None:
    """The corrected query, with `matched` as the meaning of match=auto. None if the corrected text is too long."""
    own: tuple[Node, ...]
    new: tuple[Node, ...]
    if name == "search":
        own = () if query.search is None else (query.search,)
        new = (SearchText(corrected, DEFAULT_MATCH if query.search is None else query.search.match),)
    else:
        own = query.extras.parsed_search.nodes if query.extras.parsed_search is not None else ()
        loose = next(iter(query.loose_matches), None)
        try:
            new = search_syntax.parse(corrected, query.extras.zone, keeps_groups=loose is not None).nodes
        except search_syntax.TooLong:
            return None
        new = new if loose is None else loosened(new, loose)
    others = tuple(node for node in query.where if node not in own) if with_filters else ()
    return ConversationQuery(where=(*others, *new), now=query.now, resolution=Resolution(matched))
