"""The index divides and converts texts as ICU's C++ libraries do, which share no code with OpenSearch's ICU (ICU4J).

The package icu4py divides texts into words, and the program uconv converts scripts.
"""

from __future__ import annotations

import shutil
import subprocess
import unicodedata

import pytest
from icu4py.breakers import WordBreaker

from tests import oracle

SENTENCES = {
    "th": "ประชุมทีมพรุ่งนี้เช้า ใบแจ้งหนี้ประจำเดือนมกราคม การสั่งซื้อของคุณถูกจัดส่งแล้ว น้ำมัน ทำงาน สำคัญ",
    "lo": "ໃບເກັບເງິນປະຈຳເດືອນ ກອງປະຊຸມມື້ອື່ນ ນ້ຳມັນ ຈຳນວນ ໜັງສື",
    "km": "វិក្កយបត្រប្រចាំខែ ការប្រជុំថ្ងៃស្អែក",
    "my": "လစဉ်ငွေတောင်းခံလွှာ မနက်ဖြန်အစည်းအဝေး",
    "zh": "您的发票已经准备好 明天下午的会议改期 請確認訂單",
    "ja": "請求書のお支払いについて 明日の会議は延期になりました カタカナの言葉",
    "ko": "내일 회의 일정 변경 안내",
    "hi": "आपका चालान तैयार है कल की बैठक",
    "ar": "فاتورة شهر يناير جاهزة للدفع",
    "ru": "Счёт за январь готов",
}
HAN = [
    chr(point) for first, end in ((0x3400, 0x4DC0), (0x4E00, 0xA000), (0x20000, 0x2A6E0)) for point in range(first, end)
]
# Characters of usual words that ICU's transform does not simplify, but the index does: 帳戶 is 账户.
OWN = {"帳": "账", "諮": "咨", "鉅": "巨", "戱": "戏", "襬": "摆", "礆": "碱", "逕": "径"}
KANA = [chr(point) for point in range(0x30A1, 0x30F7)]


@pytest.mark.parametrize("language", SENTENCES)
def test_words_are_divided_at_the_same_places(language: str, tokens: oracle.Tokens) -> None:
    sentence = SENTENCES[language]
    words = [word for word in WordBreaker(sentence, language) if any(unicodedata.category(c)[0] in "LN" for c in word)]
    places = tokens(oracle.STEMS, sentence)
    assert len(places) == len(words)
    if oracle.is_spaceless(sentence):
        for word, place in zip(_converted(words, "NFKC; Traditional-Simplified"), places, strict=True):
            assert unicodedata.normalize("NFKC", word) in {unicodedata.normalize("NFKC", token) for token in place}


@pytest.mark.parametrize(("decomposed", "composed"), [("ํา", "ำ"), ("ํ้า", "้ำ"), ("ໍາ", "ຳ"), ("ໍ້າ", "້ຳ")])
def test_both_encodings_of_a_thai_or_lao_am_are_the_same_words(
    decomposed: str, composed: str, tokens: oracle.Tokens
) -> None:
    for sentence in (SENTENCES["th"], SENTENCES["lo"]):
        for field in (oracle.STEMS, oracle.STEMS_ASKED):
            assert tokens(field, sentence.replace(composed, decomposed)) == tokens(field, sentence)


def test_traditional_characters_are_simplified_alike(tokens: oracle.Tokens) -> None:
    pairs = [
        (one, other)
        for one, other in zip(HAN, _converted(HAN, "Traditional-Simplified"), strict=True)
        if one != other and unicodedata.normalize("NFKC", one) == one
    ]
    assert len(pairs) > 2_500
    assert _variants([one for one, _other in pairs], tokens) == [OWN.get(one, other) for one, other in pairs]
    assert not set(OWN.items()) & {*pairs}, "ICU knows it now"


def test_katakana_are_hiragana_alike(tokens: oracle.Tokens) -> None:
    assert _variants(KANA, tokens) == _converted(KANA, "Katakana-Hiragana")


def _variants(characters: list[str], tokens: oracle.Tokens) -> list[str]:
    places = tokens(oracle.VARIANTS, " ".join(characters))
    return [token for place in places for token in place]


def _converted(texts: list[str], transform: str) -> list[str]:
    """The texts, converted by a transform of ICU."""
    program = shutil.which("uconv")
    assert program is not None, "needs ICU's programs: sudo apt install icu-devtools"
    done = subprocess.run(
        [program, "-f", "utf-8", "-t", "utf-8", "-x", transform],
        input="\n".join(texts).encode(), capture_output=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.decode().split("\n")
