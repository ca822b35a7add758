"""SECURITY.md: each row of its tables names tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "SECURITY.md").read_text("utf-8")
ROWS = [
    row
    for row in re.findall(r"^\|(.+)\|$", PAGE, re.MULTILINE)
    if not re.match(r"\s*(-+\||(they|it) tr|what happens)", row)
]


@pytest.mark.parametrize("row", ROWS)
def test_each_attack_has_a_test(row: str) -> None:
    what, stops, shown = row.split("|")
    assert what.strip()
    assert stops.strip()
    named = re.findall(r"`([\w/]+\.py)::(\w+)`", shown)
    assert named
    for file, name in named:
        assert re.search(rf"^def {name}\b", (TESTS / file).read_text("utf-8"), re.MULTILINE), name


def test_there_are_rows_in_every_table() -> None:
    assert len(ROWS) > 40
    assert PAGE.count("|---|---|---|") == PAGE.count("\n### ") == 7
