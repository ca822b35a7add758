"""The forms of Japanese verbs and adjectives, and words without the polite お or ご in front.

In other languages, the index has the stem of each word. Japanese has no spaces, and so the index has no stems of
Japanese verbs. This module makes their forms instead, and each form is searched for as a part of a run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# A verb that ends in one of these syllables has forms with each of the others after the same beginning.
_ROWS = (
    *("わいうえおっ", "かきくけこい", "がぎぐげごい", "さしすせそ", "たちつてとっ"),
    *("なにぬねのん", "ばびぶべぼん", "まみむめもん", "らりるれろっ"),
)
_ADJECTIVE = "いくかけさそ"
_LONE = "たてなまれよさ"  # what follows the one character of a verb such as 見る
_PASSIVE, _POTENTIAL = frozenset(row[0] for row in _ROWS), frozenset(row[3] for row in _ROWS)
_GO, _DIE, _KNOW = "行", "死", "知"  # 行く is the one verb in く that has 行って, and 死ぬ the one in ぬ
# What could also be a particle after a noun, as in 銀行から and 都立と, needs the syllable that follows in verbs.
_LONGER = {syllable: tuple(syllable + kana for kana in "なれせさず") for syllable in "かがま"}
_LONGER |= {syllable: (syllable + "う",) for syllable in "とのも"}
_LONGER_OF_KNOW = _LONGER | {"ら": ("らな", "られ", "らず")}  # お知らせ is a notice, and seldom a form of 知る
_HAN = "\u3005\u3400-\u4dbf\u4e00-\u9fff"
_HIRAGANA = "\u3041-\u3096"
# What makes a verb, or a sentence, of a noun: 確認する, ご確認ください, 確認です.
_SURU = re.compile(
    f"([{_HAN}\u30a1-\u30ff]{{2}})(?:する|した|して|します|しました|しません|しない|すれば|しよう|される|された|されて|されます|されました|させる"
    "|されません|されない|できる|できた|できて|できます|できました|できない|できなかった|できません|できませんでした|したい|したく|しませんでした|しなかった"
    "|しましょう|すべき|せず|しろ|せよ|です|でした|でしょう|ください|下さい|願います|(?:を)?お願い(?:します|いたします|致します)"
    "|いたします|いたしました|致します|致しました|いただ[\u3041-\u3096]{1,8})$"
)
_VERB = re.compile(f"[{_HAN}][{_HIRAGANA}]{{1,8}}$")
_STEM = f"(.*[{_HAN}][{_HIRAGANA}]{{0,5}}?)"

# Endings that do not change the meaning of a form: a question, です, and auxiliaries after て.
_QUESTION = re.compile("(ます|ません|ました|ましょう|でした|ください|下さい)(?:か|が|ね|よ|ので|けど|けれど|から)$")
_DESU = re.compile(
    "(?<=[いうくぐすたつぬぶむるん])(?:よう|みたい)?[んの]?(?:です|でした|でしょう)(?:か|が|ね|よ|けど|けれど|から)?$"
)
_AUXILIARIES = re.compile(
    f"([{_HAN}{_HIRAGANA}]て|[いん]で)(?:"
    "(?:い[るたてなまれ]|み[るたてなま]|く[るれだ]|き[たてま]|こな|来[るたてなま]|お[いかきくけらり]|しま[いうえっわ]|もら[いうえっわ]"
    "|(?:いただ|頂)[いかきくけ]|(?:くだ|下)さ[いっ]|あ[げっりる]|差し上げ|ほし[いかく]|欲し[いかく]|[い行][かきくけっ]|ござい|いらっしゃ"
    f")[{_HIRAGANA}]{{0,12}}|ほし[いく]|ちょうだい|頂戴|も(?:いい|よい|良い)?|は|から)$"
)
_CONTRACTED = re.compile(
    f"([{_HAN}{_HIRAGANA}][いしっん][てで])(?:る|た|ます|ました|ません|ませんでした|ない|なかった|なくて)$"
)
_SIGNS = "?!。、.…"
_IF = re.compile("(?<=[ただ])ら$")
# A verb in hiragana alone, if its ending leaves no doubt that it is one; and できる, with the text before it.
_IN_HIRAGANA = re.compile(f"([{_HIRAGANA}]{{3,12}}?)(?:ませんでした|ましょう|ました|ません|まして|ます|なかった|ない)")
_TTE_IN_HIRAGANA = re.compile(f"([{_HIRAGANA}]{{2,12}})っ[てた]")
_RU_IN_HIRAGANA = re.compile(f"([{_HIRAGANA}]{{2,12}})る")
_CAN = re.compile("(.*?)(?:でき|出来)(?:る|た|て|ます|ました|ません|ませんでした|ない|なかった|なくて?|れば|ず)")

_POLITE_PREFIX = re.compile(
    f"(?:^|(?<=[のをにはがとへで]))[おご御](?=[{_HAN}](?![をはがのにでとへもや])[{_HAN}{_HIRAGANA}])"
)
_ASKED = re.compile(
    f"([{_HAN}][{_HIRAGANA}]{{0,4}}?)(?:ください|下さい|します|しました|して|いたします|いたしました|致します|いただ[{_HIRAGANA}]{{1,6}})$"
)

_NOUN = f"[{_HAN}\u30a1-\u30fa\u30fc]{{2,}}"
_NOUN_AND_VERB = re.compile(f"({_NOUN})([{_HAN}](?:[{_HIRAGANA}]{{1,2}}[{_HAN}])?[{_HIRAGANA}]+)")
_KATAKANA_AT_END = re.compile("[\u30a1-\u30fa\u30fc]*$")


def _forms(stem: str) -> list[str]:
    """The forms of a stem such as 書き, 書か or 食べ, or of one character such as 見."""
    if not _is_long(stem):
        return [stem + kana for kana in ("る", *_LONE)]
    own = [] if stem[-1] in _longer_behind(stem[:-1]) else [stem]
    return [*own, *(form for row in _ROWS if stem[-1] in row[:2] for form in _with(stem[:-1], row))]


def _with(beginning: str, row: str) -> list[str]:
    """The forms of a verb whose last syllable is of this row."""
    if row[0] == "な" and not beginning.endswith(_DIE):
        return []
    if row[0] == "か" and beginning.endswith(_GO):
        row = row.replace("い", "っ")  # 行い is a form of 行う
    longer = _longer_behind(beginning)
    return [beginning + kana for syllable in row for kana in longer.get(syllable, (syllable,))]


def _longer_behind(beginning: str) -> Mapping[str, tuple[str, ...]]:
    """The syllables that count after this beginning only with another one, as these pairs."""
    return _LONGER_OF_KNOW if beginning.endswith(_KNOW) else _LONGER


def _derived(stem: str) -> list[str]:
    """The forms of a stem, and of the verb whose potential, passive or causative it is, as 使え, 使われ and 使わせ."""
    found = _passive_too(stem)
    if _is_long(stem) and (rows := [row for row in _ROWS if stem[-1] == row[3]]):
        found += _of_potential(stem[:-1], rows[0])
    return found


def _passive_too(stem: str) -> list[str]:
    """The forms of a stem, and of the verb whose passive or causative it is."""
    found = _forms(stem)
    if len(stem) > 2 and stem[-1] in "れせ" and stem[-2] in _PASSIVE:
        found += _forms(stem[:-1])
        if stem[-2] in "らさ":
            found += _forms(stem[:-2])
    return found


def _of_potential(beginning: str, row: str) -> list[str]:
    """The forms that only a verb of this row has. Its stem alone shows nothing: 届け is also a verb of its own."""
    past = "っ" if beginning.endswith(_GO) else {"さ": "し", "が": "い"}.get(row[0], row[-1])
    voiced = row[0] in "がなばま"
    endings = (row[0] + "な", row[1] + "ま", row[1] + "た", row[1] + "方", row[2], row[4] + "う")
    return [beginning + ending for ending in (*endings, *(past + kana for kana in ("でだ" if voiced else "てた")))]


def _adjective(stem: str) -> list[str]:
    return [stem + kana for kana in _ADJECTIVE]


def _is_long(text: str) -> bool:
    """Whether there is a syllable of the verb after its Chinese characters."""
    return bool(text) and "\u3041" <= text[-1] <= "\u3096"


def _of_rows(stem: str, first: str) -> list[str]:
    first += "か" if stem.endswith(_GO) else ""
    return [form for row in _ROWS if row[0] in first for form in _with(stem, row)]


# The endings, each with the function that makes the forms from the text before it. The first match counts.
_ENDINGS: tuple[tuple[re.Pattern[str], Callable[[str], list[str]]], ...] = tuple(
    (re.compile(_STEM + ending), forms)
    for ending, forms in (
        (
            "(?:かった|くない|くなかった|くありません|くありませんでした|くて|くな(?:る|った|ります|りました))",
            _adjective,
        ),
        (
            "(?:ませんでした|ましょう|ました|ません|まして|ます|なかった|なくて|ない|なく|たい|そう|やすい|にくい|づらい)",
            _derived,
        ),
        ("い[てた]", lambda stem: _with(stem, _ROWS[1])),
        ("い[でだ]", lambda stem: _with(stem, _ROWS[2])),
        ("っ[てた]", lambda stem: _of_rows(stem, "わたら")),
        ("ん[でだ]", lambda stem: _of_rows(stem, "なばま")),
        ("い", _adjective),
        ("[てた]", _passive_too),
    )
)


def japanese_forms(piece: str) -> list[str]:
    """The beginnings of the other forms of the verb or adjective at the end of the piece; empty if there is none."""
    plain = _IF.sub("", _DESU.sub("", _QUESTION.sub(r"\1", piece.rstrip(_SIGNS))))
    plain = _CONTRACTED.sub(r"\1", _AUXILIARIES.sub(r"\1", plain))
    own = [plain] if plain != piece else []
    return list(dict.fromkeys((*own, *_forms_of(plain))))


def noun_and_verb(piece: str) -> tuple[str, list[str]]:
    """The noun and the forms of the verb after it, if no particle is between: 商品 and 届か of 商品届かない.

    Without a dictionary, the verb is what is written with one Chinese character before its kana, or with two of them
    before する. The noun must have two characters or more.
    """
    plain = piece.rstrip(_SIGNS)
    if found := _SURU.search(plain):
        is_katakana = bool(_KATAKANA_AT_END.fullmatch(found[1]))
        at = _KATAKANA_AT_END.search(plain, 0, found.end(1)) if is_katakana else None
        start = at.start() if at else found.start(1)
        noun, verb = plain[:start], plain[start:]
    elif found := _NOUN_AND_VERB.fullmatch(plain):
        noun, verb = found[1], found[2]
    else:
        return "", []
    forms = japanese_forms(verb) if re.fullmatch(_NOUN, noun) else []
    return (noun, [verb, *forms]) if forms else ("", [])


def _forms_of(piece: str) -> list[str]:
    if _SURU.search(piece):
        return [_SURU.sub(r"\1", piece)]
    if found := _CAN.fullmatch(piece):
        noun = [found[1][:-1]] if len(found[1]) > 2 and found[1][-1] in "がもは" else []
        return [found[1] + "でき", found[1] + "出来", *noun]
    return _of_verb(piece) if _VERB.search(piece) else _of_hiragana(piece)


def _of_hiragana(piece: str) -> list[str]:
    """The forms of a verb in hiragana alone, if its ending leaves no doubt that it is one."""
    if found := _IN_HIRAGANA.fullmatch(piece):
        return _derived(found[1])
    if (found := _TTE_IN_HIRAGANA.fullmatch(piece)) and found[1] != "あさ":  # あさって is a day
        return _of_rows(found[1], "わたら")
    if found := _RU_IN_HIRAGANA.fullmatch(piece):
        return [found[1]] if len(found[1]) > 2 else _with(found[1], _ROWS[-1])
    return []


def _of_verb(piece: str) -> list[str]:
    for ending, forms in _ENDINGS:
        if found := ending.fullmatch(piece):
            return forms(found[1])
    beginning, last = piece[:-1], piece[-1]
    if last == "る" and _is_long(beginning):
        return [beginning, *(_derived(beginning) if beginning[-1] in _POTENTIAL else [])]
    lone = [beginning + kana for kana in _LONE] if last == "る" else []
    return [*(form for row in _ROWS if row[2] == last for form in _with(beginning, row)), *lone]


def without_polite_prefix(piece: str) -> list[str]:
    """The piece without the お or ご of politeness in front of a word, and the forms of what stands after it.

    お茶 keeps it: one character alone is a part of too many words.
    """
    plain = _POLITE_PREFIX.sub("", piece.rstrip(_SIGNS))
    if plain == piece.rstrip(_SIGNS):
        return []
    asked = _ASKED.search(_AUXILIARIES.sub(r"\1", plain)) if not _SURU.search(plain) else None
    stem = plain[: asked.end(1)] if asked else ""
    return list(dict.fromkeys((plain, *(_forms(stem) if _is_long(stem) else japanese_forms(plain)))))
