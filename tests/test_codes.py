"""Codes and numbers in groups, and the words of Korean as they are typed."""

from __future__ import annotations

import time
import unicodedata

import pytest

from service import hangul
from service.codes import (
    amounts,
    code_in,
    codes_through,
    digits_in,
    groups_between,
    in_usual_groups,
    joined_codes,
    joined_numbers,
    number_begun,
    phone_number,
    whole_numbers,
)
from service.search.words.forms import without_separators


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("de89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("for ABC DE89 3704 0044 0532", "DE89370400440532"),
        ("030 123 456 789", ""),
        ("we met in 2024 at noon today", ""),
        ("A1 B2 C3", "A1B2C3"),
        ("A1 B2", ""),
        ("(DE89 3704 0044 0532 0130 00)", "DE89370400440532013000"),
    ],
)
def test_a_code_in_groups_is_one_code(text: str, code: str) -> None:
    assert set(joined_codes(text.split()).values()) == ({code} if code else set())


@pytest.mark.parametrize(
    ("piece", "one"),
    [
        ("v1.2.3", ""), ("e-mail", "email"), ("10,000", "10000"), ("ada.b2@example.com", ""),
        ("100-200", ""), ("2024-11", ""), ("1.2.3.4.5", ""), ("555-1234", "5551234"), ("1.000", "1000"), ("AC/DC", "ACDC"), ("Q&A", "QA"),
        ('דו"ח', "דוח"), ("צה״ל", "צהל"), ('a"b', ""), ("col·lecció", "collecció"), ("wi–fi", "wifi"), ("wi−fi", "wifi"), ("don`t", "dont"),
        ("and/or2", ""), ("/path", ""),
    ],
)  # fmt: skip
def test_separators_within_a_piece_are_removed(piece: str, one: str) -> None:
    assert without_separators(piece) == one


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        ("GB29-NWBK-6016-1331", "gb29nwbk60161331"), ("550e8400-e29b-41d4-a716", "550e8400e29b41d4a716"),
        ("(RG-2024-001)", "rg2024001"), ("RG2024001,", "rg2024001"), ("rg_2024_001", "rg2024001"), ("B-12-34", "b1234"),
        ("00:1A:2B:3C:4D:5E", "001a2b3c4d5e"), ("001a.2b3c.4d5e", "001a2b3c4d5e"), ("covid‐19", "covid19"),
        ("v1.2.3", ""), ("v1.2", ""), ("Q1-2", ""), ("10:30", ""), ("e-mail", ""), ("2024-07-01", ""), ("--", ""),
        ("ada.b2@example.com", ""), ("día-2024", ""),
        ("RG.2024.001", "rg2024001"), ("INV:2024:07", "inv202407"), ("XK9.7Q2.ZZ1", "xk97q2zz1"), ("RG/2024/001", "rg2024001"),
        ("RG\u20132024\u2013001", "rg2024001"), ("python3.11", ""), ("3.11rc1", ""), ("2024.1b2", ""),
    ],
)  # fmt: skip
def test_a_code_in_one_word(piece: str, code: str) -> None:
    assert code_in(piece) == code


def test_the_usual_groups_of_known_codes() -> None:
    assert in_usual_groups("1Z999AA10123456784") == ["1Z 999 AA1 01 2345 6784"]
    assert in_usual_groups("001A2B3C4D5E") == ["00 1A 2B 3C 4D 5E"]
    assert not in_usual_groups("ABCDEFABCDEF")
    assert in_usual_groups("CH9300762011623852957") == ["CH93 0076 2011 6238 5295 7"]
    assert in_usual_groups("(18005551234)") == ["1 800 555 1234"]
    assert not in_usual_groups("28005551234")
    assert not in_usual_groups("plain")


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("BMW X5 2024", {"bmwx5", "bmwx52024", "x52024"}), ("mt84 malt 0110", {"mt84malt", "mt84malt0110", "malt0110"}),
        ("(RG-2024 001),", {"rg2024001"}), ("plain words", set()), ("10 20 30", set()), ("in 5", set()),
    ],
)  # fmt: skip
def test_all_codes_that_pieces_could_make(text: str, codes: set[str]) -> None:
    assert {code for found in codes_through(text.split()).values() for code in found} == codes


@pytest.mark.parametrize(
    ("piece", "digits"),
    [
        ("030-123.456", "030123456"), ("01.23.45.67.89", "0123456789"), ("2024-07-01", "20240701"), ("(555)", "555"),
        ("10.1.11.2", ""), ("192.168.11.1", ""), ("1.12.2024", ""), ("2024-11-2", ""), ("1/12/24", ""),
        ("12345.67", ""), ("1,000.50", ""), ("1000,5", ""), ("1,234,567", "1234567"), ("a1", ""),
    ],
)  # fmt: skip
def test_digits_of_a_number_whose_groups_mean_nothing(piece: str, digits: str) -> None:
    assert digits_in(piece) == digits


