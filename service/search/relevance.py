"""The order by relevance: what makes a match better, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from service.codes import short_code_in
from service.query.conditions import Words
from service.search.clauses import EXACT, STEMS, WHOLE, Clause, all_of, none_of, phrase
from service.search.subject_clauses import forms, shares
from service.text import pieces_of

Scored = tuple[int, Clause]
"""The worth of a match, and the clause that gives it."""

NO_WORTHS: Mapping[str, int] = MappingProxyType({})
WHOLE_WORTH, PHRASE_WORTH, FORMS_WORTH, STEM_PHRASE_WORTH = 8, 4, 2, 1


def relevance(words: Words, worths: Mapping[str, int] = NO_WORTHS) -> list[Scored]:
    """What makes a match better, each with its worth in whole numbers. A score is the sum of the worths that apply.

    The whole subject, the phrase, the exact forms, and the phrase in any form: so exact subjects come before phrases,
    and exact forms before stems. Among equal scores, the newest comes first. A text of one piece has no worths for
    forms and stems, because its phrase is its only form. If any word is enough, each word counts by its worth, which is
    greater for rare words.
    """
    pieces = pieces_of(words.text) or [words.text]
    tiers = [(WHOLE_WORTH, {"term": {WHOLE: words.text}}), (PHRASE_WORTH, _as_written(words.text, pieces[-1]))]
    if len(pieces) > 1:
        tiers.append((FORMS_WORTH, all_of([_as_written(piece, piece) for piece in dict.fromkeys(pieces)])))
        tiers.append((STEM_PHRASE_WORTH, phrase(STEMS, words.text)))
    return [*tiers, *((worth, clause) for piece, worth in worths.items() for clause in shares(piece))]


def _as_written(text: str, last: str) -> Clause:
    """The text as it is written, where it is no part of a longer word.

    If its last piece is a single letter, no sign may follow: C++ and C# are not C. A code alone must be whole: in
    9f16ab2 is no F-16.
    """
    if last.isascii() and last.isalpha() and len(last) == 1:
        return all_of([forms(text), *(none_of(phrase(EXACT, text.rstrip() + sign)) for sign in "+#")])
    code = short_code_in(text)
    return all_of([forms(text), {"term": {STEMS: code}}]) if code else forms(text)


def constant_scores(tiers: Sequence[Scored]) -> list[Clause]:
    """The clauses of a search that scores by these worths."""
    return [{"constant_score": {"filter": clause, "boost": float(worth)}} for worth, clause in tiers]
