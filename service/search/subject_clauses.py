"""Words in the subject -> clauses. What callers type goes into match, match_phrase and term queries only.

A text is cut at its spaces. Each piece must be found: `2024-07-01` or `ada@example.com` as its parts in their order, a
run of a script that writes without spaces as any part of a run, or by its words as a dictionary cuts them. Three fields
answer: `subject` (the forms as written, folded; one token a letter in those scripts), `subject.stems` (stems of many
languages, and dictionary words in those scripts) and `subject.variants` (simplified Chinese and hiragana). Each piece
costs a few clauses, so the longest text costs some hundreds. A repeated piece costs them once.

Two kinds of match look for words that are only like the given ones: fuzzy and prefix. They look through the words of
the organization (service/vocabulary.py). However many are alike, none is left out (service/search/near_words.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Protocol
from uuid import UUID

from service import korean
from service.codes import (
    amounts,
    code_in,
    codes_through,
    groups_between,
    in_usual_groups,
    joined_codes,
    joined_numbers,
    number_begun,
    short_code_in,
    short_number,
)
from service.hangul import Range, parted, syllables_begun
from service.query.conditions import Words
from service.search import near_words
from service.search.word_forms import (
    MOST_SPLIT,
    joined_words,
    other_forms,
    split,
    without_article,
    without_separators,
)
from service.text import (
    EAST_ASIAN,
    PARTING,
    SPACELESS,
    fold,
    has_letters,
    has_words,
    in_one_word,
    kind_of_character,
    pieces_of,
    plain_of,
    symbols_of,
    without_last_part,
    without_punctuation,
)
from service.vocabulary import (
    FIELD,
    LONGEST,
    MOST_JOINED,
    OWNER_CHARACTERS,
    SENDER,
    letters_at_end,
    letters_term,
    owner,
    parts_of,
    parts_term,
)

Clause = Mapping[str, object]
"""A part of a search body, in the form that OpenSearch reads."""

EXACT, STEMS, VARIANTS, WHOLE = "subject", "subject.stems", "subject.variants", "subject.whole"
UP_TO_2, UP_TO_5 = 2, 5  # letters of words without a mistake, and with at most one; longer words may have two

LEAST_SHARE, SHARES = "1", ("1", "34%", "67%")  # of the words in a piece of a script without spaces

LAST_CHARACTER = "\U0010ffff"
Scored = tuple[int, Clause]
NO_WORTHS: Mapping[str, int] = MappingProxyType({})
WHOLE_WORTH, PHRASE_WORTH, FORMS_WORTH, STEM_PHRASE_WORTH = 8, 4, 2, 1


def clause_of(words: Words, organization_uid: UUID) -> Clause:
    """The clause for the organization's subjects that contain the words."""
    return _clause(words, _Own(organization_uid))


def clause_for_marks(words: Words) -> Clause:
    """The clause whose matches are marked in subjects that were found, so it may be about words of any organization."""
    return _clause(words, _Anywhere())


def _clause(words: Words, vocabulary: _Vocabulary) -> Clause:
    pieces = pieces_of(words.text)
    if not pieces:
        return NOTHING
    if words.match == "exact":
        return {"term": {WHOLE: words.text}}
    if words.match == "phrase":
        return _phrase(EXACT, words.text)
    whole: Callable[[str], Clause] = _stems if words.stems else _forms
    others = _other_ways(pieces) if words.stems else {}
    if words.match == "any":
        whole = any_part
    elif words.match == "fuzzy":
        whole = partial(_fuzzy, vocabulary=vocabulary)
    found = {piece: whole(piece) for piece in pieces}
    if words.match == "prefix" and pieces[-1] not in pieces[:-1]:
        found[pieces[-1]] = _unfinished(pieces[-1], vocabulary)
        groups, numbers = number_begun(pieces)
        begun = [vocabulary.begun([number]) for number in numbers]
        others |= {piece: [*others.get(piece, []), *begun] for piece in groups}
    ways = [any_of(clause, *others[piece]) if others.get(piece) else clause for piece, clause in found.items()]
    return any_of(*ways) if words.match == "any" else all_of(ways)


class _Vocabulary(Protocol):
    """Where words that are like the given ones are looked for."""

    def near(self, word: str) -> Clause:
        """A word with typing mistakes: none in its first letter."""

    def begun(self, parts: list[str]) -> Clause:
        """The parts of a piece next to each other. The last one may be incomplete."""

    def run_begun(self, letters: list[str]) -> Clause:
        """The letters of a run in a script without spaces next to each other. The last one may lack marks."""


