"""The vocabulary of an organization: its words and names, as terms of the field `words` that begin with its owner code.

Fuzzy matching, prefixes, corrections and completions search for words that are similar to the typed ones. In other
fields, they would search the words of every organization. In `words`, they search only the terms after the owner code,
so they are neither slowed down nor made to fail by the words of another organization. (Like every search, these also
have a filter for the organization: even if two organizations had the same code, neither would find the other's data.)

A word is a run of letters or of digits, as the mapping's tokenizer `runs` cuts it. The parts of one piece, as in
`ada@example.com`, are also stored together, because the beginning of a piece finds it: `ada@exa`. Those of `e-mail` are
also stored in one word: `email`. So are numbers in groups: `10000` of `10,000`. The analyzer `own_words` folds terms as
those of `subject` are folded.

Scripts without spaces have no words here, because any part of a run is found in them anyway. In some of them, marks
follow a letter, or a syllable is one character. For these, a few neighbouring letters of a run are stored together, so
that a beginning also finds them if it ends within a letter: `ใบเสร` finds `ใบเสร็จ`.

Words with signs, as `C++`, `.NET`, `5%` and `F-16`, are stored with their signs too, for the order by relevance.
"""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import pairwise
from uuid import UUID

from service.codes import code_in, phone_number, whole_numbers
from service.hangul import keys_of
from service.text import PARTING, REPLY_MARKS, SPACELESS, in_one_word, letters_of, plain_of

FIELD = "words"
OWNER_CHARACTERS = 10  # before each term: 50 bits of a hash of the organization's uid
LONGEST = 100  # code points of a term without the owner code; the tokenizer divides terms of more than 255 UTF-16 units
MOST_JOINED = 4  # parts of a piece that are stored together
# The first character, after the owner code, of all terms but words of subjects, which begin with a letter or a digit.
JOINED, SENDER, RECIPIENT, COPY, CATEGORY, LABEL, RUN, SIGNED = "-", "@", ">", "&", "#", "=", "~", "!"
LONGEST_SIGNED = 32  # characters of a word that is stored with its signs; a longer one is stored without them only

_ASCII_PARTS = re.compile(r"[A-Za-z]+|[0-9]+")
_NUMBERS = re.compile(r"\d+|\D+")
# The signs that make a word another one: C++ is not C. Others, such as brackets and commas, are punctuation.
_CURRENCIES = "$\u00a2-\u00a5\u058f\u060b\u09f2\u09f3\u0af1\u0bf9\u0e3f\u17db\u20a0-\u20cf"
_HAS_SIGNS = re.compile(rf"[-#@%&+./:'_\u00a7\u00b0\u2030{_CURRENCIES}]")
_NOT_BEFORE = re.compile(rf"(?:(?!(?<!\.)\.[^\W\d_]|[#@+\u00a7{_CURRENCIES}])[\W_])+")
_AFTER = re.compile(rf"[#%+\u00b0\u2030{_CURRENCIES}]")
_NAME = re.compile("(?<![^\\W\\d_])[^\\W\\d_]+(?:[-'\u2019][^\\W\\d_]+)+")
_BETWEEN_SIGNED = re.compile("[-/&:]+")
_ONE_SIGN = str.maketrans(
    dict.fromkeys("\u2010\u2011\u2012\u2013\u2212", "-") | dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'")
)
# Thai, Lao, Burmese, Khmer and Hangul: the scripts without spaces in which a beginning may end within a letter.
_OF_PARTS = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\ua960-\ua97f\uac00-\ud7ff]+")


@lru_cache(maxsize=1_000)
def owner(organization_uid: UUID) -> str:
    """The code with which all terms of the organization begin."""
    hashed = hashlib.blake2b(organization_uid.bytes, digest_size=8).digest()
    return base64.b32encode(hashed).decode().lower()[:OWNER_CHARACTERS]


def own_words(
    organization_uid: UUID,
    subject: str,
    *,
    sender: Sequence[str] = (),
    recipients: Sequence[str] = (),
    copies: Sequence[str] = (),
    categories: Sequence[str] = (),
    labels: Sequence[str] = (),
) -> str:
    """The terms of a conversation, with spaces between. `sender` has the sender's address and name.

    There may be many recipients, so only terms of neighbouring parts are stored for them. A single part finds such a
    term as its beginning.
    """
    code = owner(organization_uid)
    terms = dict.fromkeys(_subject_terms(subject))
    terms |= dict.fromkeys(SENDER + term for text in sender for term in _terms_of(plain_of(text).lower()))
    terms |= dict.fromkeys(SENDER + term for text in sender for term in _in_one_term(plain_of(text).lower()))
    for kind, addresses in ((RECIPIENT, dict.fromkeys(recipients)), (COPY, dict.fromkeys(copies))):
        terms |= dict.fromkeys(kind + term for one in addresses for term in _neighbours(plain_of(one).lower()))
        terms |= dict.fromkeys(kind + term for one in addresses for term in _in_one_term(plain_of(one).lower()))
    terms |= dict.fromkeys(name_term(CATEGORY, name) for name in categories)
    terms |= dict.fromkeys(name_term(LABEL, name) for name in labels)
    return " ".join([code + term for term in terms])


