"""Other ways to write codes and numbers."""

from __future__ import annotations

import pytest

from service.search.word_forms import code_in, in_usual_groups, joined_codes, without_separators


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
    ],
)
def test_a_code_in_groups_is_one_code(text: str, code: str) -> None:
    assert set(joined_codes(text.split()).values()) == ({code} if code else set())


@pytest.mark.parametrize(
    ("piece", "one"),
    [
        ("v1.2.3", ""), ("e-mail", "email"), ("10,000", "10000"), ("ada.b2@example.com", ""),
    ],
)  # fmt: skip
def test_a_piece_in_parts_is_one_word(piece: str, one: str) -> None:
    assert without_separators(piece) == one


@pytest.mark.parametrize(
    ("piece", "code"),
    [
        ("GB29-NWBK-6016-1331", "gb29nwbk60161331"), ("550e8400-e29b-41d4-a716", "550e8400e29b41d4a716"),
        ("(RG-2024-001)", "rg2024001"), ("RG2024001,", "rg2024001"), ("rg_2024_001", "rg2024001"), ("B-12-34", "b1234"),
        ("00:1A:2B:3C:4D:5E", "001a2b3c4d5e"), ("001a.2b3c.4d5e", "001a2b3c4d5e"), ("covid‐19", "covid19"),
        ("v1.2.3", ""), ("v1.2", ""), ("Q1-2", ""), ("10:30", ""), ("e-mail", ""), ("2024-07-01", ""), ("--", ""),
        ("ada.b2@example.com", ""), ("día-2024", ""),
    ],
)  # fmt: skip
def test_a_code_in_one_word(piece: str, code: str) -> None:
    assert code_in(piece) == code


def test_usual_groups() -> None:
    assert in_usual_groups("1Z999AA10123456784") == ["1Z 999 AA1 01 2345 6784"]
    assert in_usual_groups("001A2B3C4D5E") == ["00 1A 2B 3C 4D 5E"]
    assert not in_usual_groups("ABCDEFABCDEF")
    assert in_usual_groups("CH9300762011623852957") == ["CH93 0076 2011 6238 5295 7"]
    assert in_usual_groups("(18005551234)") == ["1 800 555 1234"]
    assert not in_usual_groups("28005551234")
    assert not in_usual_groups("plain")
