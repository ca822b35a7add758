"""`Any` stands only where JSON or an untyped library comes in, so it stays rare."""

from __future__ import annotations

import tokenize
from pathlib import Path

import pytest

SERVICE = Path(__file__).parents[1] / "service"
MOST = 39


def lines_with_any(file: Path) -> set[int]:
    """The numbers of the lines whose code has the name `Any`. Comments and docstrings do not count."""
    with file.open("rb") as source:
        tokens = list(tokenize.tokenize(source.readline))
    return {token.start[0] for token in tokens if token.type == tokenize.NAME and token.string == "Any"}


@pytest.mark.slow
def test_few_lines_of_the_service_use_any() -> None:
    found = {file.relative_to(SERVICE): lines_with_any(file) for file in SERVICE.rglob("*.py")}
    places = [f"{file}:{number}" for file, numbers in sorted(found.items()) for number in sorted(numbers)]
    assert 0 < len(places) <= MOST, places
