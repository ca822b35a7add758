"""Other ways to write codes and numbers."""

from __future__ import annotations

import pytest

from service.search.word_forms import in_usual_groups, joined_codes, without_separators


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("DE89 3704 0044 0532 0130 00", "DE89370400440532013000"),
        ("de89 3704 0044 0532 0130 00", "de89370400440532013000"),
        ("for ABC DE89 3704 0044 0532", "DE89370400440532"),
        ("030 123 456 789", ""),
        ("we met in 2024 at noon today", ""),
        ("A1 B2 C3", ""),
    ],
)
def test_a_code_in_groups_is_one_code(text: str, code: str) -> None:
    assert set(joined_codes(text.split()).values()) == ({code} if code else set())


@pytest.mark.parametrize(
    ("piece", "one"),
    [
        ("GB29-NWBK-6016-1331", "GB29NWBK60161331"), ("550e8400-e29b-41d4-a716", "550e8400e29b41d4a716"),
        ("v1.2.3", ""), ("e-mail", "email"), ("10,000", "10000"), ("ada.b2@example.com", ""),
    ],
)  # fmt: skip
def test_a_piece_in_parts_is_one_word(piece: str, one: str) -> None:
    assert without_separators(piece) == one


def test_usual_groups() -> None:
    assert in_usual_groups("CH9300762011623852957") == ["CH93 0076 2011 6238 5295 7"]
    assert in_usual_groups("(18005551234)") == ["1 800 555 1234"]
    assert not in_usual_groups("28005551234")
    assert not in_usual_groups("plain")
