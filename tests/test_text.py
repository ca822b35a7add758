"""Text: the reply marks of search and of imported mail, and the words that are no fields of the search syntax."""

from __future__ import annotations

import json
import sys
import time
import unicodedata
from pathlib import Path

import pytest

from service.text import (
    MAIL_REPLY_MARK,
    REPLY_MARKS,
    REPLY_WORDS,
    SPACELESS,
    fold,
    has_letters,
    in_one_word,
    kind_of_character,
    pieces_of,
    plain_of,
    trimmed,
)

MAPPING = Path(__file__).parents[1] / "index_mappings" / "conversations.json"


@pytest.mark.parametrize("word", sorted(REPLY_WORDS))
def test_every_reply_word_makes_a_reply_mark(word: str) -> None:
    assert REPLY_MARKS.sub("", f"{word.upper()}: invoice") == "invoice"


@pytest.mark.parametrize(
    "mark",
    [
        "re:", "Re :", "RE[2]:", "Re (2):", "Re^2:", "Re*2:", "Re-2:", "Re -12:", "Re Re:", "RE  fwd:", "Resp:", "НА:", "TL:", "Antw.:", "Rép. :", "Re.[2]:", "re: Fwd: AW:", "antwort:", "SV:", "RIF:", "R:", "I:", "RES:", "ENC:", "TR:",
        "RV:", "Vá:", "VÁ:", "Отв:", "ОТВ:", "отв[2]:", "ΑΠ:", "απ:", "ΣΧΕΤ:", "Odp:", "PD:", "YNT:", "İLT:", "回复:", "轉寄:", "返信:", "회신:", "השב:", "رد:",
    ],
)  # fmt: skip
def test_search_and_mail_take_the_same_marks(mark: str) -> None:
    assert REPLY_MARKS.sub(r"\1", f"{mark} x") == "x"
    rest = f"{mark} x"
    for _ in range(3):
        rest = MAIL_REPLY_MARK.sub("", rest)
    assert rest == "x"


@pytest.mark.parametrize(
    ("subject", "mail"),
    [("re： x", "x"), ("Va\u0301: x", "x"), ("re[1234]: x", "re[1234]: x"), ("regarding: x", "regarding: x"), ("PS: x", "PS: x"), ("Re-use: x", "Re-use: x"), ("re re x", "re re x"), ("Naß: x", "Naß: x"), ("[list] re: x", "[list] re: x")],
)  # fmt: skip
def test_mail_takes_marks_as_they_were_written(subject: str, mail: str) -> None:
    assert MAIL_REPLY_MARK.sub("", subject) == mail


@pytest.mark.parametrize(
    ("subject", "rest"),
    [("[Fwd: x y]", " x y]"), ("Re: [FW: Re: x]", " x]"), ("[Fwd: [Fwd: x]]", " x]]"), ("[list] [Fwd : x]", "[list] x]"), ("(Fwd) x", " x"), ("Re: (fwd) x", " x"), ("x (fwd) ", "x   "), ("[I: x]", "[I: x]"), ("[fwd x]", "[fwd x]"), ("a (fwd) b", "a (fwd) b"), ("(fwd", "(fwd")],
)  # fmt: skip
def test_search_takes_other_marks_of_forwarded_mail(subject: str, rest: str) -> None:
    assert REPLY_MARKS.sub(r"\1 ", subject).strip() == rest.strip()


@pytest.mark.parametrize("character", ["❶", "⓫", "௰", "㉈", "፲"])
def test_a_numeral_that_is_not_made_of_digits_is_a_symbol(character: str) -> None:
    assert kind_of_character(character) == "symbol"
    assert pieces_of(f"a{character}") == [f"a{character}"]
    assert not has_letters(character)


def test_numerals_that_normalization_makes_digits_of_are_numbers() -> None:
    assert {kind_of_character(character) for character in "¹①½5Ⅷ٣"} == {"number"}


def test_decimal_digits_of_every_script_are_those_of_ascii_here_and_in_the_mapping() -> None:
    digits = [c for c in map(chr, range(sys.maxunicode + 1)) if unicodedata.category(c) == "Nd"]
    assert [plain_of(c) for c in digits] == [str(unicodedata.decimal(c)) for c in digits]
    analysis = json.loads(MAPPING.read_text("utf-8"))["settings"]["index"]["analysis"]
    rules = [rule.split(" => ") for rule in analysis["char_filter"]["digits"]["mappings"]]
    mapped = {json.loads(f'"{written}"'): digit for written, digit in rules}
    for digit in digits:
        assert mapped.get(digit, unicodedata.normalize("NFKC", digit)) == str(unicodedata.decimal(digit))
    assert all(str(unicodedata.decimal(c, digit)) == digit for c, digit in mapped.items())


@pytest.mark.parametrize("text", ["๑๐", "໑໐", "១០", "၁၀", "႑႐", "١٠", "۱۰", "१०", "১০", "༡༠", "𑄷𑄶"])
def test_digits_of_scripts_without_spaces_are_numbers(text: str) -> None:
    assert pieces_of(f"x{text}") == ["x10"]
    assert not SPACELESS.search(text)


def test_an_armenian_ligature_is_read_as_its_capitals() -> None:
    assert {fold(plain_of(text)) for text in ("Երևան", "ԵՐԵՎԱՆ", "ԵՐԵՒԱՆ", "երեւան")} == {"երեվան"}
    assert plain_of("ու ՈՒ") == "ու ՈՒ"  # another letter before it


def test_all_white_space_and_the_invisible_characters_of_pasted_texts_are_trimmed() -> None:
    cut = {character for character in map(chr, range(sys.maxunicode + 1)) if not trimmed(character)}
    assert {character for character in cut if not character.isspace()} == set(
        "\u00ad\u061c\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2060\u2066\u2067\u2068\u2069\ufeff"
    )
    assert cut >= {character for character in map(chr, range(sys.maxunicode + 1)) if character.isspace()}
    assert {unicodedata.category(character) for character in cut} == {"Cc", "Cf", "Zs", "Zl", "Zp"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\u200b \u2060zoe@x.org\ufeff \u200e", "zoe@x.org"), ("in\u00advoice\u00ad", "in\u00advoice"),
        ("☑\ufe0f", "☑\ufe0f"), ("👩\u200d👧\u200d", "👩\u200d👧"), ("\u200b", ""), ("", ""),
    ],
)  # fmt: skip
def test_what_stands_within_a_name_and_its_variation_selectors_stay(text: str, expected: str) -> None:
    assert trimmed(text) == expected


@pytest.mark.parametrize("word", ["don't", "don’t", "don‘t", "don´t", "donʼt", "don`t", "d·o-n/t", "d&o–n−t"])
def test_a_word_without_the_signs_within_it(word: str) -> None:
    assert in_one_word(plain_of(f"({word})")) == "dont"
    assert in_one_word("dont") == in_one_word('do"nt') == in_one_word("do--nt") == in_one_word("do/n1t") == ""


@pytest.mark.parametrize(
    "piece", ["aʼ" * 400 + "a1", "a-" * 400 + "a1", 'א"' * 400 + "א1", "a´" * 400 + "1", "ʼ" * 800 + "1"]
)
def test_a_hostile_piece_takes_little_time(piece: str) -> None:
    begun = time.process_time()
    assert in_one_word(plain_of(piece)) == ""
    assert time.process_time() - begun < 1
