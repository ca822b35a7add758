"""Makes clauses from words in the subject. What callers type goes into match, match_phrase and term queries only.

A text is split at its spaces. Each piece must be found, or with match=any one of them: `2024-07-01` or
`ada@example.com` as its parts in their order; a run of a script without spaces as any part of a run, or by its
dictionary words. Three fields are searched: `subject` (words as written, folded; in scripts without spaces a token for
each letter), `subject.stems` (stems of many languages, and dictionary words in those scripts) and `subject.variants`
(simplified Chinese and hiragana). A piece needs a few clauses, so the longest text needs some hundreds.

Words that are only similar to the given ones (match=fuzzy and prefix) are in vocabulary_clauses.py, and the order by
relevance is in relevance.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
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
    short_number,
)
from service.query.conditions import Words
from service.search.clauses import (
    EXACT,
    JOINED,
    NOTHING,
    STEMS,
    VARIANTS,
    WHOLE,
    Clause,
    all_of,
    all_words,
    any_of,
    phrase,
)
from service.search.vocabulary_clauses import Anywhere, Own, Vocabulary
from service.search.words.forms import (
    MOST_SPLIT,
    joined_words,
    other_forms,
    spelled,
    split,
    without_article,
    without_separators,
    without_suffix,
)
from service.search.words.japanese import noun_and_verb
from service.text import (
    EAST_ASIAN,
    PARTING,
    SPACELESS,
    has_letters,
    has_words,
    in_one_word,
    kind_of_character,
    pieces_of,
    symbols_of,
    without_last_part,
    without_punctuation,
)
from service.vocabulary import (
    MOST_JOINED,
    letters_at_end,
    parts_of,
)

LEAST_SHARE, SHARES = "1", ("1", "34%", "67%")  # of the words in a piece of a script without spaces


def clause_of(words: Words, organization_uid: UUID) -> Clause:
    """The clause for the organization's subjects that contain the words."""
    return _clause(words, Own(organization_uid))


def clause_for_marks(words: Words) -> Clause:
    """The clause whose matches are marked. It is for subjects that were already found, so it needs no organization."""
    return _clause(words, Anywhere())


def _clause(words: Words, vocabulary: Vocabulary) -> Clause:
    pieces = pieces_of(words.text)
    if not pieces:
        return NOTHING
    if words.match == "exact":
        return {"term": {WHOLE: words.text}}
    if words.match == "phrase":
        return phrase(EXACT, words.text)
    whole: Callable[[str], Clause] = _stems if words.stems else forms
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


def _other_ways(pieces: Sequence[str]) -> dict[str, list[Clause]]:
    """For each piece, more clauses that find it: joined with its neighbours, split, or in a Japanese or Korean form."""
    found: dict[str, list[Clause]] = {piece: [] for piece in pieces}
    for piece, words in joined_words(pieces).items():
        found[piece] += [phrase(EXACT, word) for word in words]
    for piece, number in joined_numbers(pieces).items():
        found[piece].append(phrase(EXACT if short_number(number) else STEMS, number))
    for piece, code in joined_codes(pieces).items():
        found[piece] += _code(code)
    for piece, codes in codes_through(pieces).items():
        found[piece].append({"terms": {STEMS: codes}})
    if len(pieces) <= MOST_SPLIT:
        for piece, clauses in found.items():
            clauses += [phrase(EXACT, words) for words in split(piece)]
            clauses += [_run(form) for form in other_forms(piece)]
            clauses.extend(_in_japanese(piece))
            for parts in korean.compounds(piece):  # one of these parts must be a word of the subject
                clauses.append(all_of([*map(_run, parts), any_of(*(all_words(STEMS, part) for part in parts))]))
    return found


def _in_japanese(piece: str) -> list[Clause]:
    """Clauses for all words of the piece in other spellings, and for a noun and a verb apart in the subject."""
    ways = [all_words(STEMS, way) for way in spelled(piece)]
    noun, verbs = noun_and_verb(piece)
    return [*ways, all_of([_run(noun), any_of(*map(_run, verbs))])] if noun else ways


def forms(piece: str) -> Clause:
    return phrase(EXACT, piece)


def _stems(piece: str) -> Clause:
    """The piece in any form, with its symbols. If it has only symbols, the subject must have them in their order."""
    if not has_letters(piece):
        return forms(piece)
    symbols = symbols_of(piece)
    return all_of([all_words(EXACT, symbols), _words(piece)]) if symbols else _words(piece)