@dataclass(frozen=True, slots=True)
class _Own:
    """The words of one organization."""

    organization_uid: UUID

    def near(self, word: str) -> Clause:
        return near_word(word, self.organization_uid, mistakes=mistakes_in(word))

    def begun(self, parts: list[str]) -> Clause:
        term = parts[0] if len(parts) == 1 else parts_term(parts[-MOST_JOINED:])
        return own_beginning(term, self.organization_uid)

    def run_begun(self, letters: list[str]) -> Clause:
        return own_beginning(letters_term(letters[-MOST_JOINED:]), self.organization_uid)


class _Anywhere:
    """The words of a subject that was found."""

    def near(self, word: str) -> Clause:
        return _all(EXACT, word, fuzziness=mistakes_in(word), prefix_length=1, fuzzy_rewrite=near_words.TOGETHER)

    def begun(self, parts: list[str]) -> Clause:
        ways = dict.fromkeys((" ".join(parts), "".join(parts)))  # an invisible sign may part them
        return any_of(*({"match_phrase_prefix": {EXACT: {"query": way}}} for way in ways))

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
    """Conversations with the parts of the text next to each other in an address or a name; the last one may go on.

    What it may go on to is looked up among the people of these `kinds` in the organization's vocabulary. What is not
    stored together, as many parts and several pieces, stands before it in one of the `fields`.
    """
    parts = parts_of(plain_of(text.rsplit(maxsplit=1)[-1]).lower()) if text.split() else []
    if not parts or SPACELESS.search(text[-1]):
        return any_of(*(_phrase(field, text) for field in fields))
    last = parts_term(parts[-MOST_JOINED:])
    own = any_of(
        *(own_beginning(kind + (parts[0] if kind == SENDER and len(parts) == 1 else last), organization_uid)
          for kind in kinds)
    )  # fmt: skip
    head = without_last_part(text.rstrip())
    is_cut = len(parts) > MOST_JOINED or len(text.split()) > 1 or SPACELESS.search(text)
    if not (is_cut and has_words(head)):
        return own
    return all_of([own, any_of(*(_phrase(field, head) for field in fields))])


def near_word(word: str, organization_uid: UUID, *, mistakes: int, same: int = 1) -> Clause:
    """The organization's words that differ from the word by so many letters, and not in the first `same` ones."""
    term = owner(organization_uid) + word[:LONGEST]
    prefix = OWNER_CHARACTERS + same
    return _all(FIELD, term, fuzziness=mistakes, prefix_length=prefix, fuzzy_rewrite=near_words.AS_CLAUSES)


def mistakes_in(word: str) -> int:
    """How many letters of the word may be wrong."""
    letters = len(fold(word))
    return 0 if letters <= UP_TO_2 else 1 if letters <= UP_TO_5 else 2


def _other_ways(pieces: Sequence[str]) -> dict[str, list[Clause]]:
    """For each piece, what finds it in one word with its neighbours, in two words, or in a form of a Japanese verb."""
    found: dict[str, list[Clause]] = {piece: [] for piece in pieces}
    for piece, words in joined_words(pieces).items():
        found[piece] += [_phrase(EXACT, word) for word in words]
    for piece, number in joined_numbers(pieces).items():
        found[piece].append(_phrase(EXACT if short_number(number) else STEMS, number))
    for piece, code in joined_codes(pieces).items():
        found[piece] += _code(code)
    for piece, codes in codes_through(pieces).items():
        found[piece].append({"terms": {STEMS: codes}})
    if len(pieces) <= MOST_SPLIT:
        for piece, clauses in found.items():
            clauses += [_phrase(EXACT, words) for words in split(piece)]
            clauses += [_run(form) for form in other_forms(piece)]
            for parts in korean.compounds(piece):  # of which one must be a word of the subject
                clauses.append(all_of([*map(_run, parts), any_of(*(_all(STEMS, part) for part in parts))]))
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
        return any_of(_run(piece), _all(STEMS, piece))
    number, one = short_number(piece), without_separators(piece)
    ways = [_phrase(EXACT, number) if number else _phrase(STEMS, piece)]
    code = code_in(piece)
    ways += [_phrase(EXACT, way) for way in (*amounts(piece), *in_usual_groups(code or piece))]
    ways += [_phrase(STEMS, way) for way in (one, without_article(piece)) if way]
    ways += _code(code) if code else []
    return any_of(*ways) if len(ways) > 1 else ways[0]


def _code(code: str) -> list[Clause]:
    """A code of letters and digits in one word, in groups with hyphens, or with its digits in groups."""
    return [{"term": {STEMS: code.lower()}}, _phrase(STEMS, code, slop=groups_between(code))]


def any_part(piece: str) -> Clause:
    """The piece in any form. In a script without spaces: the exact text, or any of its words."""
    if SPACELESS.search(piece):
        return any_of(_stems(piece), _words_of(piece, LEAST_SHARE))
    return _stems(piece)


