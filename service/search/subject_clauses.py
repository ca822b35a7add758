"""Words in the subject -> clauses. What callers type goes into match, match_phrase and term queries only.

A text is cut at its spaces. Each piece must be found: `2024-07-01` or `ada@example.com` as its parts in their order, a
run of a script that writes without spaces as any part of a run, or by its words as a dictionary cuts them. Two fields
answer: `subject` (the forms as written, folded; one token a letter in those scripts) and `subject.english` (stems, and
dictionary words in those scripts). Each piece costs at most four clauses, so the longest text costs some hundreds.
A repeated piece costs them once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from service.query.conditions import Words
from service.search.word_forms import (
    MOST_SPLIT,
    japanese_forms,
    joined,
    joined_numbers,
    joined_words,
    short_number,
    split,
)
from service.text import SPACELESS, has_letters, has_words, kind_of_character, pieces_of, symbols_of

Clause = Mapping[str, object]
"""A part of a search body, in the form that OpenSearch reads."""

EXACT, STEMS, WHOLE = "subject", "subject.stems", "subject.whole"
# How a text is analyzed that also finds simplified Chinese for traditional, and hiragana for katakana.
VARIANTS = {"analyzer": "subject_variants_asked"}
# Every near word counts, however many there are. OpenSearch's own rewrite takes some of the nearest words of the whole
# index, other organizations' too, as a clause each: totals were too small, and a few words exceeded its 1,024 clauses.
FUZZY = {"fuzziness": "AUTO", "prefix_length": 1, "fuzzy_rewrite": "constant_score"}
# The same with a score by nearness, for an order and not for a filter: a clause for each of so many words.
NEAREST = {"fuzziness": "AUTO", "prefix_length": 1, "max_expansions": 500}
# How many words of the whole index the last of several parts may go on to, in alphabetical order. Each is looked up,
# and is no clause of its own. An index may hold any number of long numbers, so each next digit has a share of its own:
# a number goes on by one digit whatever else there is, as in dates, times and versions.
MOST_ENDINGS = 10_000

WHOLE_WORTH, PHRASE_WORTH, STEM_PHRASE_WORTH, FORMS_WORTH = 8.0, 4.0, 2.0, 1.0


def clause_of(words: Words) -> Clause:
    """The clause for subjects that contain the words."""
    pieces = pieces_of(words.text)
    if not pieces:
        return NOTHING
    if words.match == "exact":
        return {"term": {WHOLE: words.text}}
    if words.match == "phrase":
        return _phrase(EXACT, words.text)
    last = {"words": _stems if words.stems else _forms, "prefix": _unfinished, "fuzzy": _fuzzy}[words.match]
    before = _fuzzy if words.match == "fuzzy" else _stems if words.stems else _forms
    found = [*((piece, before(piece)) for piece in dict.fromkeys(pieces[:-1])), (pieces[-1], last(pieces[-1]))]
    others = _other_ways(pieces) if words.stems else {}
    return all_of([any_of(clause, *others[piece]) if others.get(piece) else clause for piece, clause in found])


def _other_ways(pieces: Sequence[str]) -> dict[str, list[Clause]]:
    """For each piece, what finds it in one word with its neighbours, in two words, or in a form of a Japanese verb."""
    found: dict[str, list[Clause]] = {piece: [] for piece in pieces}
    for piece, words in joined_words(pieces).items():
        found[piece] += [_phrase(EXACT, word) for word in words]
    for piece, number in joined_numbers(pieces).items():
        found[piece].append(_phrase(STEMS, number))
    if len(pieces) <= MOST_SPLIT:
        for piece, clauses in found.items():
            clauses += [_phrase(EXACT, words) for words in split(piece)]
            clauses += [_phrase(EXACT, form, **VARIANTS) for form in japanese_forms(piece)]
    return found


NOTHING: Clause = {"match_none": {}}


def all_of(clauses: list[Clause]) -> Clause:
    return clauses[0] if len(clauses) == 1 else {"bool": {"filter": clauses}}


def any_of(*clauses: Clause) -> Clause:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def none_of(clause: Clause) -> Clause:
    return {"bool": {"must_not": [clause]}}


def _phrase(field: str, text: str, **options: object) -> Clause:
    return {"match_phrase": {field: {"query": text, **options}}}


def _all(field: str, text: str, **options: object) -> Clause:
    return {"match": {field: {"query": text, "operator": "and", **options}}}


def _forms(piece: str) -> Clause:
    return _phrase(EXACT, piece)


def _stems(piece: str) -> Clause:
    """The piece in any form, and its symbols. If it has only symbols, they must be there in their order."""
    if not has_letters(piece):
        return _forms(piece)
    symbols = symbols_of(piece)
    return all_of([_all(EXACT, symbols), _words(piece)]) if symbols else _words(piece)


def _words(piece: str) -> Clause:
    """The words of the piece in any form, or in a script without spaces the exact text or all of its words.

    What may be written in one word or in two is read both ways.
    """
    if SPACELESS.search(piece):
        return any_of(_phrase(EXACT, piece, **VARIANTS), _all(STEMS, piece))
    if number := short_number(piece):
        return _phrase(EXACT, number)
    one = joined(piece)
    return any_of(_phrase(STEMS, piece), _phrase(STEMS, one)) if one else _phrase(STEMS, piece)


def _fuzzy(piece: str) -> Clause:
    """The piece with typing mistakes. Numbers and scripts without spaces must match exactly."""
    if SPACELESS.search(piece) or any(character.isdigit() for character in piece):
        return _stems(piece)
    return any_of(_stems(piece), _all(EXACT, piece, **FUZZY))


def _unfinished(piece: str) -> Clause:
    """The last part of the piece may be incomplete. The parts before it must be complete and stand before it."""
    if SPACELESS.search(piece[-1]):
        return _stems(piece)
    return any_of(begun(EXACT, piece), _stems(piece))


def begun(field: str, text: str) -> Clause:
    """The parts of the text next to each other, in their order; the last one may be incomplete."""
    if not has_words(_head(text)):
        return {"match_bool_prefix": {field: {"query": text, "operator": "and"}}}
    if not text[-1].isdecimal():
        return _going_on(field, text, MOST_ENDINGS)
    return any_of(
        _phrase(field, text), *(_going_on(field, f"{text}{digit}", MOST_ENDINGS // 10) for digit in range(10))
    )


def _going_on(field: str, text: str, most: int) -> Clause:
    return {"match_phrase_prefix": {field: {"query": text, "max_expansions": most}}}


def _head(piece: str) -> str:
    """The piece without its last part. A part is a sequence of letters, or of digits."""
    end = len(piece)
    while end and not kind_of_character(piece[end - 1]):
        end -= 1
    start = end
    while start and kind_of_character(piece[start - 1]) == kind_of_character(piece[end - 1]):
        start -= 1
    return piece[:start]


def relevance(words: Words) -> list[Clause]:
    """The clauses that score a match: the whole subject, the phrase, and the exact forms, each with its worth.

    So exact subjects come before phrases, phrases before single words, and exact forms before stems. The sums are whole
    numbers, so scores can be equal, and then the newest comes first. In a text of one piece, the phrase is the form.
    """
    pieces = pieces_of(words.text) or [words.text]
    tiers = [(WHOLE_WORTH, {"term": {WHOLE: words.text}}), (PHRASE_WORTH, _phrase(EXACT, words.text))]
    if len(pieces) > 1:
        tiers.append((STEM_PHRASE_WORTH, _phrase(STEMS, words.text)))
        tiers.append((FORMS_WORTH, all_of([_forms(piece) for piece in dict.fromkeys(pieces)])))
    return [{"constant_score": {"filter": clause, "boost": worth}} for worth, clause in tiers]
