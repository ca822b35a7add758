"""What is a word of a subject, and which words are like a typed one, without a node."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.search.suggest import completed
from service.search.words.similarity import likely_runs, likely_words
from service.search.words.written_words import LONGEST, begun_words, key_of, words_of, written
from service.text import fold_for_search


@pytest.mark.parametrize(
    ("subject", "words"),
    [
        ("Re: Don’t e-mail", ["don’t", "e-mail", "e", "mail"]), ("1,000 or 01.02.2024", ["1,000", "or", "01.02.2024"]),
        ("l’eau d'or", ["l’eau", "eau", "d'or"]), ("BİLDİRİM", ["bildirim"]), ("C++ and C#", ["c++", "and", "c#"]), ("می‌خواهم", ["می‌خواهم"]),
        ("注文 ok", ["ok"]), ("पासवर्ड", ["पासवर्ड"]), ("cafe\u0301", ["café"]), ("so\u00adft", ["soft"]), ("", []),
    ],
)  # fmt: skip
def test_the_words_of_a_subject(subject: str, words: list[str]) -> None:
    assert list(words_of(written(subject))) == words


@pytest.mark.parametrize(
    ("typed", "subject", "words"),
    [
        ("stra", "STRASSE, Straße", ["strasse", "straße"]), ("stras", "Straße", ["straße"]), ("ㅈ", "주문", ["주문"]), ("주무", "주문 확인", ["주문"]),
        ("줌", "주문 확인", ["주문"]), ("호", "확인", ["확인"]), ("w", "주문", []), ("ㅈ", "word", []),
        ("x", "", []), ("a", "a/b-a", ["a", "a"]), ("000", "1,000", []), ("2024", "1.2.2024", ["2024"]), ("2", "१२ 2०", ["2०"]), ("t", "don't", []),
        ("ema", "My E-mail, email", ["email", "e-mail"]), ("dont", "Don’t", ["don’t"]), ("nodej", "node.js", ["node.js"]), ("yesm", "yes/maybe", ["yes/maybe"]), ("yesm", "yes maybe", []),
        ("15", "1.5", []), ("mai", "e-mail", ["mail"]), ("e-m", "email e-mail", ["e-mail"]), ("ema", "one-ma e-ma", ["e-ma"]),
        ("パス", "ﾊﾟｽ", ["ﾊﾟｽ"]), ("ស", "ពាក្យ\u200bសម្ងាត់", ["សម្ងាត់"]), ("i♥", "I♥️NY", ["i♥️ny"]),
        ("rg", "RG-2024-001 ready", ["rg-2024-001"]), ("rg-", "(RG-2024-001)", ["rg-2024-001"]), ("inv/", "INV/2024/07, open", ["inv/2024/07"]), ("ab-1", "AB-12-34", ["ab-12-34"]),
        ("inv", "invoice-2024", ["invoice"]), ("cov", "covid-19", ["covid"]), ("2024-0", "2024-07-01", ["2024-07-01"]), ("01/0", "on 01/02/2024", ["01/02/2024"]), ("f", "F-16", ["f-16"]),
        ("e", "e/f-g", ["e"]), ("x1", "https://x1-b.org/x1-2", ["x1", "x1"]), ("דו", 'דו"ח', ['דו"ח']), ("דוח", 'דו״ח', ["דו״ח"]), ('דו"', "דו״ח", ["דו״ח"]), ("rockn", "Rock'n'Roll", ["rock'n'roll"]),
        ("1000", "10,000 or 10000", ["10000", "10,000"]), ("10-00", "10000 or 1000", ["10000"]), ("4420", "+44 20 7946 0958, home", ["+44 20 7946 0958"]), ("+4420", "+44 20 7946 0958", ["+44 20 7946 0958"]),
        ("1002", "100-200", []), ("1000", "1 000 000,50", ["1 000 000,50"]), ("don", "don´t", ["don´t"]), ("acd", "AC/DC", ["ac/dc"]), ("qa", "Q&A", ["q&a"]),
    ],
)  # fmt: skip
def test_the_words_that_begin_so(typed: str, subject: str, words: list[str]) -> None:
    assert list(begun_words(written(subject), key_of(typed))) == words


@given(st.text(max_size=60), st.text(min_size=1, max_size=4))
def test_words_stand_in_the_text(subject: str, typed: str) -> None:
    text = written(subject)
    begun = key_of(typed)
    for word in (*begun_words(text, begun), *words_of(text)):
        assert word
        assert word in text
    assert all(key_of(word).startswith(begun) for word in begun_words(text, begun))


@pytest.mark.parametrize(
    "subject",
    ["a-a-" * 500, "a " * 1_000, "a'aaa" * 400, "語" * 2_000, "กา" * 1_000, "1,1." * 500, "1 " * 1_000, "1a-" * 700],
)
def test_a_long_subject_takes_little_time(subject: str) -> None:
    begun = time.process_time()
    found = [*begun_words(written(subject), key_of(subject[0])), *words_of(written(subject))]
    found += begun_words(written(subject), key_of("1111"))
    assert time.process_time() - begun < 1
    assert all(len(word) <= LONGEST for word in found)


def test_marks_that_are_letters_are_compared() -> None:
    assert fold_for_search("पासवर्ड") != fold_for_search("पासवरड")
    assert fold_for_search("น้ำ") != fold_for_search("นำ")
    assert fold_for_search("क़") != fold_for_search("क")
    for one, other in (("Café", "cafe"), ("Й", "й"), ("כִּי", "כי"), ("كِتَاب", "كتاب"), ("٢", "2"), ("Ø", "o")):
        assert fold_for_search(one) == fold_for_search(unicodedata.normalize("NFD", one)) == fold_for_search(other)


@pytest.mark.parametrize(
    ("typed", "subject", "first"),
    [
        ("キーボド", "ワイヤレスキーボード、キーボードの設定", "キーボード"), ("注文確任", "注文確認のお知らせ", "注文確認"), ("ภาษาไย", "ภาษาไทยง่าย", "ภาษาไทย"),
        ("パスード", "パスワードを忘れ", "パスワード"), ("เสรจ", "ใบเสร็จ", "เสร็จ"), ("한극", "한국을", "한국"), ("재성정", "재설정", "재설정"),
    ],
)  # fmt: skip
def test_a_part_of_the_right_run_is_not_likelier(typed: str, subject: str, first: str) -> None:
    assert likely_runs(typed, [written(subject)])[0][1] == first


def test_a_word_with_other_signs_is_the_likeliest() -> None:
    assert likely_words("dont", ["don’t don"])[0][1] == "don’t"
    assert likely_words("newsleter", ["letters newsletter"])[0][1] == "newsletter"
    assert [word for _cost, word in likely_words("don't", ["don’t"])] == [], "the same word"


def test_of_the_forms_of_a_word_the_one_most_like_the_typed_one_is_chosen() -> None:
    assert [word for _cost, word in likely_words("tradución", ["traduccion traducción", "traduccion"])] == [
        "traducción"
    ]
    assert [word for _cost, word in likely_words("traducion", ["traducción", "traduccion"])] == ["traduccion"]


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("help", "he"),  # half of the word
        ("voice", "votre"),
        ("order", "rider"),
        ("invoicing", "invading"),
        ("registration", "reservation"),
    ],
)
def test_a_word_with_many_other_letters_is_another_word(typed: str, there: str) -> None:
    assert likely_words(typed, [there]) == []


@pytest.mark.parametrize(
    ("typed", "there"),
    [
        ("teh", "the"),
        ("hlep", "help"),
        ("vioce", "voice"),
        ("leters", "letters"),
        ("recieve", "receive"),
        ("acomodation", "accommodation"),
        ("banana", "mañana"),
    ],
)
def test_a_word_with_few_other_letters_may_be_meant(typed: str, there: str) -> None:
    assert [word for _cost, word in likely_words(typed, [there])] == [there]


def test_no_completion_repeats_a_word_and_neighbours_come_first() -> None:
    subjects = ["application of red", "an application in red", "a red apple", "learn c++", "invoice, invoice"]
    assert [one.text for one in completed("red app", subjects)] == ["red apple", "red application"]
    assert [one.text for one in completed("c++ c", subjects)] == []
    assert [one.text for one in completed("invoice i", subjects)] == ["invoice in"]
    assert [one.text for one in completed("app", subjects)] == ["application", "apple"]
