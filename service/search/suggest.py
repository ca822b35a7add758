"""Completions of a text while it is typed: words of subjects, senders and categories of the organization.

Words come from the newest matching subjects; senders and categories are counted over all conversations. The three
searches run at the same time. Each is limited to a prefix, so none visits the whole organization.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from uuid import UUID

import msgspec

from service.client import responses
from service.client.responses import SearchAnswer, listed
from service.query.conditions import Words
from service.query.conversation_query import Sort
from service.search.answers import SuggestedCategory, SuggestedSender, SuggestedText, Suggestions
from service.search.compiler import bool_query, compile_sort
from service.search.facets import CACHED
from service.search.searcher import Searcher
from service.search.subject_clauses import Clause, any_of, clause_of
from service.text import SPACELESS, WORD, fold

MOST = 5
LOOKED_AT = 50  # of the newest matching subjects
MOST_CATEGORIES = 50
RUN = 8  # further characters of a completion in scripts without spaces


class _Subject(msgspec.Struct):
    subject: str | None = None


async def suggest(searcher: Searcher, text: str, organization_uid: UUID) -> Suggestions:
    """Up to five of each: `words` (the whole text with its last word completed), `senders`, `categories`."""
    async with searcher.deadlined():
        words, senders, categories = await asyncio.gather(
            searcher.ask(_newest(text, organization_uid), organization_uid),
            searcher.ask(_senders(text, organization_uid), organization_uid, **CACHED),
            searcher.ask(_categories(text, organization_uid), organization_uid, **CACHED),
        )
    begun = text.strip().casefold()
    return Suggestions(
        words=_completed(text, words),
        senders=[SuggestedSender(from_email=address, count=count) for address, count in _found(senders)],
        categories=[
            SuggestedCategory(category=name, count=count)
            for name, count in _found(categories)
            if name.casefold().startswith(begun)
        ][:MOST],
    )


def _newest(text: str, organization_uid: UUID) -> Clause:
    return {
        "query": bool_query(organization_uid, [clause_of(Words(text, "prefix"))]),
        "sort": compile_sort(Sort()),
        "size": LOOKED_AT,
        "track_total_hits": False,
        "_source": ["subject"],
    }


def _counted(clause: Clause, field: str, size: int, organization_uid: UUID) -> Clause:
    order = [{"_count": "desc"}, {"_key": "asc"}]
    return {
        "query": bool_query(organization_uid, [clause]),
        "size": 0,
        "track_total_hits": False,
        "aggs": {"found": {"terms": {"field": field, "size": size, "order": order}}},
    }


def _senders(text: str, organization_uid: UUID) -> Clause:
    begun = {"query": text, "operator": "and"}
    clause = any_of(
        {"prefix": {"metadata.from_email": {"value": text.strip().lower()}}},
        {"match_bool_prefix": {"metadata.from_email.words": begun}},
        {"match_bool_prefix": {"metadata.from_name": begun}},
    )
    return _counted(clause, "metadata.from_email", MOST, organization_uid)


def _categories(text: str, organization_uid: UUID) -> Clause:
    clause = {"prefix": {"categories": {"value": text.strip(), "case_insensitive": True}}}
    return _counted(clause, "categories", MOST_CATEGORIES, organization_uid)


def _found(answer: SearchAnswer) -> list[tuple[str, int]]:
    """The values of the field, each with its number of conversations."""
    return [(str(bucket["key"]), bucket["doc_count"]) for bucket in listed(answer.aggregations["found"])]


def _completed(text: str, answer: SearchAnswer) -> list[SuggestedText]:
    """The text with its last word completed. Completions that more of the newest subjects have come first."""
    before, last = _split(text)
    begun = fold(last)
    counts: Counter[str] = Counter()
    for hit in answer.hits.hits:
        subject = fold(responses.decode(hit.source, _Subject).subject or "")
        counts.update(set(_runs(subject, begun) if SPACELESS.search(last) else _words(subject, begun)))
    best = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))[:MOST]
    return [SuggestedText(text=f"{before}{word}", count=count) for word, count in best]


def _split(text: str) -> tuple[str, str]:
    """The text before the last word, and the last word."""
    found = list(WORD.finditer(text.rstrip()))
    return (text[: found[-1].start()], found[-1][0]) if found else (text, "")


def _words(subject: str, begun: str) -> list[str]:
    return [word for word in WORD.findall(subject) if begun and word.startswith(begun)]


def _runs(subject: str, begun: str) -> list[str]:
    """The completions in a script without spaces, with at most RUN further characters."""
    found = []
    at = subject.find(begun)
    while at >= 0:
        end = at + len(begun)
        while end < len(subject) and end < at + len(begun) + RUN and SPACELESS.match(subject[end]):
            end += 1
        found.append(subject[at:end])
        at = subject.find(begun, at + 1)
    return found
