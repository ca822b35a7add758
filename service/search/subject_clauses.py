"""Words in the subject -> clauses. What callers type goes into match, match_phrase and term queries only.

A text is cut at its spaces. Each piece must be found: `2024-07-01` or `ada@example.com` as its parts in their order, a
run of a script that writes without spaces as any part of a run, or by its words as a dictionary cuts them. Two fields
answer: `subject` (the forms as written, folded; one token a letter in those scripts) and `subject.english` (stems, and
dictionary words in those scripts). Each piece costs at most four clauses, so the longest text costs some hundreds.
A repeated piece costs them once.

Two kinds of match look for words that are only like the given ones: fuzzy and prefix. They look through the words of
the organization (service/vocabulary.py). However many are alike, each of these clauses is one clause.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from service.query.conditions import Words
from service.text import SPACELESS, fold, kind_of_character, pieces_of
from service.vocabulary import FIELD, LONGEST, MOST_JOINED, OWNER_CHARACTERS, joined, owner, parts_of

Clause = Mapping[str, object]
"""A part of a search body, in the form that OpenSearch reads."""

EXACT, STEMS, WHOLE = "subject", "subject.english", "subject.whole"
ALL_NEAR = "constant_score"  # the rewrite with which every near word counts, and together they are one clause
UP_TO_2, UP_TO_5 = 2, 5  # letters of words without a mistake, and with at most one; longer words may have two

LEAST_SHARE, SHARES = "1", ("1", "34%", "67%")  # of the words in a piece of a script without spaces

Scored = tuple[int, Clause]
NO_WORTHS: Mapping[str, int] = MappingProxyType({})
WHOLE_WORTH, PHRASE_WORTH, STEM_PHRASE_WORTH, FORMS_WORTH = 8, 4, 2, 1


def clause_of(words: Words, organization_uid: UUID) -> Clause:
    """The clause for the organization's subjects that contain the words."""
    return _clause(words, _Own(organization_uid))


def clause_for_marks(words: Words) -> Clause:
    """The clause whose matches are marked in subjects that were found, so it may be about words of any organization."""
    return _clause(words, _Anywhere())


def _clause(words: Words, vocabulary: _Vocabulary) -> Clause:
    pieces = list(dict.fromkeys(pieces_of(words.text)))
    if not pieces:
        return NOTHING
    whole = _stems if words.stems else _forms
    *before, last = pieces_of(words.text)
    clauses: Mapping[str, Callable[[], Clause]] = {
        "exact": lambda: {"term": {WHOLE: words.text}},
        "phrase": lambda: _phrase(EXACT, words.text),
        "any": lambda: any_of(*map(any_part, pieces)),
        "fuzzy": lambda: all_of([_fuzzy(piece, vocabulary) for piece in pieces]),
        "prefix": lambda: all_of([*map(whole, dict.fromkeys(before)), _unfinished(last, vocabulary)]),
    }
    return clauses.get(words.match, lambda: all_of([whole(piece) for piece in pieces]))()


class _Vocabulary(Protocol):
    """Where words that are like the given ones are looked for."""

    def near(self, word: str) -> Clause:
        """A word with typing mistakes: none in its first letter."""

    def begun(self, parts: list[str]) -> Clause:
        """The parts of a piece next to each other. The last one may be incomplete."""


@dataclass(frozen=True, slots=True)
class _Own:
    """The words of one organization."""

    organization_uid: UUID

    def near(self, word: str) -> Clause:
        return near_word(word, self.organization_uid, mistakes=mistakes_in(word))

    def begun(self, parts: list[str]) -> Clause:
        term = parts[0] if len(parts) == 1 else joined(parts[-MOST_JOINED:])
        return own_beginning(term, self.organization_uid)


class _Anywhere:
    """The words of a subject that was found."""

    def near(self, word: str) -> Clause:
        return _all(EXACT, word, fuzziness=mistakes_in(word), prefix_length=1, fuzzy_rewrite=ALL_NEAR)

    def begun(self, parts: list[str]) -> Clause:
        return {"match_bool_prefix": {EXACT: {"query": " ".join(parts), "operator": "and"}}}


def own_term(term: str, organization_uid: UUID) -> Clause:
    """Conversations of the organization with this term of its vocabulary."""
    return {"match": {FIELD: {"query": owner(organization_uid) + term}}}


def own_beginning(term: str, organization_uid: UUID) -> Clause:
    """Conversations of the organization with a term of its vocabulary that begins like this one."""
    return {"match_bool_prefix": {FIELD: {"query": owner(organization_uid) + term}}}


