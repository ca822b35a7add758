"""Text: folding, reply marks and what counts as a word. One definition for writing, search, import and tests.

index_mappings/conversations.json has the same rules for OpenSearch's analyzers.
"""

from __future__ import annotations

import re
import unicodedata

# Normalization makes up to 18 characters and 4 words of one. A token may cost a clause, and OpenSearch takes 1,024.
MAX_PLAIN_CHARACTERS = 800
MOST_MARKS = 30  # of a run of combining marks: as the mapping's char filter "marks"

WORD = re.compile(r"[^\W_]+")  # letters and digits of any script: what a completion completes
LETTERS = re.compile(r"[^\W\d_]{3,}")  # three letters or more, no digits: what a spelling correction corrects
# Unicode blocks of scripts that are written without spaces: the same as in the mapping's tokenizer, and their marks.
SPACELESS = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u2e80-\u2fdf\u3005-\u30ff\u3130-\u318f\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua960-\ua97f\uac00-\ud7ff\uf900-\ufaff\uff66-\uffdc\U00020000-\U0003ffff]"
)

_LATIN_REPLY_WORDS = "re|r|fwd?|fw|aw|antw|antwort|wg|sv|vs|vb|rv|tr|enc|res|odp|ynt"
# The marks in front of a reply's subject, for search: the same pattern as the mapping's char filter "replies", which
# removes them from subjects. ASCII, because Java's \s, \d and (?i) are. The possessive `++` keeps Java from recursing
# on the group.
REPLY_MARKS = re.compile(
    rf"(?i)(^|\])\s*(?:(?:{_LATIN_REPLY_WORDS}|回复|答复|回覆|转发|轉寄|返信|転送)"
    r"(?:\s?[\[\(]\d{1,3}[\]\)])?\s*:\s*)++",
    re.ASCII,
)
# The words of these marks that could be read as the name of a field in the search syntax.
REPLY_WORDS = frozenset(_LATIN_REPLY_WORDS.replace("?", "").split("|"))
# One mark in front of a reply's subject, for threading imported mail. It differs from REPLY_MARKS: it knows
# fewer words, takes Unicode's whitespace and digits and the full-width colon, and no round brackets.
MAIL_REPLY_MARK = re.compile(
    r"^\s*+(?:re|aw|sv|antw|vs|odp|回复|答复|fwd?|wg|转发)\s*+(?:\[\d+\])?\s*+[:：]\s*+", re.IGNORECASE
)


def fold(text: str) -> str:
    """Without regard to case, accents and width.

    NFKD, combining marks dropped (characters with a combining class: accents go, Indic and Thai vowels stay),
    case-folded.
    """
    return text.lower() if text.isascii() else text.translate(_FOLDED)


class _Folded(dict[int, str]):
    """What each character folds to, known once it was seen.

    Character by character, because normalization sorts the marks of a run, which takes quadratic time for a long one,
    and the marks are dropped here anyway: the result is the same.
    """

    def __missing__(self, code_point: int) -> str:
        decomposed = unicodedata.normalize("NFKD", chr(code_point))
        folded = "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()
        if code_point <= _LAST_KEPT:
            self[code_point] = folded
        return folded


_LAST_KEPT = 0xFFFF  # so that the memory is bounded
_FOLDED = _Folded()


def pieces_of(text: str) -> list[str]:
    """What stands between spaces, in plain width, without reply marks in front and without what holds no word.

    The first piece holds a word for certain, so that the others need not: a lone `re:` inside stands for nothing.
    """
    plain = REPLY_MARKS.sub(r"\1 ", plain_of(text))
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


def has_words(text: str) -> bool:
    """Whether anything of it can be found: letters, numbers, symbols such as emoji."""
    return any(kind_of_character(character) for character in text)


def kind_of_character(character: str) -> str:
    """letter, number or symbol; empty for a character that is no part of a word."""
    category = unicodedata.category(character)
    return "letter" if category[0] in "LM" else "number" if category[0] == "N" else "symbol" if category == "So" else ""