@pytest.mark.parametrize(
    ("piece", "other"),
    [
        ("1000000", ["1 000 000"]), ("1,234,567", ["1234567"]), ("12345678,90", ["12 345 678 90"]), ("1.000,50", ["1000 50"]),
        ("1000", ["1 000"]), ("1,000", ["1000"]), ("0123456", []), ("999", []), ("1.5", []), ("12,34", []), ("1,2345", []),
    ],
)  # fmt: skip
def test_amounts_with_and_without_groups(piece: str, other: list[str]) -> None:
    assert amounts(piece) == other


def test_numbers_of_several_pieces() -> None:
    assert set(joined_numbers(["call", "030", "123", "456", "now"]).values()) == {"030123456"}
    assert joined_numbers(["12", "345", "678,90"]) == dict.fromkeys(("12", "345", "678,90"), "12345678 90")
    assert joined_numbers(["on", "1.12.2024", "10.1.1.12"]) == {}


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("sum 10,000", ["10000"]), ("+44 20 7946 0958", ["442079460958", "2079460958", "79460958"]), ("call (030) 123-456, now", ["030123456"]),
        ("12 345 678,90 EUR", ["12345678", "345678"]), ("1,000.50", ["1000"]), ("prix 1 000", ["1000"]), ("1234567", []), ("rooms 5 12", []),
        ("pages 100-200", []), ("host 10.1.11.2", []), ("on 1.12.2024", []), ("030 123 456. 789", ["030123456", "123456"]), ("2024 AB", []), ("1 " * 50, []),
        ("9999 " * 20, ["9" * 24] * 15 + ["9" * 20, "9" * 16, "9" * 12, "9" * 8]),
    ],
)  # fmt: skip
def test_the_numbers_in_groups_of_a_subject(text: str, numbers: list[str]) -> None:
    assert whole_numbers(text) == numbers


@pytest.mark.parametrize(
    ("text", "groups", "begun"),
    [
        ("10,00", ["10,00"], [f"1000{one}" for one in range(10)]), ("1,000,00", ["1,000,00"], [f"100000{one}" for one in range(10)]),
        ("+44 20 79", ["+44", "20", "79"], ["442079"]), ("call 030 12", ["030", "12"], ["03012"]), ("030-123", ["030-123"], ["030123"]), ("555-123", [], []),
        ("555-1234", ["555-1234"], ["5551234"]), ("1000", [], []), ("+4420", [], []), ("1,00", [], []), ("100-200", [], []), ("01.02.2024", [], []), ("10:30", [], []),
        ("a", [], []), ("", [], []),
    ],
)  # fmt: skip
def test_how_a_number_in_groups_begins(text: str, groups: list[str], begun: list[str]) -> None:
    assert number_begun(text.split()) == (groups, begun)


@pytest.mark.parametrize(
    "text", ["1-" * 5_000 + "x", "1 " * 5_000, "1" * 10_000 + "x", "1,000" * 2_000, "(" * 10_000 + "1"]
)
def test_a_long_text_of_digits_takes_little_time(text: str) -> None:
    begun = time.process_time()
    whole_numbers(text)
    number_begun(text.split()[-8:])
    assert time.process_time() - begun < 1


def test_the_digits_of_a_code_may_be_grouped_before_its_last_letters() -> None:
    assert groups_between("8R123456789FR") == groups_between("RR123456789DE") == groups_between("123456789RF") == 3
    assert groups_between("RG2024001") == groups_between("123456789") == 0


def test_each_state_of_typing_a_hangul_word_is_a_prefix_of_its_keys() -> None:
    for typed in ("ㅈ", "주", "줌", "주무", "주문"):
        assert "".join(map(hangul.keys_of, "주문")).startswith("".join(map(hangul.keys_of, typed)))
    assert hangul.keys_of("값").startswith(hangul.keys_of("갑"))
    assert hangul.keys_of("확").startswith(hangul.keys_of("호"))
    assert not hangul.keys_of("까").startswith(hangul.keys_of("ㄱ"))
    assert hangul.keys_of("a") == hangul.keys_of("ไ") == ""


@pytest.mark.slow
def test_no_two_hangul_syllables_have_the_same_keys() -> None:
    syllables = [chr(code_point) for code_point in range(0xAC00, 0xD7A4)]
    assert len({hangul.keys_of(one) for one in syllables}) == len(syllables)
    assert all(hangul.keys_of(unicodedata.normalize("NFD", one)) == hangul.keys_of(one) for one in syllables)
    for one in syllables[::97]:
        begun = {
            chr(at) for first, last in hangul.syllables_begun(one) for at in range(ord(first), ord(last) + 1)
        }  # fmt: skip
        assert begun == {other for other in syllables if hangul.keys_of(other).startswith(hangul.keys_of(one))}
    assert hangul.parted("줌") == ("주", [("마", "밓")])
    assert hangul.parted("주") is None


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+49 (170) 123-45 67", "491701234567"), ("030123456", "030123456"), ("(030) 123-456", "030123456"), ("123456", ""),
        ("30.12.2024", "30122024"), ("555-1234 ext", ""), ("a5551234", ""), ("5551234@sms.example", ""), ("+", ""), ("", ""), ("1" * 31, ""),
    ],
)  # fmt: skip
def test_the_groups_of_a_phone_number_are_removed(text: str, number: str) -> None:
    assert phone_number(text) == number
