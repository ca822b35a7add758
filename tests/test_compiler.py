"""Compiled queries: their form, and the invariant that none leaves the organization."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from service.search import compiler
from service.search.compiler import compile_query, compile_sort
from service.search.query import SORT_FIELDS, ConversationQuery, Sort

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
FORBIDDEN = {"query_string", "simple_query_string", "regexp", "wildcard", "prefix", "script", "more_like_this"}


def random_query(rng: random.Random) -> ConversationQuery:
    return ConversationQuery(
        is_read=rng.choice([None, True, False]),
        statuses=rng.choice([(), ("draft",), ("active", "closed")]),
        channel=rng.choice([None, "email", "sms"]),
        categories=rng.choice([(), ("a",), ("a", "* OR 1")]),
        agent_uid=rng.choice([None, ORGANIZATION]),
        party_uid=rng.choice([None, ORGANIZATION]),
        search=rng.choice([None, "a b", "organization_uid:*", "*) OR (status:draft"]),
        sort=Sort(rng.choice(SORT_FIELDS), descending=rng.random() < 0.5),
        page=rng.randint(1, 50),
        per_page=rng.randint(1, 100),
    )


def names(clause: Any) -> set[str]:
    if isinstance(clause, dict):
        return set(clause) | {name for value in clause.values() for name in names(value)}
    if isinstance(clause, list):
        return {name for value in clause for name in names(value)}
    return set()


def test_every_query_is_the_organization_and_clauses_that_narrow() -> None:
    rng = random.Random(1)
    for _ in range(500):
        query = compile_query(random_query(rng), ORGANIZATION)
        assert list(query) == ["bool"]
        assert list(query["bool"]) == ["filter"], "should or must_not could widen"
        first, *rest = query["bool"]["filter"]
        assert first == {"term": {"organization_uid": str(ORGANIZATION)}}
        assert all("organization_uid" not in names(clause) for clause in rest)
        assert not names(query) & FORBIDDEN


def test_bool_queries_with_a_filter_are_made_in_one_place_only() -> None:
    source = "".join(file.read_text("utf-8") for file in Path(compiler.__file__).parent.rglob("*.py"))
    assert source.count('{"bool": {"filter": [{"term": {"organization_uid":') == 1
    assert source.count('{"bool":') == 2, "the other one is missing(), which can only be a filter among others"


def test_each_filter_is_a_clause() -> None:
    query = ConversationQuery(is_read=False, statuses=("draft", "active"), categories=("a, b",), search="two words")
    assert compile_query(query, ORGANIZATION)["bool"]["filter"][1:] == [
        {"term": {"is_read": False}},
        {"terms": {"status": ["draft", "active"]}},
        {"terms": {"categories": ["a, b"]}},
        {"match": {"subject.english": {"query": "two words", "operator": "and"}}},
    ]


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("field", SORT_FIELDS)
def test_every_order_is_total_and_ends_in_the_ties(field: Any, descending: bool) -> None:
    keys = [
        (name, how["order"])
        for clause in compile_sort(Sort(field, descending=descending))
        for name, how in clause.items()
    ]
    assert keys[-3:] == [("order.uid_1", "asc"), ("order.uid_2", "asc"), ("order.uid_3", "asc")]
    if field == "updated_on":
        assert keys[0] == ("updated_on", "desc" if descending else "asc")
        assert len(keys) == 4
    else:
        assert keys[1] == ("updated_on", "desc")
    assert all(how["missing"] == "_last" for clause in compile_sort(Sort(field)) for how in clause.values())


def test_the_reverse_order_turns_everything_around() -> None:
    for forward, backward in zip(compile_sort(Sort()), compile_sort(Sort(), reverse=True), strict=True):
        (name, how), (same, other) = *forward.items(), *backward.items()
        assert name == same
        assert {how["order"], other["order"]} == {"asc", "desc"}
        assert (how["missing"], other["missing"]) == ("_last", "_first")
