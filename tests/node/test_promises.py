"""Every row of the tables of rules in docs/search.md is a promise, and is tested here on a real node."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import uuid5

import pytest

from service.conversation import Conversation
from service.query.conditions import MATCHES
from service.settings import Settings
from tests.corpus import ORGANIZATIONS
from tests.node.asking import ask, serving_subjects
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

PAGE = (Path(__file__).parents[2] / "docs" / "search.md").read_text("utf-8")
_LINE = re.compile(r"^\| (\w+) \| `(.*?)` \| `(.*?)` \| (yes|no) \| (.+) \|$", re.MULTILINE)
_ORDER = re.compile(r"^\| ([a-z ]+) \| `(.*?)` \| `(.*?)` \| `(.*?)` \| (.+) \|$", re.MULTILINE)
_ESCAPED = re.compile(r"\\u([0-9a-f]{4})")  # how the table writes invisible characters


def _written(text: str) -> str:
    return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), text)


PROMISES = [
    (asked, _written(text), _written(subject), found, rule) for asked, text, subject, found, rule in _LINE.findall(PAGE)
]
ORDERED = [
    (match, *map(_written, texts), rule) for match, *texts, rule in _ORDER.findall(PAGE.partition("## Every rule")[0])
]
RULES = {rule: [promise for promise in PROMISES if promise[-1] == rule] for *_promise, rule in PROMISES}
SCRIPTS = {
    "ARABIC", "ARMENIAN", "BENGALI", "CHEROKEE", "CJK", "CYRILLIC", "DEVANAGARI", "ETHIOPIC", "GEORGIAN", "GREEK",
    "GUJARATI", "GURMUKHI", "HANGUL", "HEBREW", "HIRAGANA", "KANNADA", "KATAKANA", "KHMER", "LAO", "LATIN", "MALAYALAM",
    "MONGOLIAN", "MYANMAR", "SINHALA", "TAMIL", "TELUGU", "THAANA", "THAI", "TIBETAN",
}  # fmt: skip


@pytest.fixture(scope="module")
def promised(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    """A service over every subject of the table."""
    yield from serving_subjects(
        settings, opensearch_url, (subject for _asked, _text, subject, _found, _rule in PROMISES)
    )


def test_the_table_is_long_and_of_many_scripts() -> None:
    assert len(PROMISES) >= 400
    assert len(PROMISES) == PAGE.partition("| asked |")[2].count("\n| "), "a line that the tests cannot read"
    named = {
        unicodedata.name(character, "").split(" ")[0]
        for _asked, text, subject, _found, _rule in PROMISES
        for character in text + subject
        if character.isalpha()
    }
    assert named >= SCRIPTS
    assert {asked for asked, *_rest in PROMISES} == {*MATCHES, "q"}


@pytest.mark.parametrize("rule", RULES)
def test_every_row_of_a_rule_holds(rule: str, promised: Api) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = pool.map(lambda promise: _is_found(promise, promised), RULES[rule])
        broken = [
            promise for promise, is_found in zip(RULES[rule], found, strict=True) if is_found != (promise[3] == "yes")
        ]
    assert broken == []


@pytest.fixture(scope="module")
def in_order(settings: Settings, opensearch_url: str) -> Iterator[Api]:
    """A service over the subjects of the table of orders: those that come first are the oldest."""
    firsts = [first for _match, _text, first, _later, _rule in ORDERED]
    laters = [later for _match, _text, _first, later, _rule in ORDERED]
    assert not {*firsts} & {*laters}, "a subject that comes first in one line may not be the later one in another"
    subjects = list(dict.fromkeys((*firsts, *laters)))
    with own_alias(settings, opensearch_url) as own:
        own.load(
            [
                Conversation(
                    uid=uuid5(ORGANIZATIONS[0], subject), organization_uid=ORGANIZATIONS[0], subject=subject,
                    updated_on=datetime(2024, 1, 1, tzinfo=UTC) + timedelta(minutes=place),
                )
                for place, subject in enumerate(subjects)
            ]
        )  # fmt: skip
        yield from serving(own.settings, own.url)


def test_the_table_of_orders_is_read() -> None:
    assert len(ORDERED) == PAGE.partition("| match | text |")[2].partition("\n## ")[0].count("\n| ") > 50


@pytest.mark.parametrize("match", dict.fromkeys(match for match, *_rest in ORDERED))
def test_the_first_subject_of_a_row_comes_before_the_later_one(match: str, in_order: Api) -> None:
    parameter, _, value = match.rpartition(" ")
    given = {"match": value} if parameter or value != "q" else {}
    name = "q" if "q" in (parameter, value) else "search"
    wrong = []
    for own_match, text, first, later, _rule in ORDERED:
        if own_match == match:
            answer = ask(in_order, sort="relevance", per_page=100, **{name: text}, **given)
            found = [item["subject"] for item in answer["items"]]
            if first not in found or later not in found or found.index(first) > found.index(later):
                wrong.append((text, first, later, found[:5]))
    assert wrong == []


def _is_found(promise: tuple[str, ...], promised: Api) -> bool:
    asked, text, subject, _found, _rule = promise
    parameters = {"q": text} if asked == "q" else {"search": text, "match": asked}
    answer = promised.get("/api/conversations/export", promised.token(ORGANIZATIONS[0]), params=parameters)
    assert answer.status_code == 200, answer.text[:500]
    return subject in {json.loads(line).get("subject") for line in answer.text.splitlines()}
