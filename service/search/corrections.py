"""Corrections of the words of a text that finds nothing, from the organization's own words.

A word that no subject has may contain typing mistakes or letters of its neighbour. It may also be two words written as
one, or half of a word written as two. In scripts without spaces, a run of characters may contain a wrong one. Each
correction has a score in bits, as in a noisy channel: the logarithm of its frequency in the organization, minus the
cost of each change.
"""

from __future__ import annotations

import asyncio
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from uuid import UUID

import msgspec

from service.client import responses
from service.query.conditions import Match, Words
from service.query.conversation_query import Sort
from service.search.clauses import EXACT, Clause, any_of
from service.search.compiler import bool_query, compile_sort
from service.search.resolution import count_each
from service.search.searcher import Searcher
from service.search.subject_clauses import clause_of
from service.search.vocabulary_clauses import near_word
from service.search.words.forms import split
from service.search.words.similarity import SIGN, likely_runs, likely_words, missing_letters
from service.search.words.written_words import LONGEST, joins_letters, written
from service.text import REPLY_MARKS, SPACELESS, fold_for_search, kind_of_character, letters_of
from service.vocabulary import parts_of

LOOKED_AT = 50  # of the newest subjects with a similar word
MOST_WORDS = 8
SHORTEST = 3  # letters of a word that is corrected
LEAST_PART = 2  # letters of each half of a divided word
MOST_MOVED = 3  # letters by which a space may be misplaced
MOST_CORRECTIONS = 6  # of a word
SPACE = 3.0  # bits
OTHER_FORM = 6.0  # bits: the cost of keeping a word that subjects have only in other forms


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, and its position in the text."""

    text: str
    start: int
    end: int
    is_begun: bool = False  # it may be incomplete, as the last word with match=prefix

    @property
    def is_spaceless(self) -> bool:
        return bool(SPACELESS.match(self.text))


@dataclass(frozen=True, slots=True)
class Correction:
    """Another text for the words from `first` up to `end`."""

    first: int
    end: int
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Doubts:
    """The places of words that no subject has as they are written.

    `other_form` are those that subjects have in another form; `unknown` are the others.
    """

    unknown: frozenset[int]
    other_form: frozenset[int] = frozenset()

    @property
    def all(self) -> frozenset[int]:
        return self.unknown | self.other_form


class _Subject(msgspec.Struct):
    subject: str | None = None


def words_in(text: str) -> list[Word]:
    """The first words of a text: runs of letters with their apostrophes, and runs of a script without spaces.

    Reply marks, such as "Re:", are left out, because search ignores them.
    """
    marks = [range(*mark.span()) for mark in REPLY_MARKS.finditer(text.replace("：", ":"))]
    words: list[Word] = []
    at = 0
    while at < len(text) and len(words) < MOST_WORDS:
        start, kind = at, _kind(text[at])
        while at < len(text) and (_kind(text[at]) == kind or (kind == "letter" and _is_within(text, at))):
            at += 1
        if kind in ("letter", "spaceless") and not any(start in mark for mark in marks):
            words.append(Word(text[start:at], start, at))
    return words


def _is_within(text: str, at: int) -> bool:
    return joins_letters(text[at]) and at + 1 < len(text) and _kind(text[at + 1]) == "letter"


def _kind(character: str) -> str:
    return "spaceless" if SPACELESS.match(character) else kind_of_character(character)


async def corrections(
    searcher: Searcher, words: Sequence[Word], match: Match, text: str, organization_uid: UUID
) -> tuple[Doubts, list[Correction]]:
    """The words that no subject of the organization has as they are written, and the possible corrections."""
    doubts = await _doubts(searcher, words, match, organization_uid)
    places = [place for place in sorted(doubts.all) if _is_correctable(words[place])]
    found = await asyncio.gather(*(_near(searcher, place, words[place], organization_uid) for place in places))
    near = dict(zip(places, found, strict=True))
    # A word such as dont is right if it finds subjects with don't, which differs from it only in a sign.
    right = {place for place in doubts.other_form if any(one.score == -SIGN for one in near.get(place, ()))}
    doubts = Doubts(doubts.unknown, doubts.other_form - right)
    possible = [one for place in places if place not in right for one in near[place]]
    possible += [*_divided(words), *_of_pairs(text, words)]
    texts = list(dict.fromkeys(one.text for one in possible))
    _total, counts = await count_each(
        searcher, {one: clause_of(Words(one, "phrase"), organization_uid) for one in texts}, organization_uid
    )
    scored = [
        Correction(one.first, one.end, one.text, one.score + math.log2(counts[one.text] + 1))
        for one in possible
        if counts[one.text]
    ]
    return doubts, _best(scored, len(words))


async def _doubts(searcher: Searcher, words: Sequence[Word], match: Match, organization_uid: UUID) -> Doubts:
    """The words that no subject has as they are written. Unless match is phrase or exact, two words may make up one."""
    only_written = match in ("phrase", "exact")
    filters: dict[str, Clause] = {}
    for place, word in enumerate(words):
        ways = [word.text] if only_written else [word.text, *split(word.text)]
        written_so = [clause_of(Words(way, "phrase"), organization_uid) for way in ways]
        if word.is_begun:
            written_so.append(clause_of(Words(word.text, "prefix"), organization_uid))
        filters[f"{place} written"] = any_of(*written_so)
        if not only_written:
            form = Words(word.text, "fuzzy" if match == "fuzzy" else "words")
            filters[f"{place} found"] = clause_of(form, organization_uid)
    _total, counts = await count_each(searcher, filters, organization_uid)
    doubtful = {place for place in range(len(words)) if not counts[f"{place} written"]}
    unknown = frozenset(place for place in doubtful if not counts.get(f"{place} found"))
    return Doubts(unknown, frozenset(doubtful - unknown))


def _best(scored: list[Correction], places: int) -> list[Correction]:
    kept: list[Correction] = []
    for place in range(places):
        own = sorted((one for one in scored if one.first == place), key=lambda one: (-one.score, one.text))
        kept += own[:MOST_CORRECTIONS]
    return kept


def _is_correctable(word: Word) -> bool:
    return SHORTEST <= len(fold_for_search(word.text)) <= LONGEST


def _divided(words: Sequence[Word]) -> list[Correction]:
    """Each word as two words: `loginpage` as `login page`."""
    return [
        Correction(place, place + 1, f"{word.text[:at]} {word.text[at:]}", -SPACE)
        for place, word in enumerate(words)
        if not word.is_spaceless and len(word.text) <= LONGEST
        for at in range(LEAST_PART, len(word.text) - LEAST_PART + 1)
        if unicodedata.category(word.text[at])[0] == "L" and not joins_letters(word.text[at - 1])
    ]


def _of_pairs(text: str, words: Sequence[Word]) -> list[Correction]:
    """Each pair of neighbours as one word (`data base` as `database`), and with the space elsewhere (`th ename`)."""
    found: list[Correction] = []
    for place, (one, other) in enumerate(pairwise(words)):
        if one.is_spaceless or other.is_spaceless or text[one.end : other.start].strip(" -"):
            continue
        whole = one.text + other.text
        found.append(Correction(place, place + 2, whole, -SPACE))
        for at in range(len(one.text) - MOST_MOVED, len(one.text) + MOST_MOVED + 1):
            is_elsewhere = at != len(one.text) and LEAST_PART <= at <= len(whole) - LEAST_PART
            if is_elsewhere and kind_of_character(whole[at]) == "letter":
                found.append(Correction(place, place + 2, f"{whole[:at]} {whole[at:]}", -2 * SPACE))
    return found


async def _near(searcher: Searcher, place: int, word: Word, organization_uid: UUID) -> list[Correction]:
    """Corrections of this word, from the newest subjects that have a similar word."""
    clauses = _run_clauses(word.text) if word.is_spaceless else _word_clauses(word.text, organization_uid)
    answers = await asyncio.gather(
        *(searcher.ask(_newest(clause, organization_uid), organization_uid) for clause in clauses)
    )
    subjects = {responses.decode(hit.source, _Subject).subject or "" for answer in answers for hit in answer.hits.hits}
    texts = [written(subject) for subject in sorted(subjects)]
    likely = likely_runs(word.text, texts) if word.is_spaceless else likely_words(word.text, texts)
    return [Correction(place, place + 1, one, -cost) for cost, one in likely]


def _word_clauses(word: str, organization_uid: UUID) -> list[Clause]:
    """Words with one mistake anywhere, and with two mistakes after the first letter."""
    longest = max(parts_of(word), key=len, default=word)
    one = near_word(longest, organization_uid, mistakes=1, same=0)
    two = near_word(longest, organization_uid, mistakes=2)
    return [one, two] if len(longest) > SHORTEST else [one]


def _run_clauses(run: str) -> list[Clause]:
    """Subjects with nearly all letters of a run."""
    letters = len(letters_of(run))
    return [{"match": {EXACT: {"query": run, "minimum_should_match": letters - missing_letters(letters)}}}]


def _newest(clause: Clause, organization_uid: UUID) -> Clause:
    return {
        "query": bool_query(organization_uid, [clause]),
        "sort": compile_sort(Sort()),
        "size": LOOKED_AT,
        "track_total_hits": False,
        "_source": ["subject"],
    }


def corrected_texts(
    text: str, words: Sequence[Word], doubts: Doubts, possible: Sequence[Correction], most: int
) -> list[str]:
    """Up to `most` corrected texts, the best first. If no word is doubtful, each text has one correction.

    A doubtful word may stay as it is if subjects have another form of it.
    """
    doubtful = doubts.all
    ways: dict[int, list[tuple[float, int, str]]] = {0: [(0.0, 0, "")]}
    for place, word in enumerate(words):
        begun = sorted(ways.pop(place, []), key=lambda way: (-way[0], way[2]))[:most]
        before = text[words[place - 1].end if place else 0 : word.start]
        for score, changes, made in begun:
            if place not in doubts.unknown:
                kept = score - (OTHER_FORM if place in doubtful else 0.0)
                ways.setdefault(place + 1, []).append((kept, changes, made + before + word.text))
            for one in possible:
                if one.first == place and (doubtful & set(range(place, one.end)) or not changes):
                    made_so = made + before + one.text
                    ways.setdefault(one.end, []).append((score + one.score, changes + 1, made_so))
    ended = sorted(ways.get(len(words), []), key=lambda way: (-way[0], way[2]))
    rest = text[words[-1].end :] if words else ""
    return list(dict.fromkeys(made + rest for _score, changes, made in ended if changes))[:most]
