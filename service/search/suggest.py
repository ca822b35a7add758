"""Completions of a text while it is typed: words of subjects, senders, categories and labels of the organization.

Words come from the newest matching subjects, as they are written there, but in lower case. A search with any of them
finds something. The others are counted over all conversations.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections import Counter
from collections.abc import Sequence
from uuid import UUID

import msgspec

from service.client import responses
from service.client.responses import SearchAnswer, listed
from service.query.conditions import Words
from service.query.conversation_query import Sort
from service.search import exact_terms
from service.search.answers import SuggestedCategory, SuggestedLabel, SuggestedSender, SuggestedText, Suggestions
from service.search.compiler import bool_query, compile_sort
from service.search.facets import CACHED
from service.search.resolution import count_each
from service.search.searcher import Searcher
from service.search.subject_clauses import Clause, all_of, clause_of, own_beginning, own_term
from service.text import REPLY_MARKS, SPACELESS, kind_of_character, plain_of, without_invisible
from service.vocabulary import CATEGORY, LABEL, SENDER, comparable, name_term, parts_of

MOST = 5
LOOKED_AT = 50  # of the newest matching subjects
MOST_TRIED = 20  # completions
MOST_NAMES = 200  # categories or labels of the conversations that have one with the text
RUN = 16  # further characters of a completion in scripts without spaces


class _Subject(msgspec.Struct):
    subject: str | None = None


async def suggest(searcher: Searcher, text: str, organization_uid: UUID) -> Suggestions:
    """Up to five of each. `words` has the whole text with its last word completed."""
    async with searcher.deadlined():
        words, senders, categories, labels = await asyncio.gather(
            _completions(searcher, text, organization_uid),
            exact_terms.ask(searcher, _senders(text, organization_uid), organization_uid, **CACHED),
            exact_terms.ask(
                searcher, _names(text, CATEGORY, "categories", organization_uid), organization_uid, **CACHED
            ),
            exact_terms.ask(
                searcher, _names(text, LABEL, "metadata.labels", organization_uid), organization_uid, **CACHED
            ),
        )
    return Suggestions(
        words=words,
        senders=[SuggestedSender(from_email=address, count=count) for address, count in _found(senders)],
        categories=[SuggestedCategory(category=name, count=count) for name, count in _begun(text, categories)],
        labels=[SuggestedLabel(label=name, count=count) for name, count in _begun(text, labels)],
    )


async def _completions(searcher: Searcher, text: str, organization_uid: UUID) -> list[SuggestedText]:
    """The text with its last word completed in ways that find something. The most frequent ones come first."""
    answer = await searcher.ask(_newest(text, organization_uid), organization_uid)
    subjects = [responses.decode(hit.source, _Subject).subject or "" for hit in answer.hits.hits]
    possible = completed(text, subjects)[:MOST_TRIED]
    filters = {one.text: clause_of(Words(one.text), organization_uid) for one in possible}
    _total, counts = await count_each(searcher, filters, organization_uid)
    return [one for one in possible if counts[one.text]][:MOST]


def _newest(text: str, organization_uid: UUID) -> Clause:
    return {
        "query": bool_query(organization_uid, [clause_of(Words(text, "prefix"), organization_uid)]),
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
        "aggs": {"found": {"terms": {"field": field, "size": size, "shard_size": exact_terms.SENT, "order": order}}},
    }


def _senders(text: str, organization_uid: UUID) -> Clause:
    """Conversations whose sender has all parts of the text. The last one may be incomplete."""
    *before, last = parts_of(plain_of(text).lower()) or [""]
    name: Clause = {"match_phrase": {"metadata.from_name": {"query": text}}}
    if not last or SPACELESS.search(text):
        return _counted(name, "metadata.from_email", MOST, organization_uid)
    parts = [own_term(SENDER + part, organization_uid) for part in before]
    begun = all_of([*parts, own_beginning(SENDER + last, organization_uid)])
    return _counted(begun, "metadata.from_email", MOST, organization_uid)


def _names(text: str, kind: str, field: str, organization_uid: UUID) -> Clause:
    """Conversations with a category or a label that begins with the text."""
    return _counted(own_beginning(name_term(kind, text), organization_uid), field, MOST_NAMES, organization_uid)


def _begun(text: str, answer: SearchAnswer) -> list[tuple[str, int]]:
    """The names that begin with the text. Conversations with such a name have other names too."""
    begun = comparable(" ".join(text.split()))
    return [(name, count) for name, count in _found(answer) if comparable(" ".join(name.split())).startswith(begun)][
        :MOST
    ]


def _found(answer: SearchAnswer) -> list[tuple[str, int]]:
    """The values of the field, each with its number of conversations."""
    return [(str(bucket["key"]), bucket["doc_count"]) for bucket in listed(answer.aggregations["found"])]


def completed(text: str, subjects: Sequence[str]) -> list[SuggestedText]:
    """The text with its last word completed, as in the subjects. Those that begin as typed come first."""
    before, last = _split(text)
    begun = comparable(last)
    counts: Counter[str] = Counter()
    written: dict[str, Counter[str]] = {}
    for subject in subjects:
        plain = REPLY_MARKS.sub(r"\1 ", plain_of(subject)).lower()
        found = _runs(plain, plain_of(last)) if SPACELESS.search(last) else _words(plain, begun)
        for folded, word in {comparable(word): word for word in found}.items():
            counts[folded] += 1
            written.setdefault(folded, Counter())[word] += 1
    exact = plain_of(last).lower()
    shown = {folded: _shown(words, exact) for folded, words in written.items()}
    best = sorted(counts, key=lambda folded: (not shown[folded].startswith(exact), -counts[folded], folded))
    return [SuggestedText(text=f"{before}{shown[folded]}", count=counts[folded]) for folded in best]


def _shown(written: Counter[str], exact: str) -> str:
    """One of the written forms of a word: one that begins as typed, or else the most frequent one."""
    return min(written, key=lambda word: (not word.startswith(exact), -written[word], word))


def _split(text: str) -> tuple[str, str]:
    """The text before the last word, and the last word."""
    end = len(text.rstrip())
    while end and not _is_of_word(text[end - 1]):
        end -= 1
    start = end
    while start and (_is_of_word(text[start - 1]) or not without_invisible(text[start - 1])):
        start -= 1
    return text[:start], without_invisible(text[start:end])


def _is_of_word(character: str) -> bool:
    return kind_of_character(character) in ("letter", "number")


def _words(subject: str, begun: str) -> list[str]:
    """The words that begin so, each with the digits or letters that follow it without a space or sign."""
    found = []
    at = 0
    while begun and at < len(subject):
        start = at
        while at < len(subject) and _is_of_word(subject[at]) and not SPACELESS.match(subject[at]):
            at += 1
        if comparable(subject[start:at]).startswith(begun):
            found.append(subject[start:at])
        at = max(at, start + 1)
    return found


def _runs(subject: str, begun: str) -> list[str]:
    """The completions in a script without spaces, with at most RUN further characters."""
    found = []
    at = subject.find(begun)
    while at >= 0:
        end = at + len(begun)
        while end < len(subject) and end < at + len(begun) + RUN and SPACELESS.match(subject[end]):
            end += 1
        while end < len(subject) and unicodedata.category(subject[end])[0] == "M":
            end += 1
        found.append(subject[at:end])
        at = subject.find(begun, at + 1)
    return found
