"""Endings of Korean words, and the words that one is made of: cases that docs/search.md does not list."""

from __future__ import annotations

import timeit
from uuid import UUID

import pytest

from service import korean
from service.index import mapping
from service.query.conditions import Words
from service.search.subject_clauses import clause_of


def test_endings_are_the_same_for_texts_and_for_subjects() -> None:
    own = mapping.load().settings["index"]["analysis"]["filter"]["korean"]
    assert (own["pattern"], own["replacement"]) == (korean.ENDING.pattern, "")


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("주문을", "주문"), ("주문이", "주문"), ("배송지가", "배송지"), ("서울에서는", "서울"), ("카드로", "카드"), ("학생들이", "학생"),
        ("취소해주세요", "취소"), ("취소되었습니다!", "취소"), ("확인부탁드립니다", "확인"), ("주문입니다", "주문"),
    ],
)  # fmt: skip
def test_a_word_is_read_without_its_ending(text: str, word: str) -> None:
    assert korean.bare(text) == [word]


@pytest.mark.parametrize("text", ["회의", "문의", "집을", "전문가", "고양이", "바나나", "주문", "invoice을", "을", ""])
def test_what_has_no_ending_is_whole(text: str) -> None:
    assert korean.bare(text) == []


def test_a_word_is_cut_into_words_of_two_syllables_or_more() -> None:
    assert korean.compounds("주문취소") == [["주문", "취소"]]
    assert korean.compounds("비밀번호") == [["비밀", "번호"]]
    assert ["주문", "배송", "조회"] in korean.compounds("주문배송조회")
    assert korean.compounds("비밀번") == korean.compounds("비" * 9) == korean.compounds("invoices") == []


@pytest.mark.parametrize("unit", ["가", "하", "해주", "주문을", "a", "취소해주세요", " "])
def test_the_endings_of_any_text_are_found_quickly(unit: str) -> None:
    text = (unit * 800)[:800]
    assert timeit.timeit(lambda: (korean.bare(text), korean.compounds(text)), number=1) < 0.5


def test_compounds_are_fewer_clauses_than_a_cluster_takes() -> None:
    """Of four of the longest words, each with an ending, so that both are read as compounds."""
    words = Words(" ".join(f"{first}나다라마바사를" for first in "기니디리"))
    clause = str(clause_of(words, UUID(int=1)))
    assert 300 < clause.count("match_phrase") + clause.count("'match'") < 1000
