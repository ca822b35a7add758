"""Other ways to write what is typed: in one word or in several, and the forms of Japanese verbs.

Forms in other languages are found by stems, in the index. Japanese has no spaces, so that a verb has no stem of its own
there. Its forms are made here instead, and each is looked for as a part of a run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from service.text import PARTING, SPACELESS

LEAST_GROUPED = 5  # digits: shorter numbers are not joined, because 1.5 is not 15
MOST_JOINED, MOST_SPLIT = 8, 4  # pieces of a text: longer texts are not read in other ways, which bounds the clauses
LONGEST_SPLIT = 16  # letters
MOST_CODES = 16  # pieces of a text with a code: an IBAN has up to nine groups

_LETTERS = r"[^\W\d_]"
_HYPHENATED = re.compile(rf"\W*({_LETTERS}+(?:[-.'’ʼ‐‑_\u200b\u200c]{_LETTERS}+)+)\W*")
_GROUPED = re.compile(r"\W*([0-9]+(?:[-.,'’/()_]{1,3}[0-9]+)*)\W*")
_THOUSANDS = re.compile(r"\W*([1-9])[.,'’ ]([0-9]{3})\W*")
_CODE = re.compile(r"[A-Z0-9]{1,8}|(?=[a-z]*[0-9])[a-z0-9]{1,8}")
_GROUPED_CODE = re.compile(r"\W*([A-Za-z0-9]+(?:[-_\u2010\u2011][A-Za-z0-9]+)*)\W*")
_DOTTED_CODE = re.compile(r"\W*([A-Za-z0-9]+(?:[-.:][A-Za-z0-9]+){2,})\W*")  # v1.2 is not v12
# What is usually written in groups: an account number (IBAN) in fours, a number in North America as 1 800 555 1234, the
# number of a parcel as 1Z 999 AA1 01 2345 6784, the address of a network card as 00:1A:2B:3C:4D:5E.
_IBAN = re.compile(r"\W*([A-Z]{2}[0-9]{2}[A-Z0-9]{11,30})\W*", re.IGNORECASE | re.ASCII)
_IN_GROUPS = (
    re.compile(r"\W*(1)([0-9]{3})([0-9]{3})([0-9]{4})\W*", re.ASCII),
    re.compile(r"\W*(1Z)([A-Z0-9]{3})([A-Z0-9]{3})([0-9]{2})([0-9]{4})([0-9]{4})\W*", re.IGNORECASE | re.ASCII),
    re.compile(r"\W*(?=[A-F]*[0-9])" + "([0-9A-F]{2})" * 6 + r"\W*", re.IGNORECASE | re.ASCII),
)
_DIGITS_BETWEEN = re.compile(r"[A-Za-z]{1,4}([0-9]{5,})[A-Za-z]{1,4}")
SHORTEST_CODE, SHORTEST_DOTTED = 5, 10  # letters and digits of a code that may be written in groups
LEAST_GROUPS = 2
_SHORT_NUMBER = re.compile(rf"\W*([0-9]{{1,{LEAST_GROUPED - 1}}})\W*")
_WORD = re.compile(rf"\W*({_LETTERS}+)\W*")
# French and Italian articles and the like, which lose their vowel in front of another one.
_ELIDED = re.compile(
    rf"\W*(?:[cdjlmnstv]|qu|jusqu|lorsqu|puisqu|quoiqu|un|gl|d?all|dell|nell|coll|sull|quell)['’ʼ]({_LETTERS}{{3,}})\W*",
    re.IGNORECASE,
)
_LONE_LETTER = re.compile("[b-np-vx]", re.IGNORECASE)  # which may begin a word as in e-mail; others are words


def short_number(piece: str) -> str:
    """The number, if the piece is one of few digits; else an empty text."""
    found = _SHORT_NUMBER.fullmatch(piece)
    return found[1] if found else ""


def thousands(piece: str) -> list[str]:
    """A number of four digits in its other forms: `1 000` of `1000`, as `1,000` is cut too; or `1000`."""
    if found := _THOUSANDS.fullmatch(piece):
        return [found[1] + found[2]]
    number = short_number(piece)
    return [f"{number[0]} {number[1:]}"] if len(number) == LEAST_GROUPED - 1 and number[0] != "0" else []


def without_separators(piece: str) -> str:
    """The piece in one word: `email` of `e-mail`, `10000` of `10,000`. An empty text if it is not of several parts."""
    if found := _HYPHENATED.fullmatch(piece):
        return "".join(re.findall(_LETTERS, found[1]))
    if PARTING.search(piece):
        return PARTING.sub("", piece)
    number = _digits(piece)
    return number if len(number) >= LEAST_GROUPED and number != piece else ""


def code_in(piece: str) -> str:
    """The code in one word: `rg2024001` of `RG-2024-001`. An empty text if the piece is no code.

    A code has letters and digits, in groups or not.
    """
    if found := _GROUPED_CODE.fullmatch(piece):
        code = re.sub(r"[\W_]", "", found[1]).lower()
        return code if _is_code(code) else ""
    found = _DOTTED_CODE.fullmatch(piece)
    code = re.sub("[-.:]", "", found[1]).lower() if found else ""
    return code if len(code) >= SHORTEST_DOTTED and _is_code(code) else ""


def groups_between(code: str) -> int:
    """How many groups more than one the digits between the letters of a code may be in, as in `RR 123 456 789 DE`."""
    found = _DIGITS_BETWEEN.fullmatch(code)
    return len(found[1]) // 2 - 1 if found else 0


def in_usual_groups(piece: str) -> list[str]:
    """A code or a number in the groups in which such ones are usually written."""
    ways = [" ".join(found.groups()) for pattern in _IN_GROUPS if (found := pattern.fullmatch(piece))]
    if found := _IBAN.fullmatch(piece):
        ways.append(" ".join(re.findall(".{1,4}", found[1])))
    return ways


def without_article(piece: str) -> str:
    """The word behind an elided article or preposition: `hôtel` of `l'hôtel`. An empty text if there is none."""
    found = _ELIDED.fullmatch(piece)
    return found[1] if found else ""


def _is_code(text: str) -> bool:
    return len(text) >= SHORTEST_CODE and bool(re.search("[0-9]", text) and re.search("[A-Za-z]", text))


def joined_words(pieces: Sequence[str]) -> dict[str, list[str]]:
    """For each piece, the words that it makes with a neighbour: `login` of `log in`."""
    found: dict[str, list[str]] = {}
    if len(pieces) > MOST_JOINED:
        return found
    for one, other in itertools.pairwise(pieces):
        if (left := _word(one)) and (right := _word(other)):
            found.setdefault(one, []).append(left + right)
            found.setdefault(other, []).append(left + right)
    return found


def joined_numbers(pieces: Sequence[str]) -> dict[str, str]:
    """For each piece of a number in groups, such as `030 123 456`, the whole number."""
    found: dict[str, str] = {}
    run: list[str] = []
    for piece in (*pieces, "") if len(pieces) <= MOST_JOINED else ():
        if _digits(piece):
            run.append(piece)
            continue
        number = "".join(map(_digits, run))
        if len(run) > 1 and (len(number) >= LEAST_GROUPED or thousands(" ".join(run))):
            found |= dict.fromkeys(run, number)
        run = []
    return found


def joined_codes(pieces: Sequence[str]) -> dict[str, str]:
    """For each piece of a code in groups, such as `DE89 3704 0044 0532 0130 00`, the whole code."""
    found: dict[str, str] = {}
    groups = itertools.groupby(pieces, lambda piece: bool(_CODE.fullmatch(piece))) if len(pieces) <= MOST_CODES else ()
    for is_code, group in groups:
        run = list(itertools.dropwhile(lambda piece: not re.search("[0-9]", piece), group if is_code else ()))
        if len(run) >= LEAST_GROUPS and _is_code(code := "".join(run)):
            found |= dict.fromkeys(run, code)
    return found


def split(piece: str) -> list[str]:
    """The word in two words, at every place: `log in` of `login`, and others that nobody writes."""
    word = _word(piece)
    if len(word) > LONGEST_SPLIT:
        return []
    first = 1 if len(word) > 3 and _LONE_LETTER.match(word) else 2
    return [f"{word[:at]} {word[at:]}" for at in range(first, len(word) - 1)]


def _word(piece: str) -> str:
    found = _WORD.fullmatch(piece)
    return found[1] if found and not SPACELESS.search(piece) else ""


def _digits(piece: str) -> str:
    found = _GROUPED.fullmatch(piece)
    return re.sub("[^0-9]", "", found[1]) if found else ""


# A verb that ends in one of these syllables has forms with each of the others behind the same beginning.
_ROWS = (
    *("わいうえおっ", "かきくけこい", "がぎぐげごい", "さしすせそ", "たちつてとっ"),
    *("なにぬねのん", "ばびぶべぼん", "まみむめもん", "らりるれろっ"),
)
_ADJECTIVE = "いくかけさそ"
_LONE = "たてなまれよさ"  # what follows the one character of a verb such as 見る
_GO, _DIE = "行", "死"  # 行く is the one verb in く that has 行って, and 死ぬ the one in ぬ
# What could also be a particle behind a noun, as in 銀行から and 都立と, needs the syllable that follows in verbs.
_LONGER = {syllable: tuple(syllable + kana for kana in "なれせさず") for syllable in "かがま"}
_LONGER |= {syllable: (syllable + "う",) for syllable in "とのも"}
_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff"
_SURU = re.compile(
    f"([{_HAN}\u30a1-\u30ff]{{2}})(?:する|した|して|します|しました|しません|しない|すれば|しよう|される|された|されて|されます|されました|させる"
    "|できる|できた|できない|できません|したい|したく|している|していた|しています|していました|してください|しませんでした|しなかった"
    "|しましょう|すべき|せず|しろ|せよ)$"
)
_VERB = re.compile(f"[{_HAN}][\u3041-\u3096]{{1,8}}$")
_STEM = f"(.*[{_HAN}][\u3041-\u3096]{{0,5}}?)"


def _forms(stem: str) -> list[str]:
    """The forms of a stem such as 書き, 書か or 食べ, or of one character such as 見."""
    if not _is_long(stem):
        return [stem + kana for kana in ("る", *_LONE)]
    own = [] if stem[-1] in _LONGER else [stem]
    return [*own, *(form for row in _ROWS if stem[-1] in row[:2] for form in _with(stem[:-1], row))]


def _with(beginning: str, row: str) -> list[str]:
    """The forms of a verb whose last syllable is of this row."""
    if row[0] == "な" and not beginning.endswith(_DIE):
        return []
    irregular = "っ" if row[0] == "か" and beginning.endswith(_GO) else ""
    return [beginning + kana for syllable in row + irregular for kana in _LONGER.get(syllable, (syllable,))]


def _adjective(stem: str) -> list[str]:
    return [stem + kana for kana in _ADJECTIVE]


def _is_long(text: str) -> bool:
    """Whether there is a syllable of the verb behind its Chinese characters."""
    return bool(text) and "\u3041" <= text[-1] <= "\u3096"


def _of_rows(stem: str, first: str) -> list[str]:
    first += "か" if stem.endswith(_GO) else ""
    return [form for row in _ROWS if row[0] in first for form in _with(stem, row)]


# The endings, and how the forms follow from what stands before them. The first that fits counts.
_ENDINGS: tuple[tuple[re.Pattern[str], Callable[[str], list[str]]], ...] = tuple(
    (re.compile(_STEM + ending), forms)
    for ending, forms in (
        ("(?:かった|くない|くて)", _adjective),
        ("(?:ませんでした|ましょう|ました|ません|まして|ます|なかった|ない|なく|たい)", _forms),
        ("い[てた]", lambda stem: _with(stem, _ROWS[1])),
        ("い[でだ]", lambda stem: _with(stem, _ROWS[2])),
        ("っ[てた]", lambda stem: _of_rows(stem, "わたら")),
        ("ん[でだ]", lambda stem: _of_rows(stem, "なばま")),
        ("い", _adjective),
        ("[てた]", _forms),
    )
)


def japanese_forms(piece: str) -> list[str]:
    """The beginnings of the other forms of the verb or adjective at the end of the piece; empty if there is none."""
    if _SURU.search(piece):
        return [_SURU.sub(r"\1", piece)]
    if not _VERB.search(piece):
        return []
    for ending, forms in _ENDINGS:
        if found := ending.fullmatch(piece):
            return list(dict.fromkeys(forms(found[1])))
    beginning, last = piece[:-1], piece[-1]
    if last == "る" and _is_long(beginning):
        return [beginning]
    lone = [beginning + kana for kana in _LONE] if last == "る" else []
    return [*(form for row in _ROWS if row[2] == last for form in _with(beginning, row)), *lone]
