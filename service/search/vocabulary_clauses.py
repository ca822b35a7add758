"""Clauses for words that are only similar to the given ones: with typing mistakes, or incomplete.

OpenSearch finds them among the words of one organization (service/vocabulary.py). It leaves out none, however many are
similar (service/search/fuzzy_rewrite.py). `mistakes_in` decides how many mistakes a word may have.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from service.hangul import Range, parted, syllables_begun
from service.search import fuzzy_rewrite
from service.search.clauses import EXACT, STEMS, Clause, all_of, all_words, any_of, phrase
from service.text import SPACELESS, fold, has_words, plain_of, without_last_part
from service.vocabulary import (
    FIELD,
    LONGEST,
    MOST_JOINED,
    OWNER_CHARACTERS,
    SENDER,
    letters_term,
    owner,
    parts_of,
    parts_term,
)

UP_TO_2, UP_TO_5 = 2, 5  # letters: words up to 2 may have no mistake, up to 5 one, longer words two
LAST_CHARACTER = "\U0010ffff"


class Vocabulary(Protocol):
    """The words among which similar ones are searched for."""

    def near(self, word: str) -> Clause:
        """A word with typing mistakes, but not in its first letter."""

    def near_code(self, code: str) -> Clause:
        """A code of letters and digits, in one word, with one typing mistake, but not in its first letter."""

    def begun(self, parts: list[str]) -> Clause:
        """The parts of a piece next to each other. The last one may be incomplete."""

    def run_begun(self, letters: list[str]) -> Clause:
        """The letters of a run in a script without spaces next to each other. The last one may lack marks."""


@dataclass(frozen=True, slots=True)
class Own:
    """The words of one organization."""

    organization_uid: UUID

    def near(self, word: str) -> Clause:
        return near_word(word, self.organization_uid, mistakes=mistakes_in(word))

    def near_code(self, code: str) -> Clause:
        return near_word(code, self.organization_uid, mistakes=1)

    def begun(self, parts: list[str]) -> Clause:
        term = parts[0] if len(parts) == 1 else parts_term(parts[-MOST_JOINED:])
        return own_beginning(term, self.organization_uid)

    def run_begun(self, letters: list[str]) -> Clause:
        return own_beginning(letters_term(letters[-MOST_JOINED:]), self.organization_uid)


class Anywhere:
    """The words of a subject that was found."""

    def near(self, word: str) -> Clause:
        return all_words(
            EXACT, word, fuzziness=mistakes_in(word), prefix_length=1, fuzzy_rewrite=fuzzy_rewrite.TOGETHER
        )

    def near_code(self, code: str) -> Clause:
        near = {"value": code, "fuzziness": 1, "prefix_length": 1, "rewrite": fuzzy_rewrite.TOGETHER}
        return {"fuzzy": {STEMS: near}}

    def begun(self, parts: list[str]) -> Clause:
        joined = "".join(parts)
        ways = [(EXACT, way) for way in dict.fromkeys((" ".join(parts), joined))]  # an invisible sign may be between
        ways += [(STEMS, joined)] if joined.isdecimal() else []  # stems have numbers without groups
        return any_of(*({"match_phrase_prefix": {field: {"query": way}}} for field, way in ways))

    def run_begun(self, letters: list[str]) -> Clause:
        *before, last = letters
        ways = [_near([*map(_letter, before), _letter_in([(last, last + LAST_CHARACTER), *syllables_begun(last)])])]
        if syllables := parted(last):
            ways.append(_near([*map(_letter, [*before, syllables[0]]), _letter_in(syllables[1])]))
        return any_of(*ways)


def _near(letters: list[Clause]) -> Clause:
    return {"span_near": {"clauses": letters, "slop": 0, "in_order": True}}


def _letter(letter: str) -> Clause:
    return {"span_term": {EXACT: letter}}


def _letter_in(ranges: Sequence[Range]) -> Clause:
    ways = [{"span_multi": {"match": {"range": {EXACT: {"gte": one, "lte": other}}}}} for one, other in ranges]
    return {"span_or": {"clauses": ways}}


def own_term(term: str, organization_uid: UUID) -> Clause:
    """Conversations of the organization with this term of its vocabulary."""
    return {"match": {FIELD: {"query": owner(organization_uid) + term}}}


def own_beginning(term: str, organization_uid: UUID) -> Clause:
    """Conversations of the organization with a term of its vocabulary that begins like this one."""
    return {"match_bool_prefix": {FIELD: {"query": owner(organization_uid) + term}}}


def person_begun(text: str, kinds: Sequence[str], fields: Sequence[str], organization_uid: UUID) -> Clause:
    """Conversations with the text in a name or an address, as neighbouring parts. The last part may be incomplete.

    It is completed from the terms of these `kinds` in the organization's vocabulary. If the text has several pieces, or
    more parts than a term, all of it but the last part must be in one of the `fields`.
    """
    parts = parts_of(plain_of(text.rsplit(maxsplit=1)[-1]).lower()) if text.split() else []
    if not parts or SPACELESS.search(text[-1]):
        return any_of(*(phrase(field, text) for field in fields))
    last = parts_term(parts[-MOST_JOINED:])
    own = any_of(
        *(own_beginning(kind + (parts[0] if kind == SENDER and len(parts) == 1 else last), organization_uid)
          for kind in kinds)
    )  # fmt: skip
    head = without_last_part(text.rstrip())
    is_cut = len(parts) > MOST_JOINED or len(text.split()) > 1 or SPACELESS.search(text)
    if not (is_cut and has_words(head)):
        return own
    return all_of([own, any_of(*(phrase(field, head) for field in fields))])


def near_word(word: str, organization_uid: UUID, *, mistakes: int, same: int = 1) -> Clause:
    """The organization's words that differ from the word by so many letters, and not in the first `same` ones."""
    term = owner(organization_uid) + word[:LONGEST]
    prefix = OWNER_CHARACTERS + same
    return all_words(FIELD, term, fuzziness=mistakes, prefix_length=prefix, fuzzy_rewrite=fuzzy_rewrite.AS_CLAUSES)


def mistakes_in(word: str) -> int:
    """How many letters of the word may be wrong."""
    letters = len(fold(word))
    return 0 if letters <= UP_TO_2 else 1 if letters <= UP_TO_5 else 2
