"""The registry of fields: one row makes parameters, fields of the search box, clauses and both forms of `explain`."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from service.conversation import Conversation
from service.index import mapping
from service.query import fields, search_fields
from service.query.conditions import Between, Missing, Node, Not, OneOf
from service.query.conversation_query import ConversationQuery
from service.query.explain import as_parameters, as_text
from service.query.field_parameters import bound_parameters, list_parameters, plain_parameters
from service.query.fields import FIELDS, Field, Lists, Plain, Syntax
from service.query.time_bounds import UTC_ZONE
from service.search import answers
from service.search.compiler import node_clause
from tests.field_values import mapped_fields

NOW = datetime(2024, 7, 1, tzinfo=UTC)
ORGANIZATION = UUID(int=1)
MOOD = Field(
    "mood", "choice", path="metadata.mood", choices=("glad", "sad"),
    plain=Plain("any of these moods", "glad", is_list=True, presence=True), lists=Lists("glad", "sad"),
    syntax=Syntax("mood"),
)  # fmt: skip
SPEED = Field(
    "speed", "number", path="metadata.speed", plain=Plain("how fast", "5", presence=True),
    bounds={"gte": "5", "gt": "4", "lte": "5", "lt": "6"}, syntax=Syntax("speed", "how fast"),
)  # fmt: skip


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> tuple[Field, ...]:
    """The registry with two fields more."""
    for row in (MOOD, SPEED):
        monkeypatch.setitem(fields.FIELDS_BY_NAME, row.name, row)
    return (*FIELDS, MOOD, SPEED)


def parsed(table: tuple[Field, ...], name: str, text: str) -> Any:
    known = [*plain_parameters(table, is_contract=False), *list_parameters(table), *bound_parameters(table)]
    return next(one for one in known if one.name == name).parse(text)


def from_the_box(table: tuple[Field, ...], name: str, text: str) -> Node:
    return next(one for one in search_fields.search_fields(table) if one.name == name).condition(text, False, UTC_ZONE)


def test_a_row_makes_parameters(table: tuple[Field, ...]) -> None:
    assert parsed(table, "mood", "glad,sad") == OneOf("mood", ("glad", "sad"))
    assert parsed(table, "mood", "none") == Missing("mood")
    assert parsed(table, "mood[in]", "sad") == OneOf("mood", ("sad",))
    assert parsed(table, "mood[nin]", "sad") == parsed(table, "mood!", "sad") == Not(OneOf("mood", ("sad",)))
    assert parsed(table, "speed", "7") == OneOf("speed", (7,))
    assert parsed(table, "speed", "any") == Not(Missing("speed"))
    assert parsed(table, "speed[gt]", "7").limit(UTC_ZONE) == ("gt", 7)
    with pytest.raises(ValueError, match=r"must be any of glad, sad, with commas between; not .bad., or none or any"):
        parsed(table, "mood", "bad")


def test_a_row_makes_a_field_of_the_search_box(table: tuple[Field, ...]) -> None:
    assert from_the_box(table, "mood", "Glad") == OneOf("mood", ("glad",))
    assert from_the_box(table, "mood", "none") == Missing("mood")
    assert from_the_box(table, "speed", "7") == OneOf("speed", (7,))
    assert from_the_box(table, "speed", "5..10") == Between("speed", (("gte", 5), ("lte", 10)))
    assert from_the_box(table, "speed", "5..") == Between("speed", (("gte", 5),))
    assert from_the_box(table, "speed", "..10") == Between("speed", (("lte", 10),))
    for text in ("x", "-1", "2147483648", "1.5"):
        with pytest.raises(ValueError, match="or none or any"):
            from_the_box(table, "speed", text)
    for text, says in (("10..5", "nothing can be within its bounds$"), ("..", "must have at least one end")):
        with pytest.raises(ValueError, match=says):
            from_the_box(table, "speed", text)


def test_a_row_makes_clauses_and_both_forms_of_explain(table: tuple[Field, ...]) -> None:
    assert table[-2:] == (MOOD, SPEED)
    rows: list[tuple[Node, dict[str, Any], str | None, dict[str, str] | None]] = [
        (OneOf("mood", ("sad",)), {"term": {"metadata.mood": "sad"}}, "mood:sad", {"mood[in]": "sad"}),
        (Not(OneOf("mood", ("glad", "sad"))), {"bool": {"must_not": [{"terms": {"metadata.mood": ["glad", "sad"]}}]}},
         "-mood:glad,sad", {"mood[nin]": "glad,sad"}),
        (Not(Missing("mood")), {"exists": {"field": "metadata.mood"}}, "mood:any", {"mood": "any"}),
        (OneOf("speed", (7,)), {"term": {"metadata.speed": 7}}, "speed:7", {"speed": "7"}),
        (OneOf("speed", (7, 8)), {"terms": {"metadata.speed": [7, 8]}}, "speed:7,8", None),
        (Between("speed", (("gt", 4), ("lte", 9))), {"range": {"metadata.speed": {"gt": 4, "lte": 9}}},
         "speed:5..9", {"speed[gt]": "4", "speed[lte]": "9"}),
        (Between("speed", (("lt", 0),)), {"range": {"metadata.speed": {"lt": 0}}}, None, {"speed[lt]": "0"}),
    ]  # fmt: skip
    for node, clause, text, parameters in rows:
        query = ConversationQuery(where=(node,))
        assert node_clause(node, NOW, ORGANIZATION) == clause
        assert as_text(query) == text
        assert as_parameters(query) == parameters


def test_an_unknown_choice_is_an_error() -> None:
    with pytest.raises(ValueError, match="no such status"):
        OneOf("status", ("open",))


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: row.name)
def test_each_row_is_in_the_mapping_as_its_kind_needs(row: Field) -> None:
    types = {
        "uid": "keyword", "choice": "keyword", "name": "keyword", "address": "keyword", "boolean": "boolean",
        "number": "long", "time": "date", "text": "text",
    }  # fmt: skip
    found = mapped(row.index_path)
    where = f"{row.index_path} in index_mappings/conversations.json"
    assert found["type"] == types[row.kind], f"{where}: a field of the kind {row.kind} has the type {types[row.kind]}"
    assert found.get("index", True), f"{where}: it must be indexed"


def mapped(path: str) -> dict[str, Any]:
    """The field of the mapping at this path."""
    found = dict(mapped_fields(mapping.load().mappings["properties"]))
    assert path in found, f"{path} is not in index_mappings/conversations.json"
    return found[path]


@pytest.mark.parametrize("row", [row for row in FIELDS if row.order is not None], ids=lambda row: row.name)
def test_each_order_is_by_a_field_with_one_value(row: Field) -> None:
    assert row.order is not None
    assert not row.has_several, "a field with several values has no order"
    assert mapped(row.order.key)["type"] in {"date", "boolean", "long", "byte", "keyword"}, row.order.key


@pytest.mark.parametrize("row", FIELDS, ids=lambda row: row.name)
def test_each_row_is_complete(row: Field) -> None:
    possible = (True, False) if row.kind == "boolean" else (fields.NONE, fields.ANY)
    assert set(row.states.values()) <= set(possible), f"a state of the kind {row.kind} is one of {possible}"
    if row.syntax is not None and row.kind not in ("choice", "time"):
        assert row.syntax.description, "docs/search.md needs a description"
    assert set(row.bounds) in (set(), set(fields.OPERATORS)), "bounds have an example for each operator"


def test_the_names_of_the_table_are_unique_and_are_those_of_answers() -> None:
    names = [one.name for one in search_fields.SEARCH_FIELDS]
    assert len(set(names)) == len(names)
    assert len(fields.FIELDS_BY_NAME) == len(FIELDS)
    assert [row.facet for row in sorted(FIELDS, key=lambda row: row.facet) if row.facet] == list(
        range(1, len(fields.FACET_FIELDS) + 1)
    )
    facets = "Facets in service/search/answers.py has the facets of FIELDS in their order, then created_on"
    assert tuple(answers.Facets.__annotations__) == (*fields.FACET_FIELDS, "created_on"), facets
    assert {row.name for row in FIELDS if not row.path} <= set(Conversation.model_fields)
