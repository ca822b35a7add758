"""Corrections of the words of a text that finds nothing, from the organization's own words.

A word that no subject has may be another word with typing mistakes, two words written as one, half of a word that was
written as two, or have letters of its neighbour. In scripts without spaces, a run of characters may have a wrong one.
Each correction has a score in bits, as in a noisy channel: how frequent the right word is in the organization, less
what each change costs.
"""

from __future__ import annotations

import asyncio
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import islice, pairwise
from uuid import UUID

import msgspec

from service.client import responses
from service.query.conditions import Words
from service.query.conversation_query import Sort
from service.search.compiler import bool_query, compile_sort
from service.search.resolution import count_each
from service.search.searcher import Searcher
from service.search.subject_clauses import EXACT, Clause, clause_of, near_word
from service.text import REPLY_MARKS, SPACELESS, kind_of_character, plain_of
from service.vocabulary import comparable, parts_of

LOOKED_AT = 50  # of the newest subjects with a similar word
MOST_WORDS = 8
SHORTEST, LONGEST = 3, 50  # letters of a word that is corrected
LEAST_PART = 2  # letters of each half of a divided word
MOST_MOVED = 3  # letters that a space is away from its place
LEAST_ALIKE = 0.6
MOST_CANDIDATES = 1_000  # a comparison takes about 20 microseconds
MOST_CORRECTIONS = 6  # of a word
CHANGE, FIRST_LETTER, SPACE = 5.0, 2.0, 3.0  # bits


