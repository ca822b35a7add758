"""Words in the subject -> clauses. What callers type goes into match, match_phrase and term queries only.

A text is cut at its spaces. Each piece must be found: `2024-07-01` or `ada@example.com` as its parts in their order, a
run of a script that writes without spaces as any part of a run, or by its words as a dictionary cuts them. Two fields
answer: `subject` (the forms as written, folded; one token a letter in those scripts) and `subject.english` (stems, and
dictionary words in those scripts). Each piece costs at most four clauses, so the longest text costs some hundreds.
A repeated piece costs them once.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

from service.search.conditions import Words

Clause = dict[str, Any]

EXACT, STEMS, WHOLE = "subject", "subject.english", "subject.whole"
# Every near word counts, however many there are. OpenSearch's own rewrite takes some of the nearest words of the whole
# index, other organizations' too, as a clause each: totals were too small, and a few words exceeded its 1,024 clauses.
FUZZY = {"fuzziness": "AUTO", "prefix_length": 1, "fuzzy_rewrite": "constant_score"}
# The same with a score by nearness, for an order and not for a filter: a clause for each of so many words.
NEAREST = {"fuzziness": "AUTO", "prefix_length": 1, "max_expansions": 500}
# Normalization makes up to 18 characters and 4 words of one. A token may cost a clause, and OpenSearch takes 1,024.
MAX_PLAIN_CHARACTERS = 800
MOST_MARKS = 30  # of a run of combining marks: as the mapping's char filter "marks"
# Unicode blocks of scripts that are written without spaces: the same as in the mapping's tokenizer, and their marks.
SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff]"
)
# What stands before a subject in answers to it: the same pattern as the mapping's char filter "replies", which takes it
# off subjects. ASCII, because Java's \s, \d and (?i) are. The possessive `++` keeps Java from recursing on the group.
REPLIES = re.compile(
    r"(?i)(^|\])\s*(?:(?:re|r|fwd?|fw|aw|antw|antwort|wg|sv|vs|vb|rv|tr|enc|res|odp|ynt|回复|答复|回覆|转发|轉寄|返信|転送)"
    r"(?:\s?[\[\(]\d{1,3}[\]\)])?\s*:\s*)++",
    re.ASCII,
)

WHOLE_WORTH, PHRASE_WORTH, STEM_PHRASE_WORTH, FORMS_WORTH = 8.0, 4.0, 2.0, 1.0


def clause_of(words: Words) -> Clause:
    """The clause that leaves the conversations whose subject holds the words."""
    pieces = pieces_of(words.text)
    if not pieces:
        return NOTHING
    if words.match == "exact":
        return {"term": {WHOLE: words.text}}
    if words.match == "phrase":
        return _phrase(EXACT, words.text)
    last = {"words": _stems if words.stems else _forms, "prefix": _unfinished, "fuzzy": _fuzzy}[words.match]
    before = _fuzzy if words.match == "fuzzy" else _stems if words.stems else _forms
    return all_of([*map(before, dict.fromkeys(pieces[:-1])), last(pieces[-1])])


NOTHING: Clause = {"match_none": {}}


def pieces_of(text: str) -> list[str]:
    """What stands between spaces, in plain width, without reply marks in front and without what holds no word.

    The first piece holds a word for certain, so that the others need not: a lone `re:` inside stands for nothing.
    """
    plain = REPLIES.sub(r"\1 ", plain_of(text))
    return [piece for piece in plain.split() if has_words(piece)]


def plain_of(text: str) -> str:
    """The text in plain width, with ligatures and symbols spelled out, as the mapping's char filters do: NFKC.

    Runs of marks are cut first, as the char filter "marks" does, because NFKC puts the marks of a run in another order.
    """
    return unicodedata.normalize("NFKC", text if text.isascii() else _cut_marks(text))


def _cut_marks(text: str) -> str:
    kept, run = [], 0
    for character in text:
        run = run + 1 if unicodedata.category(character)[0] == "M" or character in "\uff9e\uff9f" else 0
        if run <= MOST_MARKS:
            kept.append(character)
    return "".join(kept)


def check_plain_length(text: str) -> None:
    """Raises ValueError where a text is too long once it is spelled out."""
    if (length := len(plain_of(text))) > MAX_PLAIN_CHARACTERS:
        raise ValueError(
            f"must have at most {MAX_PLAIN_CHARACTERS} characters once ligatures and symbols are spelled out, "
            f"not {length}"
        )


def all_of(clauses: list[Clause]) -> Clause:
    return clauses[0] if len(clauses) == 1 else {"bool": {"filter": clauses}}


def any_of(*clauses: Clause) -> Clause:
    return {"bool": {"should": list(clauses), "minimum_should_match": 1}}


def none_of(clause: Clause) -> Clause:
    return {"bool": {"must_not": [clause]}}


def _phrase(field: str, text: str, **options: Any) -> Clause:
    return {"match_phrase": {field: {"query": text, **options}}}


def _piece(field: str, piece: str) -> Clause:
    return _phrase(field, piece, zero_terms_query="all")


def _all(field: str, text: str, **options: Any) -> Clause:
    return {"match": {field: {"query": text, "operator": "and", **options}}}


def _forms(piece: str) -> Clause:
    return _piece(EXACT, piece)


def _stems(piece: str) -> Clause:
    """In any form of English. A run without spaces: any part of one, or all of its words."""
    if SPACELESS.search(piece):
        return any_of(_piece(EXACT, piece), _all(STEMS, piece))
    return _piece(STEMS, piece)


def _fuzzy(piece: str) -> Clause:
    """With typing mistakes; numbers and runs without spaces as they are."""
    if SPACELESS.search(piece) or any(character.isdigit() for character in piece):
        return _stems(piece)
    return any_of(_stems(piece), _all(EXACT, piece, **FUZZY))


def _unfinished(piece: str) -> Clause:
    """The last part of the piece may go on; what stands before it in the piece is whole."""
    if SPACELESS.search(piece):
        return _stems(piece)
    begun: Clause = {"match_bool_prefix": {EXACT: {"query": piece, "operator": "and"}}}
    if has_words(head := _head(piece)):
        begun = all_of([_phrase(EXACT, head), begun])
    return any_of(begun, _stems(piece))


def has_words(text: str) -> bool:
    """Whether anything of it can be found: letters, numbers, symbols such as emoji."""
    return any(_kind(character) for character in text)


def _head(piece: str) -> str:
    """What stands before the last part of the piece: parts are runs of letters, or of digits."""
    end = len(piece)
    while end and not _kind(piece[end - 1]):
        end -= 1
    start = end
    while start and _kind(piece[start - 1]) == _kind(piece[end - 1]):
        start -= 1
    return piece[:start]


def _kind(character: str) -> str:
    category = unicodedata.category(character)
    return "letter" if category[0] in "LM" else "number" if category[0] == "N" else "symbol" if category == "So" else ""


def relevance(words: Words) -> list[Clause]:
    """What a match may have beside matching, each worth its tier: the whole subject, the phrase, the forms as written.

    The sums of tiers order exact subjects over phrases over all words, and written forms over stems; they are whole
    numbers, so that equals are equal, and newer ones then come first. In a text of one piece, the phrase is the form.
    """
    pieces = pieces_of(words.text) or [words.text]
    tiers = [(WHOLE_WORTH, {"term": {WHOLE: words.text}}), (PHRASE_WORTH, _phrase(EXACT, words.text))]
    if len(pieces) > 1:
        tiers.append((STEM_PHRASE_WORTH, _phrase(STEMS, words.text)))
        tiers.append((FORMS_WORTH, all_of([_forms(piece) for piece in dict.fromkeys(pieces)])))
    return [{"constant_score": {"filter": clause, "boost": worth}} for worth, clause in tiers]