def _subject_terms(subject: str) -> Iterator[str]:
    text = REPLY_MARKS.sub(r"\1 ", plain_of(subject))
    yield from _terms_of(text)
    yield from whole_numbers(text)
    for word in signed_words(text):
        parts = _BETWEEN_SIGNED.split(word)
        yield from (SIGNED + one for one in dict.fromkeys((word, *map(_with_signs, parts))) if one)


def signed_words(text: str) -> list[str]:
    """The words of a plain text that have signs, with these signs, in lower case: `c++`, `f-16`."""
    if not _HAS_SIGNS.search(text.translate(_ONE_SIGN)):
        return []
    return [word for piece in SPACELESS.sub(" ", text).split() if (word := _with_signs(piece))]


def _with_signs(piece: str) -> str:
    """The piece in lower case, without punctuation around it. Empty if it has no signs or no word, or is too long."""
    text = piece.translate(_ONE_SIGN).lower()
    before = _NOT_BEFORE.match(text)
    start, end = before.end() if before else 0, len(text)
    while end > start and not _AFTER.match(text[end - 1]) and unicodedata.category(text[end - 1])[0] not in "LMN":
        end -= 1
    word = text[start:end]
    is_word = _HAS_SIGNS.search(word) and len(word) <= LONGEST_SIGNED and any(map(str.isalnum, word))
    return word if is_word else ""


def _terms_of(text: str) -> Iterator[str]:
    """The words of the text, the parts of each piece together and in one word, and the letters of each run together."""
    for piece in text.split():
        if piece.isascii() and piece.isalpha() and len(piece) <= LONGEST:
            yield piece
            continue
        for run in _OF_PARTS.findall(PARTING.sub("", piece)):
            letters = letters_of(run)
            yield from (letters_term(letters[start : start + MOST_JOINED]) for start in range(len(letters)))
        parts = parts_of(piece)
        yield from parts
        for start in range(len(parts) - 1):
            yield parts_term(parts[start : start + MOST_JOINED])
        if word := in_one_word(piece) or code_in(piece):
            yield word[:LONGEST]


def _neighbours(text: str) -> Iterator[str]:
    """For each part of the text, the term of this part and the parts after it in its piece."""
    for piece in text.split():
        parts = parts_of(piece)
        for start in range(len(parts)):
            yield parts_term(parts[start : start + MOST_JOINED])


def _in_one_term(text: str) -> Iterator[str]:
    """A phone number, or names, in one word: `obrien` of `o'brien@x.org`, `jeanluc` of `Jean Luc` and of `Jean-Luc`."""
    if number := phone_number(text):
        yield number
    if "@" in text:
        yield from (in_one_word(name)[:LONGEST] for name in _NAME.findall(text.rpartition("@")[0]))
        return
    words = [in_one_word(piece) or piece for piece in text.split()]
    for one, other in pairwise(words):
        if one.isalpha() and other.isalpha() and not SPACELESS.search(one + other):
            yield (one + other)[:LONGEST]


def parts_term(parts: Iterable[str]) -> str:
    """The term of neighbouring parts of one piece."""
    return (JOINED + JOINED.join(parts))[:LONGEST]


def letters_at_end(piece: str) -> list[str]:
    """The letters, each with its marks, of a run at the end of the piece in which a letter may be incomplete.

    The piece must have no punctuation at its end.
    """
    text = PARTING.sub("", piece)
    runs = list(_OF_PARTS.finditer(text))
    return letters_of(runs[-1][0]) if runs and runs[-1].end() == len(text) else []


def letters_term(letters: Iterable[str]) -> str:
    """The term of neighbouring letters of a run. It begins with the term of fewer of the same letters or marks."""
    return (RUN + "".join(map(_as_typed, letters)))[:LONGEST]


@lru_cache(maxsize=2**14)
def _as_typed(letter: str) -> str:
    """The letter itself, or for Hangul its keys."""
    return keys_of(letter) or letter


def name_term(kind: str, name: str) -> str:
    """The term of a category or a label, or of the beginning of one."""
    return (kind + JOINED.join(plain_of(name).split()))[:LONGEST]


def parts_of(piece: str) -> list[str]:
    """The words in a piece, as they are written: runs of letters with their marks, and runs of digits."""
    if piece.isascii():
        return [part[:LONGEST] for part in _ASCII_PARTS.findall(piece)]
    runs = piece.translate(_SEPARATED).split()
    return [part[:LONGEST] for run in runs for part in (_NUMBERS.findall(run) if not run.isalpha() else (run,))]


class _Separated(dict[int, str]):
    """A cache of characters: those of words are themselves, and all others are spaces."""

    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        is_of_word = unicodedata.category(character)[0] in "LMN" and not SPACELESS.match(character)
        kept = character if is_of_word else " "
        if code_point <= _LAST_KEPT:
            self[code_point] = kept
        return kept


_LAST_KEPT = 0xFFFF  # higher characters are not cached, which bounds the memory
_SEPARATED = _Separated()
