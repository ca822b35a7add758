"""Completions of a text while it is typed: words of subjects, senders, categories and labels of the organization.

Words come from the newest matching subjects: whole, and as they are written there, but in lower case. A search with
each of them finds something. Senders, categories and labels are counted over all conversations.
"""

from __future__ import annotations

import asyncio
import re
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
from service.search.clauses import Clause, all_of, any_of
from service.search.compiler import bool_query, compile_sort
from service.search.facets import CACHED
from service.search.resolution import count_each
from service.search.searcher import Searcher
from service.search.subject_clauses import clause_of
from service.search.vocabulary_clauses import own_beginning, own_term
from service.search.words.written_words import begun_words, key_of, written
from service.text import SPACELESS, fold_for_search, has_words, plain_of, without_invisible, without_punctuation
from service.vocabulary import (
    CATEGORY,
    LABEL,
    MOST_JOINED,
    SENDER,
    letters_at_end,
    letters_term,
    name_term,
    parts_of,
)

MOST = 5
LOOKED_AT = 50  # of the newest matching subjects
MOST_TRIED = 20  # completions
MOST_NAMES = 200  # categories or labels of the conversations that have one with the text


class _Subject(msgspec.Struct):
    subject: str | None = None


async def suggest(searcher: Searcher, text: str, organization_uid: UUID) -> Suggestions:
    """Up to five suggestions of each kind. Those in `words` are the whole text with its last word completed."""
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
    if not last or SPACELESS.search(text):
        return _counted(_sender_with(text, organization_uid), "metadata.from_email", MOST, organization_uid)
    parts = [own_term(SENDER + part, organization_uid) for part in before]
    begun = all_of([*parts, own_beginning(SENDER + last, organization_uid)])
    return _counted(begun, "metadata.from_email", MOST, organization_uid)


def _sender_with(text: str, organization_uid: UUID) -> Clause:
    """Conversations whose sender has the text in the name or the address. Its last letter may be incomplete."""
    ways, plain = [_in_sender(text)], plain_of(text)
    if letters := letters_at_end(plain):
        begun = own_beginning(SENDER + letters_term(letters[-MOST_JOINED:]), organization_uid)
        before = plain[: plain.rfind(letters[-1][0])]
        ways.append(all_of([begun, _in_sender(before)]) if has_words(before) else begun)
    return any_of(*ways)


def _in_sender(text: str) -> Clause:
    fields = ("metadata.from_name", "metadata.from_email.words")
    return any_of(*({"match_phrase": {field: {"query": text}}} for field in fields))


def _names(text: str, kind: str, field: str, organization_uid: UUID) -> Clause:
    """Conversations with a category or a label that begins with the text."""
    return _counted(own_beginning(name_term(kind, text), organization_uid), field, MOST_NAMES, organization_uid)


def _begun(text: str, answer: SearchAnswer) -> list[tuple[str, int]]:
    """The names that begin with the text. The answer also has other names of the same conversations."""
    begun = fold_for_search(" ".join(text.split()))
    return [
        (name, count) for name, count in _found(answer) if fold_for_search(" ".join(name.split())).startswith(begun)
    ][:MOST]


def _found(answer: SearchAnswer) -> list[tuple[str, int]]:
    """The values of the field, each with its number of conversations."""
    return [(str(bucket["key"]), bucket["doc_count"]) for bucket in listed(answer.aggregations["found"])]


def completed(text: str, subjects: Sequence[str]) -> list[SuggestedText]:
    """The text with its last word completed by words of the subjects, the best first. Typed words are not repeated.

    Words that begin exactly as typed come before others. Among equals, words that directly follow the previous typed
    word in a subject come first, then frequent ones.
    """
    before, last = _split(text)
    typed_before = {key_of(word) for piece in before.split() for word in (piece, *parts_of(piece))}
    counts: Counter[str] = Counter()
    adjacent: Counter[str] = Counter()
    forms: dict[str, Counter[str]] = {}
    for typed in dict.fromkeys((last, _without_punctuation(last))):
        for subject in subjects:
            found = begun_words(written(subject), key_of(typed))
            for key, word in {key_of(word): word for word in found}.items():
                if key in typed_before:
                    continue
                counts[key] += 1
                adjacent[key] += _is_adjacent(before, word, subject)
                forms.setdefault(key, Counter())[word] += 1
        if counts:
            break
    exact = written(last)
    shown = {key: _shown(words, exact) for key, words in forms.items()}
    best = sorted(counts, key=lambda key: (not shown[key].startswith(exact), not adjacent[key], -counts[key], key))
    return [SuggestedText(text=f"{before}{shown[key]}", count=counts[key]) for key in best]


def _is_adjacent(before: str, word: str, subject: str) -> bool:
    """Whether the word directly follows, in the subject, the last word of `before`."""
    *_others, last = before.split() or [""]
    pattern = rf"{re.escape(fold_for_search(written(last)))}\W+{re.escape(fold_for_search(word))}"
    return bool(last) and bool(re.search(pattern, fold_for_search(written(subject))))


def _shown(forms: Counter[str], exact: str) -> str:
    """The written form of a word to show: one that begins as typed, or else the most frequent one."""
    return min(forms, key=lambda word: (not word.startswith(exact), -forms[word], word))


def _split(text: str) -> tuple[str, str]:
    """The text up to the last word, with its opening brackets and quotes; and the last word, with its other signs."""
    *_before, piece = text.split() or [""]
    start = text.rindex(piece)
    end = start + len(piece)
    while start < end and _is_in_front(text[start]):
        start += 1
    return text[: end - len(piece)] + without_invisible(text[end - len(piece) : start]), text[start:end]


def _is_in_front(character: str) -> bool:
    """Whether the character is not part of the word after it: a quotation mark, a bracket, a dash, or invisible."""
    return (
        unicodedata.category(character) in ("Ps", "Pi", "Pf", "Pd", "Cf")
        or character in "\"'*¿¡"
        or not without_invisible(character)
    )


def _without_punctuation(word: str) -> str:
    """The word without punctuation after it, and without dots and the like in front. Other signs in front stay."""
    return without_punctuation(word).lstrip(".,:;!?/…")
