"""CONTRIBUTING.md names files and definitions that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FILES = sorted(set(re.findall(r"`((?:service|tests|scripts)/[\w./]*)`", PAGE)))
# `file` (`name`) and `name` in `file`, as the page writes them
DEFINITIONS = sorted(
    {
        *re.findall(r"`(service/[\w/]+\.py)`\s+\(`(\w+)`\)", PAGE),
        *((file, name) for name, file in re.findall(r"`(?:\w+\.)?(\w+)`\s+(?:in|of)\s+`(service/[\w/]+\.py)`", PAGE)),
    }
)


@pytest.mark.parametrize("file", FILES)
def test_every_file_that_the_page_names_exists(file: str) -> None:
    assert (ROOT / file).exists()


@pytest.mark.parametrize(("file", "name"), DEFINITIONS)
def test_every_definition_that_the_page_names_is_in_its_file(file: str, name: str) -> None:
    text = (ROOT / file).read_text("utf-8")
    assert re.search(rf"^\s*(?:(?:async )?def|class) {name}\b|^{name}\b.*=", text, re.MULTILINE)


def test_the_page_names_many_files_and_definitions() -> None:
    assert len(FILES) > 25
    assert len(DEFINITIONS) > 10