def near_word(word: str, organization_uid: UUID, *, mistakes: int, same: int = 1) -> Clause:
    """The organization's words that differ from the word by so many letters, and not in the first `same` ones."""
    term = owner(organization_uid) + word[:LONGEST]
    prefix = OWNER_CHARACTERS + same
    return _all(FIELD, term, fuzziness=mistakes, prefix_length=prefix, fuzzy_rewrite=ALL_NEAR)


def mistakes_in(word: str) -> int:
    """How many letters of the word may be wrong."""
    letters = len(fold(word))
    return 0 if letters <= UP_TO_2 else 1 if letters <= UP_TO_5 else 2


NOTHING: Clause = {"match_none": {}}


def all_of(clauses: list[Clause]) -> Clause:
    return clauses[0] if len(clauses) == 1 else {"bool": {"filter": clauses}}


def any_of(*clauses: Clause) -> Clause:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def none_of(clause: Clause) -> Clause:
    return {"bool": {"must_not": [clause]}}


def _phrase(field: str, text: str, **options: object) -> Clause:
    return {"match_phrase": {field: {"query": text, **options}}}


def _piece(field: str, piece: str) -> Clause:
    return _phrase(field, piece, zero_terms_query="all")


def _all(field: str, text: str, **options: object) -> Clause:
    return {"match": {field: {"query": text, "operator": "and", **options}}}


def _forms(piece: str) -> Clause:
    return _piece(EXACT, piece)


def _stems(piece: str) -> Clause:
    """The piece in any English form. In a script without spaces: the exact text, or all of its words."""
    if SPACELESS.search(piece):
        return any_of(_piece(EXACT, piece), _all(STEMS, piece))
    return _piece(STEMS, piece)


def any_part(piece: str) -> Clause:
    """The piece in any form. In a script without spaces: the exact text, or any of its words."""
    if SPACELESS.search(piece):
        return any_of(_forms(piece), _words_of(piece, LEAST_SHARE))
    return _stems(piece)


def _shares(piece: str) -> list[Clause]:
    """What counts for a piece, if any word is enough. In a script without spaces, the share of its words counts."""
    if SPACELESS.search(piece):
        return [*(_words_of(piece, share) for share in SHARES), _stems(piece)]
    return [_stems(piece)]


def _words_of(piece: str, share: str) -> Clause:
    return {"match": {STEMS: {"query": piece, "minimum_should_match": share}}}


def _fuzzy(piece: str, vocabulary: _Vocabulary) -> Clause:
    """The piece with typing mistakes. Numbers and scripts without spaces must match exactly."""
    parts = parts_of(piece)
    if not parts or SPACELESS.search(piece) or any(character.isdigit() for character in piece):
        return _stems(piece)
    return any_of(_stems(piece), all_of([*_symbols(piece), *map(vocabulary.near, dict.fromkeys(parts))]))


def _unfinished(piece: str, vocabulary: _Vocabulary) -> Clause:
    """The last part of the piece may be incomplete. The parts before it are complete and stand right before it."""
    parts = parts_of(piece)
    if not parts or SPACELESS.search(piece):
        return _stems(piece)
    head = [_phrase(EXACT, " ".join(parts[:-1]))] if len(parts) > MOST_JOINED else []
    return any_of(all_of([*_symbols(piece), *head, vocabulary.begun(parts)]), _stems(piece))


def _symbols(piece: str) -> list[Clause]:
    """The symbols of a piece, which are not among its parts."""
    return [_forms(character) for character in dict.fromkeys(piece) if kind_of_character(character) == "symbol"]


def relevance(words: Words, worths: Mapping[str, int] = NO_WORTHS) -> list[Scored]:
    """What makes a match better, each with its worth in whole numbers. A score is the sum of the worths that apply.

    The whole subject, the phrase, and the exact forms: so exact subjects come before phrases, phrases before single
    words, and exact forms before stems. Scores can be equal, and then the newest comes first. In a text of one piece,
    the phrase is the form. If any word is enough, each word counts by its worth, which is greater for rare words.
    """
    pieces = pieces_of(words.text) or [words.text]
    tiers = [(WHOLE_WORTH, {"term": {WHOLE: words.text}}), (PHRASE_WORTH, _phrase(EXACT, words.text))]
    if len(pieces) > 1:
        tiers.append((STEM_PHRASE_WORTH, _phrase(STEMS, words.text)))
        tiers.append((FORMS_WORTH, all_of([_forms(piece) for piece in dict.fromkeys(pieces)])))
    return [*tiers, *((worth, clause) for piece, worth in worths.items() for clause in _shares(piece))]


def scoring(tiers: Sequence[Scored]) -> list[Clause]:
    """The clauses of a search that scores by these worths."""
    return [{"constant_score": {"filter": clause, "boost": float(worth)}} for worth, clause in tiers]