_BEFORE = "เแโใไເແໂໃໄ"  # vowels of Thai and Lao that stand before their consonant, so that no word ends with one


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text, and where it stands."""

    text: str
    start: int
    end: int

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


class _Subject(msgspec.Struct):
    subject: str | None = None


def words_in(text: str) -> list[Word]:
    """The first words of a text: runs of letters, and runs of a script without spaces."""
    words: list[Word] = []
    at = 0
    while at < len(text) and len(words) < MOST_WORDS:
        start, kind = at, _kind(text[at])
        while at < len(text) and _kind(text[at]) == kind:
            at += 1
        if kind in ("letter", "spaceless"):
            words.append(Word(text[start:at], start, at))
    return words


def _kind(character: str) -> str:
    return "spaceless" if SPACELESS.match(character) else kind_of_character(character)


async def corrections(
    searcher: Searcher, text: str, words: Sequence[Word], organization_uid: UUID
) -> tuple[set[int], list[Correction]]:
    """The places of the words that no subject of the organization has, and the possible corrections."""
    _total, counts = await count_each(
        searcher, {word.text: clause_of(Words(word.text), organization_uid) for word in words}, organization_uid
    )
    unknown = {place for place, word in enumerate(words) if not counts[word.text]}
    near = await asyncio.gather(
        *(
            _near(searcher, place, words[place], organization_uid)
            for place in sorted(unknown)
            if _is_correctable(words[place])
        )
    )
    possible = [*(one for found in near for one in found), *_divided(words), *_of_pairs(text, words)]
    texts = list(dict.fromkeys(one.text for one in possible))
    _total, found = await count_each(
        searcher, {one: clause_of(Words(one, "phrase"), organization_uid) for one in texts}, organization_uid
    )
    scored = [
        Correction(one.first, one.end, one.text, one.score + math.log2(found[one.text] + 1))
        for one in possible
        if found[one.text]
    ]
    return unknown, _best(scored, len(words))


def _best(scored: list[Correction], places: int) -> list[Correction]:
    kept: list[Correction] = []
    for place in range(places):
        own = sorted((one for one in scored if one.first == place), key=lambda one: (-one.score, one.text))
        kept += own[:MOST_CORRECTIONS]
    return kept


def _is_correctable(word: Word) -> bool:
    return SHORTEST <= len(comparable(word.text)) <= LONGEST


def _divided(words: Sequence[Word]) -> list[Correction]:
    """Each word as two words: `loginpage` as `login page`."""
    return [
        Correction(place, place + 1, f"{word.text[:at]} {word.text[at:]}", -SPACE)
        for place, word in enumerate(words)
        if not word.is_spaceless and len(word.text) <= LONGEST
        for at in range(LEAST_PART, len(word.text) - LEAST_PART + 1)
        if kind_of_character(word.text[at]) == "letter" and comparable(word.text[at])
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
    """Words of the newest subjects that have a word like this one."""
    clauses = _run_clauses(word.text) if word.is_spaceless else _word_clauses(word.text, organization_uid)
    answers = await asyncio.gather(
        *(searcher.ask(_newest(clause, organization_uid), organization_uid) for clause in clauses)
    )
    subjects = {responses.decode(hit.source, _Subject).subject or "" for answer in answers for hit in answer.hits.hits}
    plain = [REPLY_MARKS.sub(r"\1 ", plain_of(subject)).lower() for subject in sorted(subjects)]
    if not word.is_spaceless:
        return _likely(place, word, (part for subject in plain for part in parts_of(subject)))
    length = len(_letters(word.text))  # a shorter part of a run is always at least as frequent, so it comes second
    same = _likely(place, word, (part for subject in plain for part in _runs(subject, length)))
    return same or _likely(
        place, word, (part for subject in plain for size in (length + 1, length - 1) for part in _runs(subject, size))
    )


def _likely(place: int, word: Word, candidates: Iterable[str]) -> list[Correction]:
    compared = plain_of if word.is_spaceless else comparable  # in scripts without spaces, marks are letters
    typed = compared(word.text)
    distinct = list(islice(dict.fromkeys(one for one in candidates if len(one) <= LONGEST), MOST_CANDIDATES))
    scored = [Correction(place, place + 1, one, -_cost(typed, compared(one))) for one in distinct]
    most = CHANGE * (1 - LEAST_ALIKE) * len(typed) + FIRST_LETTER
    likely = [one for one in scored if -one.score <= most and compared(one.text) != typed]
    return sorted(likely, key=lambda one: (-one.score, one.text))[: 4 * MOST_CORRECTIONS]


def _cost(typed: str, candidate: str) -> float:
    """In bits, by the letters that are not in both words in the same order."""
    blocks = SequenceMatcher(None, typed, candidate, autojunk=False).get_matching_blocks()
    changes = max(len(typed), len(candidate)) - sum(block.size for block in blocks)
    return CHANGE * changes + (FIRST_LETTER if typed[:1] != candidate[:1] else 0.0)


def _word_clauses(word: str, organization_uid: UUID) -> list[Clause]:
    """Words with one mistake anywhere, and with two mistakes behind the first letter."""
    one = near_word(word, organization_uid, mistakes=1, same=0)
    two = near_word(word, organization_uid, mistakes=2)
    return [one, two] if len(word) > SHORTEST else [one]


def _run_clauses(run: str) -> list[Clause]:
    """Subjects with nearly all letters of a run."""
    letters = len(_letters(run))
    missing = 1 if letters <= 5 else 2
    return [{"match": {EXACT: {"query": run, "minimum_should_match": letters - missing}}}]


def _runs(subject: str, length: int) -> list[str]:
    """The parts of a subject in a script without spaces that have so many letters."""
    letters = _letters(subject)
    parts = ["".join(letters[at : at + length]) for at in range(len(letters) - length + 1)]
    return [part for part in parts if length > 1 and all(map(SPACELESS.match, part)) and part[-1] not in _BEFORE]


def _letters(text: str) -> list[str]:
    """The letters with their marks, as the mapping's tokenizer `runs` cuts a script without spaces."""
    letters: list[str] = []
    for character in text:
        if letters and unicodedata.category(character)[0] == "M":
            letters[-1] += character
        else:
            letters.append(character)
    return letters


def _newest(clause: Clause, organization_uid: UUID) -> Clause:
    return {
        "query": bool_query(organization_uid, [clause]),
        "sort": compile_sort(Sort()),
        "size": LOOKED_AT,
        "track_total_hits": False,
        "_source": ["subject"],
    }


def corrected_texts(
    text: str, words: Sequence[Word], unknown: set[int], possible: Sequence[Correction], most: int
) -> list[str]:
    """The text with each unknown word corrected, in the best ways. If all words are known, with one correction."""
    ways: dict[int, list[tuple[float, int, str]]] = {0: [(0.0, 0, "")]}
    for place, word in enumerate(words):
        begun = sorted(ways.pop(place, []), key=lambda way: (-way[0], way[2]))[:most]
        before = text[words[place - 1].end if place else 0 : word.start]
        for score, changes, made in begun:
            if place not in unknown:
                ways.setdefault(place + 1, []).append((score, changes, made + before + word.text))
            for one in possible:
                if one.first == place and (place in unknown or unknown & set(range(place, one.end)) or not changes):
                    made_so = made + before + one.text
                    ways.setdefault(one.end, []).append((score + one.score, changes + 1, made_so))
    ended = sorted(ways.get(len(words), []), key=lambda way: (-way[0], way[2]))
    rest = text[words[-1].end :] if words else ""
    return list(dict.fromkeys(made + rest for _score, changes, made in ended if changes))[:most]
