"""The forms of Japanese verbs: what docs/search.md has no lines for."""

from __future__ import annotations

import timeit

import pytest

from service.search.words.japanese import japanese_forms, without_polite_prefix


@pytest.mark.parametrize(
    "unit",
    ["て", "ていて", "送ってい", "お注", "でき", "あ", "漢あ", "漢", "てく", "確認をお願い", "のお客", "食べられ"],
)
def test_forms_are_made_in_moments_whatever_the_text(unit: str) -> None:
    """800 characters are the longest text. It takes 1 ms where no expression goes back and forth."""
    text = (unit * 800)[:800]
    seconds = timeit.timeit(lambda: (japanese_forms(text), without_polite_prefix(text)), number=1)
    assert seconds < 0.5


@pytest.mark.parametrize("text", ["お茶", "お茶を", "ご飯", "おにぎり", "ごみ", "御社"])
def test_what_begins_like_a_polite_prefix_is_whole(text: str) -> None:
    assert without_polite_prefix(text) == []


@pytest.mark.parametrize("text", ["あさって", "ひらがな", "こんにちは", "注文確認", "キャンセル", "請求書", "invoice"])
def test_what_is_no_verb_has_no_forms(text: str) -> None:
    assert japanese_forms(text) == []
