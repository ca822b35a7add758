"""The words of subjects as they are written there, in lower case. Completions and corrections are made of them.

A word is a run of letters and digits, with the signs within it that belong to it: `don’t`, `e-mail`, `node.js`,
`1,000`, `AT&T`, `C++`. Texts are compared by their keys, which leave out the differences that search ignores.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import lru_cache
from itertools import accumulate

from service.hangul import keys_of
from service.text import INVISIBLE_CHARACTER, REPLY_MARKS, SPACELESS, composed, fold_for_search, kind_of_character

LONGEST = 50  # characters of a word that is suggested
MOST_PLACES = 50  # in a subject where a word could begin as typed
RUN = 16  # further characters of a completion in scripts without spaces
SHORTEST_BEHIND = 3  # letters of a word after an apostrophe, as in l’eau; the t of don’t is none
SHORTEST_GROUP = 4  # digits of a number after a separator, as in 01.02.2024; the 000 of 1,000 is none

LEAST_GROUPED = 4  # digits of a number that is completed in other groups
LEAST_PHONE = 7  # and of one that is no amount in thousands

APOSTROPHES = "'’ʼ‘＇´`"
_APOSTROPHE = re.compile(f"[{APOSTROPHES}]")
_BETWEEN_LETTERS = frozenset(f"{APOSTROPHES}-‐‑&._·")
_BETWEEN_DIGITS = frozenset(f"{APOSTROPHES}.,٫٬_")
_ALIKE = frozenset(f'{APOSTROPHES}"“”״-‐‑._·,:/٫٬')  # what may stand for one another between two parts of a word
_BETWEEN_HEBREW = frozenset('"“”״')  # as in צה"ל
_HEBREW = re.compile("[א-ת]{2}")
_IN_ONE_WORD = _BETWEEN_LETTERS | frozenset("/–−")  # what a word that is typed without signs may have
# A code or a date whose first group alone is no word: RG-2024-001, 8r/12, 2024-07-01, but not invoice-2024.
_CODE = re.compile(r"(?:[a-z]{1,4}|(?=[a-z]*[0-9])[a-z0-9]{1,8})(?:[-‐‑–_/][a-z0-9]{1,8})+(?!\w)")
_BEFORE_CODE = re.compile(r"[\w@./:-]")
_NUMBER = re.compile(r"[0-9]{1,20}(?:(?:[-.,'’/_]|[ ()/-]{1,3})[0-9]{1,20}){0,8}(?!\w)")
_ASCII_DIGIT = re.compile("[0-9]")
_THOUSANDS = re.compile(r"[1-9][0-9]{0,2}(?:[.,'’ ][0-9]{3})+|[0-9]+")
_PARTS = re.compile(r"[-‐‑&._·,٫٬]")
_SIGNS = "#+"
_SUFFIX = re.compile(r"(?<=[^\W\d_])(?:#|\+\+)(?![\w#+])")  # of C# and C++
_ZERO_WIDTH_SPACE = "\u200b"
_STACKING = "\u17d2\u1039"  # in Khmer and Burmese, the next letter stands below
BEFORE = "เแโใไເແໂໃໄ"  # vowels of Thai and Lao that stand before their consonant, so that no word ends with one
BEHIND = "ะาำๅฯๆະາຳຯ"  # and those after it, so that no word begins with one
_PRIVATE = 0xE000  # the first character for private use
_KATAKANA_TO_HIRAGANA = {code_point: code_point - 0x60 for code_point in range(0x30A1, 0x30F7)}


def written(subject: str) -> str:
    """The subject in lower case, composed, and without reply marks. Each character becomes one."""
    text = REPLY_MARKS.sub(r"\1 ", composed(subject).replace("：", ":"))
    return text.replace("İ", "i").lower()


def key_of(text: str) -> str:
    """The key by which texts are compared: the folded text, with one sign for all signs between parts of words.

    Katakana becomes hiragana. Hangul becomes the keys that type it, because a beginning may end within a syllable.
    """
    return text.translate(_KEYS)


class _Keys(dict[int, str]):
    def __missing__(self, code_point: int) -> str:
        character = chr(code_point)
        if INVISIBLE_CHARACTER.match(character):
            key = ""
        elif character in _ALIKE:
            key = "-"
        elif character == "\u0587":  # the Armenian ligature ev, as in its capitals
            key = "\u0565\u057e"
        elif keys := keys_of(character):
            key = "".join(chr(_PRIVATE + ord(one)) for one in keys)  # not the same as Latin letters
        else:
            key = fold_for_search(character).translate(_KATAKANA_TO_HIRAGANA)
        if code_point <= _LAST_KEPT:
            self[code_point] = key
        return key


_LAST_KEPT = 0xFFFF  # higher characters are not cached, which bounds the memory
_KEYS = _Keys()


def begun_words(text: str, begun: str) -> Iterator[str]:
    """The words of a written text whose key begins with this one, also if it has fewer signs: `e-mail` for `ema`."""
    own_keys = [_KEYS[ord(character)] for character in text]
    yield from _begun(text, own_keys, begun)
    if begun.isalpha() and ("-" in own_keys or "&" in own_keys):
        in_one_word = ["" if key in ("-", "&") and _joins(text, at) else key for at, key in enumerate(own_keys)]
        if in_one_word != own_keys:
            yield from (word for word in _begun(text, in_one_word, begun) if not key_of(word).startswith(begun))
    yield from _numbers_begun(text, begun)


def _joins(text: str, at: int) -> bool:
    """Whether the sign at this place stands between letters of one word."""
    around = text[max(0, at - 1)] + text[at + 1 : at + 2]
    if text[at] in _BETWEEN_HEBREW:
        return bool(_HEBREW.fullmatch(around))
    return text[at] in _IN_ONE_WORD and len(around) == 2 and all(map(_is_letter, around))


def _numbers_begun(text: str, begun: str) -> Iterator[str]:
    """The numbers that begin with these digits in other groups: `10,000` for `1000`, `+44 20 7946 0958` for `4420`."""
    typed = begun.lstrip("+").replace("-", "")
    if len(typed) < LEAST_GROUPED or not (typed.isascii() and typed.isdecimal()):
        return
    at = 0
    for _place in range(MOST_PLACES):
        first = _ASCII_DIGIT.search(text, at)
        if not first:
            return
        at = start = first.start()
        while at < len(text) and text[at].isdecimal():
            at += 1
        if found := _may_begin(text, start) and _NUMBER.match(text, start):
            digits = re.sub("[^0-9]", "", found[0])
            is_whole = len(digits) >= LEAST_PHONE or _THOUSANDS.fullmatch(found[0])
            word = found[0] if text[max(0, start - 1) : start] != "+" else f"+{found[0]}"
            is_new = not key_of(found[0]).startswith(begun.lstrip("+"))
            goes_on = digits.startswith(typed) and (len(digits) > len(typed) or typed == begun)
            if is_whole and is_new and goes_on and len(word) <= LONGEST:
                yield word


def _begun(text: str, own_keys: list[str], begun: str) -> Iterator[str]:
    """The words whose characters have these keys, and that begin so."""
    keys = "".join(own_keys)
    if not begun or begun not in keys:
        return
    ends = list(accumulate(map(len, own_keys)))
    at = -1
    for _place in range(MOST_PLACES):
        at = keys.find(begun, at + 1)
        if at < 0:
            return
        start, last = bisect_right(ends, at), bisect_left(ends, at + len(begun))
        if (ends[start - 1] if start else 0) == at and _may_begin(text, start):
            word = text[start : max(_end(text, last + 1), _end_of_code(text, start))]
            if len(word) <= LONGEST and (kind_of_character(word[-1]) or word[-1] in _SIGNS):
                yield word


def _end_of_code(text: str, start: int) -> int:
    """Where the code or the date ends that begins here; `start` if none does."""
    if not text[start].isascii() or _BEFORE_CODE.match(text[start - 1 : start]):
        return start
    found = _CODE.match(text[start : start + LONGEST + 1])
    return start + found.end() if found and _ASCII_DIGIT.search(found[0]) else start


def words_of(text: str) -> Iterator[str]:
    """The words of a written text in scripts with spaces, and their parts: `e-mail`, `e` and `mail`."""
    at = 0
    while at < len(text):
        start = at
        if _is_of_word(text[at]) and _may_begin(text, at):
            at = _end_of_word(text, at)
            word = text[start:at]
            parts = _PARTS.split(word)
            candidates = [word, *(part for part in parts if len(parts) > 1 and part and not part.isdecimal())]
            for apostrophe in _APOSTROPHE.finditer(word):
                if _may_begin(text, start + apostrophe.end()):
                    candidates.append(word[apostrophe.end() :])
            yield from (one for one in candidates if len(one) <= LONGEST)
        at = max(at, start + 1)


def joins_letters(character: str) -> bool:
    """Whether letters on both sides of the character are one word whatever they are: an apostrophe, or invisible."""
    return character in APOSTROPHES or (character != _ZERO_WIDTH_SPACE and bool(INVISIBLE_CHARACTER.match(character)))


def _is_letter(character: str) -> bool:
    return _is_of_word(character) and kind_of_character(character) == "letter"


@lru_cache(maxsize=2**16)
def _is_of_word(character: str) -> bool:
    return kind_of_character(character) in ("letter", "number") and not SPACELESS.match(character)


def _may_begin(text: str, at: int) -> bool:
    """Whether a word may begin at this character of the text."""
    if at == 0 or not _is_of_word(text[at]):
        return True
    before = text[at - 1]
    if _is_of_word(before):
        return False
    is_number = kind_of_character(text[at]) == "number"
    if at > 1 and before in (_BETWEEN_DIGITS if is_number else APOSTROPHES):
        is_same_kind = _is_of_word(text[at - 2]) and (kind_of_character(text[at - 2]) == "number") == is_number
        return not is_same_kind or _length(text, at) >= (SHORTEST_GROUP if is_number else SHORTEST_BEHIND)
    return True


def _length(text: str, at: int) -> int:
    end = at
    while end < len(text) and _is_of_word(text[end]):
        end += 1
    return end - at


def _end(text: str, at: int) -> int:
    """The end of the word that goes at least up to this position."""
    if SPACELESS.match(text[at - 1]):
        return _end_of_run(text, at)
    sign = at
    while sign and text[sign - 1] in _SIGNS:
        sign -= 1
    suffix = _SUFFIX.match(text, sign)
    return suffix.end() if suffix else _end_of_word(text[: at + LONGEST + 1], at)


def _end_of_word(text: str, at: int) -> int:
    while at < len(text) and _goes_on(text, at):
        at += 1
    suffix = _SUFFIX.match(text, at)
    return suffix.end() if suffix else at


def _goes_on(text: str, at: int) -> bool:
    character, around = text[at], text[max(0, at - 1)] + text[at + 1 : at + 2]
    if _is_of_word(character):
        return True
    if "\ufe00" <= character <= "\ufe0f":  # a variation selector, which belongs to what stands before it
        return at > 0
    if len(around) < 2 or not all(map(_is_of_word, around)):
        return False
    kinds = {kind_of_character(one) for one in around}
    if character in _BETWEEN_HEBREW:
        return bool(_HEBREW.fullmatch(around))
    if character == "_" or (character != _ZERO_WIDTH_SPACE and INVISIBLE_CHARACTER.match(character)):
        return True
    return character in (_BETWEEN_LETTERS if kinds == {"letter"} else _BETWEEN_DIGITS if kinds == {"number"} else ())


def _end_of_run(text: str, at: int) -> int:
    """In a script without spaces: where the run ends, or after RUN characters where no syllable is cut."""
    end = at
    while end < len(text) and end < at + RUN and SPACELESS.match(text[end]):
        end += 1
    while end < len(text) and (unicodedata.category(text[end])[0] == "M" or text[end - 1] in _STACKING):
        end += 1
    while end > at and text[end - 1] in BEFORE:
        end -= 1
    return end
