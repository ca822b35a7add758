"""The forms of Japanese verbs: cases that docs/search.md does not list."""

from __future__ import annotations

import timeit

import pytest

from service.search.words.japanese import japanese_forms, noun_and_verb, without_polite_prefix
from service.search.words.spellings import MOST, other_spellings


@pytest.mark.parametrize(
    "unit",
    [
        "て",
        "ていて",
        "送ってい",
        "お注",
        "でき",
        "あ",
        "漢あ",
        "漢",
        "てく",
        "確認をお願い",
        "のお客",
        "食べられ",
        "商品",
        "商品届か",
        "カ",
        "カした",
        "一",
        "一か月",
        "支払い",
        "漢が丘",
    ],
)
def test_the_forms_of_any_text_are_made_quickly(unit: str) -> None:
    """The longest text has 800 characters. Without backtracking in the expressions, it takes 1 ms."""
    text = (unit * 800)[:800]
    made = (japanese_forms, without_polite_prefix, noun_and_verb, other_spellings)
    seconds = timeit.timeit(lambda: [forms(text) for forms in made], number=1)
    assert seconds < 0.5


@pytest.mark.parametrize("text", ["お茶", "お茶を", "ご飯", "おにぎり", "ごみ", "御社"])
def test_a_word_that_begins_like_a_polite_prefix_is_not_cut(text: str) -> None:
    assert without_polite_prefix(text) == []


@pytest.mark.parametrize("text", ["あさって", "ひらがな", "こんにちは", "注文確認", "キャンセル", "請求書", "invoice"])
def test_what_is_no_verb_has_no_forms(text: str) -> None:
    assert japanese_forms(text) == []


@pytest.mark.parametrize(
    ("text", "noun", "form"),
    [
        ("商品届かない", "商品", "届き"), ("メール届かない", "メール", "届い"), ("パスワード忘れた", "パスワード", "忘れ"),
        ("商品受け取った", "商品", "受け取り"), ("注文確認した", "注文", "確認"), ("注文キャンセルしたい", "注文", "キャンセル"),
    ],
)  # fmt: skip
def test_a_noun_and_a_verb_without_a_particle(text: str, noun: str, form: str) -> None:
    found, forms = noun_and_verb(text)
    assert found == noun
    assert form in forms


@pytest.mark.parametrize(
    "text", ["商品が届かない", "再設定した", "大丈夫です", "キャンセルした", "手続きした", "引っ越しました", "東京", "届かない", "商品届", "帳戶", ""]
)  # fmt: skip
def test_what_is_no_noun_and_verb_stays_whole(text: str) -> None:
    assert noun_and_verb(text) == ("", [])


@pytest.mark.parametrize("text", ["1か月", "一ヶ月", "数箇所", "霞が関", "引越", "差替え"])
def test_other_spellings_are_few_and_lead_back_to_the_text(text: str) -> None:
    others = other_spellings(text)
    assert 0 < len(others) < MOST
    assert all(text in other_spellings(other) for other in others if len(other) > 2)


@pytest.mark.parametrize("text", ["雨が降る", "ケーキ", "ヶ月", "1月", "一日", "カメラ3台", "会議が国内"])
def test_a_text_with_one_usual_spelling_has_no_others(text: str) -> None:
    assert other_spellings(text) == []
