"""Other usual spellings of one Japanese word: with and without okurigana, and with and without a last long-vowel mark.

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
    " 送(り)状 買(い)物 忘(れ)物"
)
_KANA = re.compile(r"\(([^)]+)\)")
MOST = 16  # spellings of one piece
# The sounds of -er, -or and -ar, and of -ry and -ty, of which standards of engineering leave out the mark.
_LONG = re.compile(
    "[\u30a1-\u30fa\u30fc]{2,}(?:[アカガサザタダナハバパマヤラワァャ]|リ|ティ)ー(?![\u30a1-\u30fa\u30fc])"
)


def _spellings(word: str) -> list[str]:
    parts = _KANA.split(word)
    choices = [(part,) if at % 2 == 0 else (part, *_shorter(part), "") for at, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def _shorter(kana: str) -> tuple[str, ...]:
    """せ of わせ, り of もり, し of とし: the last kana alone is usual too."""
    return (kana[1:],) if len(kana) > 1 else ()


_ALL = {spelling: found for word in _WORDS.split() if (found := _spellings(word)) for spelling in found}
_LISTED = re.compile("|".join(sorted(_ALL, key=len, reverse=True)))


def other_spellings(piece: str) -> list[str]:
    """The piece with its listed words in their other spellings, and without long-vowel marks at the ends of words."""
    ends = [0]
    choices: list[list[str]] = []
    for found in _LISTED.finditer(piece):
        choices += [[piece[ends[-1] : found.start()]], _ALL[found[0]]]
        ends.append(found.end())
    rest = piece[ends[-1] :]
    made = ["".join(chosen) + rest for chosen in itertools.islice(itertools.product(*choices), MOST)]
    made.append(_LONG.sub(lambda found: found[0][:-1], piece))
    return [one for one in dict.fromkeys(made) if one != piece]
