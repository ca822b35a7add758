"""Other ways to write words: in one word or in several, and the forms of Japanese verbs. Codes are in service/codes.py.

Forms in other languages are found by stems, in the index. Japanese has no spaces, so that a verb has no stem of its own
there. Its forms are made here instead, and each is looked for as a part of a run.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Sequence

from service import codes
from service.text import PARTING, SPACELESS, in_one_word

MOST_JOINED, MOST_SPLIT = 8, 4  # pieces of a text: longer texts are not read in other ways, which bounds the clauses
LONGEST_SPLIT = 16  # letters

_LETTERS = r"[^\W\d_]"
_WORD = re.compile(rf"\W*({_LETTERS}+)\W*")
# French and Italian articles and the like, which lose their vowel in front of another one.
_ELIDED = re.compile(
    rf"\W*(?:[cdjlmnstv]|qu|jusqu|lorsqu|puisqu|quoiqu|un|gl|d?all|dell|nell|coll|sull|quell)['’ʼ]({_LETTERS}{{3,}})\W*",
    re.IGNORECASE,
)
_LONE_LETTER = re.compile("[b-np-vx]", re.IGNORECASE)  # which may begin a word as in e-mail; others are words


def without_separators(piece: str) -> str:
    """The piece in one word: `email` of `e-mail`, `10000` of `10,000`. An empty text if it is not of several parts."""
    if word := in_one_word(piece):
        return word
    if PARTING.search(piece):
        return PARTING.sub("", piece)
    number = codes.whole_number(piece)
    return number if number != piece else ""


def without_article(piece: str) -> str:
    """The word behind an elided article or preposition: `hôtel` of `l'hôtel`. An empty text if there is none."""
    found = _ELIDED.fullmatch(piece)
    return found[1] if found else ""


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