def _shares(piece: str) -> list[Clause]:
    """What counts for a piece, if any word is enough. In a script without spaces, the share of its words counts."""
    if SPACELESS.search(piece):
        return [*(_words_of(piece, share) for share in SHARES), _stems(piece)]
    return [_stems(piece)]


def _words_of(piece: str, share: str) -> Clause:
    return {"match": {STEMS: {"query": piece, "minimum_should_match": share}}}


def _run(text: str) -> Clause:
    """The text as a part of a run, of Chinese characters and kana also in the other script."""
    return _phrase(VARIANTS if EAST_ASIAN.fullmatch(text) else EXACT, text)


def _fuzzy(piece: str, vocabulary: _Vocabulary) -> Clause:
    """The piece with typing mistakes. Numbers and scripts without spaces must match exactly."""
    parts = parts_of(piece)
    if not parts or SPACELESS.search(piece) or any(character.isdigit() for character in piece):
        return _stems(piece)
    ways = [dict.fromkeys(parts), *([[word]] if (word := in_one_word(piece)) else [])]
    return any_of(_stems(piece), *(all_of([*_symbols(piece), *map(vocabulary.near, way)]) for way in ways))


def _unfinished(piece: str, vocabulary: _Vocabulary) -> Clause:
    """The last part of the piece may be incomplete. The parts before it are complete and stand right before it."""
    whole = without_punctuation(piece)
    if letters := letters_at_end(whole):
        return any_of(_unfinished_run(whole, letters, vocabulary), _stems(piece))
    parts = parts_of(piece)
    if not parts or SPACELESS.search(piece[-1]):
        return _stems(piece)
    kinds = [kind_of_character(character) for character in piece]
    if kinds[-1] in ("sign", "symbol"):
        return any_of(_forms(piece), _stems(piece))
    is_cut = len(parts) > MOST_JOINED or SPACELESS.search(piece) or "sign" in kinds
    head = [_phrase(EXACT, without_last_part(piece))] if is_cut and has_words(without_last_part(piece)) else []
    ways = [all_of([*_symbols(piece), *head, vocabulary.begun(parts)]), _stems(piece)]
    return any_of(*ways, *([vocabulary.begun([code])] if (code := code_in(piece)) else []))


def _unfinished_run(piece: str, letters: list[str], vocabulary: _Vocabulary) -> Clause:
    """The clause for a run whose last letter may be incomplete. The letters before it must stand directly before it."""
    before = piece[: piece.rfind(letters[-1][0])]
    is_cut = len(letters) > MOST_JOINED or PARTING.sub("", piece) != "".join(letters)
    head = [_phrase(EXACT, before)] if is_cut and has_words(before) else []
    return all_of([*_symbols(piece), *head, vocabulary.run_begun(letters)])


def _symbols(piece: str) -> list[Clause]:
    """The symbols of a piece, which are not among its parts."""
    symbols = symbols_of(piece)
    return [_all(EXACT, symbols)] if symbols else []


def relevance(words: Words, worths: Mapping[str, int] = NO_WORTHS) -> list[Scored]:
    """What makes a match better, each with its worth in whole numbers. A score is the sum of the worths that apply.

    The whole subject, the phrase, the exact forms, and the phrase in any form: so exact subjects come before phrases,
    and exact forms before stems. Scores can be equal, and then the newest comes first. In a text of one piece, the
    phrase is the form. If any word is enough, each word counts by its worth, which is greater for rare words.
    """
    pieces = pieces_of(words.text) or [words.text]
    tiers = [(WHOLE_WORTH, {"term": {WHOLE: words.text}}), (PHRASE_WORTH, _as_written(words.text, pieces[-1]))]
    if len(pieces) > 1:
        tiers.append((FORMS_WORTH, all_of([_as_written(piece, piece) for piece in dict.fromkeys(pieces)])))
        tiers.append((STEM_PHRASE_WORTH, _phrase(STEMS, words.text)))
    return [*tiers, *((worth, clause) for piece, worth in worths.items() for clause in _shares(piece))]


def _as_written(text: str, last: str) -> Clause:
    """The text as it is written, and not a part of a longer word.

    If its last piece is a single letter, no sign may follow: C++ and C# are not C. A code alone must be whole: in
    9f16ab2 is no F-16.
    """
    if last.isascii() and last.isalpha() and len(last) == 1:
        return all_of([_forms(text), *(none_of(_phrase(EXACT, text.rstrip() + sign)) for sign in "+#")])
    code = short_code_in(text)
    return all_of([_forms(text), {"term": {STEMS: code}}]) if code else _forms(text)


def constant_scores(tiers: Sequence[Scored]) -> list[Clause]:
    """The clauses of a search that scores by these worths."""
    return [{"constant_score": {"filter": clause, "boost": float(worth)}} for worth, clause in tiers]
