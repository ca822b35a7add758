"""Other usual spellings of one Japanese word: with and without okurigana or a last long-vowel mark, 1ヶ月 and 1か月.

Okurigana are the kana that are written after a Chinese character. In nouns made of verbs, people leave them out:
支払い and 支払, 申し込み and 申込. A general rule would make wrong words, so this is a list.
"""

from __future__ import annotations

import itertools
import re

# Each word with all of its okurigana. Those in brackets may be left out; of (合)わせ, also the first kana alone.
_WORDS = (
    "支払(い) 振(り)込(み) 申(し)込(み) 打(ち)合(わせ) 問(い)合(わせ) 取(り)消(し) 受(け)取(り) 見積(もり)"
    " 取(り)扱(い) 受(け)付(け) 割(り)引(き) 貸(し)出(し) 切(り)替(え) 組(み)合(わせ) 書(き)込(み)"
    " 読(み)込(み) 売(り)上(げ) 払(い)戻(し) 払(い)込(み) 締(め)切(り) 届(け)出 引(き)渡(し) 引(き)落(とし)"
    " 引(き)継(ぎ) 引(き)取(り) 引(き)換(え) 繰(り)越(し) 手続(き) 呼(び)出(し) 乗(り)換(え) 取(り)引(き)"
    " 取(り)替(え) 差(し)引(き) 待(ち)合(わせ) 割(り)当(て) 立(て)替(え) 持(ち)込(み) 持(ち)帰(り)"
    " 受(け)渡(し) 申(し)立(て) 取(り)組(み) 売(り)切(れ) 値引(き) 取(り)寄(せ) 積(み)立(て) 買(い)取(り)"
    " 送(り)状 買(い)物 忘(れ)物 引(っ)越(し) 乗(り)継(ぎ) 繰(り)返(し) 差(し)替(え) 差(し)戻(し) 差(し)込(み)"
    " 引(き)出(し) 引(き)上(げ) 値上(げ) 値下(げ) 売(り)出(し) 仕入(れ) 売(り)場 受(け)入(れ) 申(し)出 買(い)替(え)"
    " 買(い)上(げ) 立(ち)会(い) 立(ち)上(げ) 立(ち)入(り) 落(とし)物 折(り)返(し) 切(り)取(り) 取(り)付(け)"
    " 取(り)外(し) 取(り)下(げ) 取(り)出(し) 取(り)止(め) 取(り)置(き) 取(り)決(め) 貼(り)付(け) 振(り)替(え)"
    " 据(え)置(き) 割(り)込(み) 割(り)増(し) 割(り)振(り) 組(み)立(て) 組(み)込(み) 下取(り) 預(け)入(れ)"
    " 日付(け) 送(り)先 届(け)先 行(き)先 行(き)違(い) 手違(い) 見合(わせ) 並(べ)替(え) 張(り)替(え) 入(れ)替(え)"
    " 書(き)換(え) 置(き)換(え) 埋(め)込(み) 前払(い) 後払(い) 先払(い) 着払(い) 元払(い) 月払(い) 年払(い)"
    " 未払(い) 分割払(い) 代引(き) 日割(り) 品切(れ) 期限切(れ) 在庫切(れ) 送(り)返(し) 持(ち)物 贈(り)物 貸(し)切(り)"
)
_KANA = re.compile(r"\(([^)]+)\)")
MOST = 16  # spellings of one piece
# The sounds of -er, -or and -ar, and of -ry and -ty, of which standards of engineering leave out the mark.
_LONG = re.compile(
    "[\u30a1-\u30fa\u30fc]{2,}(?:[アカガサザタダナハバパマヤラワァャ]|リ|ティ)ー(?![\u30a1-\u30fa\u30fc])"
)
# The sign before what is counted in months, places, countries and the like, which all of these spell; and in names of
# places, where it is also read as が.
_KA = "ヶケヵカか箇"
_COUNTED = re.compile(f"([0-9]{{1,3}}|[一二三四五六七八九十百数何幾]{{1,4}})[{_KA}](?=[月所国年条村店寺])")
_OF_PLACE = re.compile(
    "(?<=[\u3041-\u3096\u3400-\u9fff])(?:[ヶケ](?=[\u3400-\u9fff])|が(?=[丘崎関原谷台浜島峰岳池窪]))"
)
_NUMERALS = {str(number): numeral for number, numeral in enumerate("一二三四五六七八九十", 1)}
_NUMERALS |= {numeral: digits for digits, numeral in _NUMERALS.items()}


def _spellings(word: str) -> list[str]:
    parts = _KANA.split(word)
    choices = [(part,) if at % 2 == 0 else (part, *_shorter(part), "") for at, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _shorter(kana: str) -> tuple[str, ...]:
    """せ of わせ, り of もり, し of とし: the last kana alone is usual too."""
    return (kana[1:],) if len(kana) > 1 else ()


_ALL = {spelling: found for word in _WORDS.split() if (found := _spellings(word)) for spelling in found}
_FOUND = re.compile("|".join((_COUNTED.pattern, _OF_PLACE.pattern, *sorted(_ALL, key=len, reverse=True))))


def _ways(found: re.Match[str]) -> list[str]:
    """The ways to write what was found: a listed word, a number with the sign after it, or a sign alone."""
    if number := found[1]:
        numbers = [number, *([_NUMERALS[number]] if number in _NUMERALS else [])]
        return [one + sign for one in numbers for sign in _KA]
    return _ALL.get(found[0]) or list("ヶケが")


def other_spellings(piece: str) -> list[str]:
    """The piece with words and signs in their other spellings, and without long-vowel marks at the ends of words."""
    ends = [0]
    choices: list[list[str]] = []
    for found in _FOUND.finditer(piece):
        choices += [[piece[ends[-1] : found.start()]], _ways(found)]
        ends.append(found.end())
    rest = piece[ends[-1] :]
    made = ["".join(chosen) + rest for chosen in itertools.islice(itertools.product(*choices), MOST)]
    made.append(_LONG.sub(lambda found: found[0][:-1], piece))
    return [one for one in dict.fromkeys(made) if one != piece]