def _words(piece: str) -> Clause:
    """The words of the piece in any form. In a script without spaces: the exact text, or all of its words.

    What may be written as one word or as two is searched both ways.
    """
    if SPACELESS.search(piece):
        return any_of(_run(piece), all_words(STEMS, piece))
    number, one = short_number(piece), without_separators(piece)
    ways = [phrase(EXACT, number) if number else phrase(STEMS, piece)]
    code = code_in(piece)
    ways += [phrase(EXACT, way) for way in (*amounts(piece), *in_usual_groups(code or piece))]
    ways += [phrase(STEMS, one, analyzer=JOINED)] if one else []
    ways += [phrase(STEMS, article_less)] if (article_less := without_article(piece)) else []
    ways += [phrase(STEMS, bare)] if (bare := without_suffix(piece)) else []
    ways += _code(code) if code else []
    return any_of(*ways) if len(ways) > 1 else ways[0]


def _code(code: str) -> list[Clause]:
    """A code of letters and digits in one word, in groups with hyphens, or with its digits in groups."""
    return [{"term": {STEMS: code.lower()}}, phrase(STEMS, code, slop=groups_between(code))]


def any_part(piece: str) -> Clause:
    """The piece in any form. In a script without spaces: the exact text, or any of its words."""
    if SPACELESS.search(piece):
        return any_of(_stems(piece), _words_of(piece, LEAST_SHARE))
    return _stems(piece)


def shares(piece: str) -> list[Clause]:
    """The clauses that score a piece if any word is enough: in scripts without spaces, by the share of its words."""
    if SPACELESS.search(piece):
        return [*(_words_of(piece, share) for share in SHARES), _stems(piece)]
    return [_stems(piece)]


def _words_of(piece: str, share: str) -> Clause:
    return {"match": {STEMS: {"query": piece, "minimum_should_match": share}}}


def _run(text: str) -> Clause:
    """The text as a part of a run. Traditional and simplified characters match each other, and so do both kana."""
    return phrase(VARIANTS if EAST_ASIAN.fullmatch(text) else EXACT, text)


def _fuzzy(piece: str, vocabulary: Vocabulary) -> Clause:
    """The piece with typing mistakes: in a code one, not in its digits; in numbers and scripts without spaces none."""
    parts = parts_of(piece)
    if (code := code_in(piece)) and not SPACELESS.search(piece):
        digits = [phrase(EXACT, part) for part in dict.fromkeys(parts) if part[0].isdigit()]
        return any_of(_stems(piece), all_of([vocabulary.near_code(code), *digits]))
    if not parts or SPACELESS.search(piece) or any(character.isdigit() for character in piece):
        return _stems(piece)
    ways = [dict.fromkeys(parts), *([[word]] if (word := in_one_word(piece)) else [])]
    return any_of(_stems(piece), *(all_of([*_symbols(piece), *map(vocabulary.near, way)]) for way in ways))


def _unfinished(piece: str, vocabulary: Vocabulary) -> Clause:
    """The piece, whose last part may be incomplete. The parts before it must be complete, and directly before it."""
    whole = without_punctuation(piece)
    if letters := letters_at_end(whole):
        return any_of(_unfinished_run(whole, letters, vocabulary), _stems(piece))
    parts = parts_of(piece)
    if not parts or SPACELESS.search(piece[-1]):
        return _stems(piece)
    kinds = [kind_of_character(character) for character in piece]
    if kinds[-1] in ("sign", "symbol"):
        return any_of(forms(piece), _stems(piece))
    is_cut = len(parts) > MOST_JOINED or SPACELESS.search(piece) or "sign" in kinds
    before = without_last_part(piece)
    head = [phrase(EXACT, before)] if is_cut and has_words(before) else []
    ways = [all_of([*_symbols(piece), *head, vocabulary.begun(parts)]), _stems(piece)]
    return any_of(*ways, *([vocabulary.begun([code])] if (code := code_in(piece)) else []))


def _unfinished_run(piece: str, letters: list[str], vocabulary: Vocabulary) -> Clause:
    """The clause for a run whose last letter may be incomplete. The letters before it must stand directly before it."""
    before = piece[: piece.rfind(letters[-1][0])]
    is_cut = len(letters) > MOST_JOINED or PARTING.sub("", piece) != "".join(letters)
    head = [phrase(EXACT, before)] if is_cut and has_words(before) else []
    return all_of([*_symbols(piece), *head, vocabulary.run_begun(letters)])


def _symbols(piece: str) -> list[Clause]:
    """The symbols of a piece, which are not among its parts."""
    symbols = symbols_of(piece)
    return [all_words(EXACT, symbols)] if symbols else []
