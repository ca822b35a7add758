"""docs/search.md's table of rules: every line of it is a promise, and is asked here, of a real node."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.query.conditions import MATCHES
from service.query.parameters import EXTRA_PARAMETERS, MORE_PARAMETERS
from service.query.search_fields import SEARCH_FIELDS
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.asking import serving_subjects
from tests.node.conftest import Api

PAGE = (Path(__file__).parents[2] / "docs" / "search.md").read_text("utf-8")
_LINE = re.compile(r"^\| (\w+) \| `(.*?)` \| `(.*?)` \| (yes|no) \| (.+) \|$", re.MULTILINE)
PROMISES = _LINE.findall(PAGE)
SCRIPTS = {
    "LATIN",
    "CYRILLIC",
    "GREEK",
    "ARABIC",
    "HEBREW",
    "DEVANAGARI",
    "CJK",
    "HIRAGANA",
    "KATAKANA",
    "HANGUL",
    "THAI",
}


@pytest.fixture(scope="module")
def promised(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    """A service over every subject of the table."""
    yield from serving_subjects(
        settings, opensearch_url, (subject for _asked, _text, subject, _found, _rule in PROMISES)
    )


def test_the_table_is_long_and_of_many_scripts() -> None:
    assert len(PROMISES) >= 200
    assert len(PROMISES) == PAGE.partition("| asked |")[2].count("\n| "), "a line that the tests cannot read"
    named = {
        unicodedata.name(character, "").split(" ")[0]
        for _asked, text, subject, _found, _rule in PROMISES
        for character in text + subject
        if character.isalpha()
    }
    assert named >= SCRIPTS
    assert {asked for asked, *_rest in PROMISES} == {*MATCHES, "q"}


@pytest.mark.parametrize(
    ("asked", "text", "subject", "found", "rule"), PROMISES, ids=[f"{p[0]}: {p[1]} / {p[2]}" for p in PROMISES]
)
def test_what_is_promised(asked: str, text: str, subject: str, found: str, rule: str, promised: Api) -> None:
    parameters = {"q": text} if asked == "q" else {"search": text, "match": asked}
    answer = promised.get("/api/conversations/export", promised.token(ORGANIZATIONS[0]), params=parameters)
    assert answer.status_code == 200, answer.text[:500]
    subjects = {json.loads(line).get("subject") for line in answer.text.splitlines()}
    assert (subject in subjects) == (found == "yes"), rule


def test_the_pages_other_tables_are_the_code() -> None:
    rows = re.findall(r"^\| `([^`]+)` \| (.+?) \|$", PAGE, re.MULTILINE)
    parameters = [(one.name, one.description) for one in (*MORE_PARAMETERS, *EXTRA_PARAMETERS)]
    assert rows == [*((f"{one.name}:", one.description) for one in SEARCH_FIELDS), *parameters]
