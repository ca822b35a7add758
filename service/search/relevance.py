"""The order by relevance: which clauses score, and how much each of them adds to the score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from uuid import UUID

from service.codes import short_code_in
from service.query.conditions import Words
from service.search.clauses import EXACT, STEMS, WHOLE, Clause, all_of, none_of, phrase
from service.search.subject_clauses import forms, shares
from service.search.vocabulary_clauses import own_term
from service.text import pieces_of
from service.vocabulary import SIGNED, signed_words

Scored = tuple[int, Clause]
"""The worth of a match, and the clause that gives it."""

NO_WORTHS: Mapping[str, int] = MappingProxyType({})
PASTED_WORTH = 16  # more than the next four together
WHOLE_WORTH, PHRASE_WORTH, FORMS_WORTH, STEM_PHRASE_WORTH = 8, 4, 2, 1


def relevance(
    words: Words, organization_uid: UUID, worths: Mapping[str, int] = NO_WORTHS, signed: Mapping[str, int] = NO_WORTHS
) -> list[Scored]:
    """The clauses that score, each with its worth, a whole number. A score is the sum of the worths that apply.

    They are for the whole subject, the phrase, the exact forms, and the phrase in any form. So exact subjects come
    before phrases, and exact forms before stems. Among equal scores, the newest comes first. A text of one piece has no
    worths for forms and stems, because its phrase is its only form. If any word is enough, each word adds its worth,
    which is greater for rare words. A word with signs, such as C++, adds its worth in `signed` too, if the subject has
    it with these signs.
    """
    pieces = pieces_of(words.text) or [words.text]
    tiers = [
        (WHOLE_WORTH, {"term": {WHOLE: words.text}}),
        (PHRASE_WORTH, _as_written(words.text, pieces, organization_uid)),
    ]
    if len(pieces) > 1:
        each = [_as_written(piece, [piece], organization_uid) for piece in dict.fromkeys(pieces)]
        tiers.append((FORMS_WORTH, all_of(each)))
        tiers.append((STEM_PHRASE_WORTH, phrase(STEMS, words.text)))
    tiers += [(worth, with_signs(piece, organization_uid)) for piece, worth in signed.items()]
    return [*tiers, *((worth, clause) for piece, worth in worths.items() for clause in shares(piece))]


def pasted(text: str) -> list[Scored]:
    """The clause that puts a subject first if it equals the whole text of the search box, including its signs."""
    return [(PASTED_WORTH, {"term": {WHOLE: text}})]


def with_signs(piece: str, organization_uid: UUID) -> Clause:
    """The words of the piece that have signs, as they are written: C++, .NET, 5%."""
    return all_of([own_term(SIGNED + word, organization_uid) for word in dict.fromkeys(signed_words(piece))])


def _as_written(text: str, pieces: Sequence[str], organization_uid: UUID) -> Clause:
    """The clause for subjects with the text as it is written: with the signs of its words, and not in a longer word."""
    signed = [with_signs(piece, organization_uid) for piece in dict.fromkeys(pieces) if signed_words(piece)]
    return all_of([_form(text, pieces[-1]), *signed]) if signed else _form(text, pieces[-1])


def _form(text: str, last: str) -> Clause:
    """The written form of the text.

    If its last piece is a single letter, no sign may follow: C++ and C# are not C. A text that is a code must be a
    whole word: 9f16ab2 is not F-16.
    """
    if last.isascii() and last.isalpha() and len(last) == 1:
        return all_of([forms(text), *(none_of(phrase(EXACT, text.rstrip() + sign)) for sign in "+#")])
    code = short_code_in(text)
    return all_of([forms(text), {"term": {STEMS: code}}]) if code else forms(text)


def constant_scores(tiers: Sequence[Scored]) -> list[Clause]:
    """The clauses of a search that scores by these worths."""
    return [{"constant_score": {"filter": clause, "boost": float(worth)}} for worth, clause in tiers]
