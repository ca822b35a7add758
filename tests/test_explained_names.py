"""`explain=query` writes names and addresses as parameters and as q. Both forms are parsed into the same query."""

from __future__ import annotations

from urllib.parse import urlencode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.query.conditions import Not, OneOf
from service.query.conversation_query import ConversationQuery
from service.query.explain import explain
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.text import trimmed

ORGANIZATION = UUID(int=1)
LISTS = ("category", "category[in]", "category[nin]", "category!", "label", "from_email", "to_emails", "cc_emails")
PEOPLE = ("from_email", "to_emails", "cc_emails")
PIECES = (
    "none", "any", "None", "ANY", ",", '"', '""', "“", "”", " ", "\n", "\r", "\t", "\\", "'", "OR", "-", "(", ")", "*", ":", "a",
    "A, B", "VIP client", "注文", "\u200e", "ada@example.com", "&", "%", "+",
)  # fmt: skip
NAMES = st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), min_size=1, max_size=6).map(
    lambda pieces: trimmed("".join(pieces))
)
SEVERAL = st.lists(NAMES.filter(bool), min_size=1, max_size=4, unique=True).map(tuple)


def read(**parameters: str) -> ConversationQuery:
    _organization, found = parse_query(
        urlencode({**parameters, "explain": "query"}).encode(), ORGANIZATION, known=LIST_PARAMETERS
    )
    return found


def check_both_forms(query: ConversationQuery) -> None:
    told = explain(query)
    if told.parameters is not None:
        assert read(**told.parameters).where == query.where
    if told.q is not None:
        assert read(q=told.q).where == query.where


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@pytest.mark.parametrize("parameter", LISTS)
@given(names=SEVERAL)
def test_explained_lists_of_names_are_parsed_into_the_same_query(parameter: str, names: tuple[str, ...]) -> None:
    query = read(**{parameter: ",".join(map(quoted, names))})
    (node,) = query.where
    inner = node.node if isinstance(node, Not) else node
    assert isinstance(inner, OneOf)
    if parameter not in PEOPLE:
        assert inner.values == names
    told = explain(query)
    assert told.parameters is not None
    assert read(**told.parameters).where == query.where
    if told.q is not None and parameter not in PEOPLE:  # of people, q has other nodes with the same meaning
        assert read(q=told.q).where == query.where


@pytest.mark.parametrize("name", ["label", "category"])
@given(names=SEVERAL)
def test_explained_names_of_the_search_box_are_parsed_into_the_same_query(name: str, names: tuple[str, ...]) -> None:
    query = read(q=f"{name}:{','.join(map(quoted, names))}")
    assert query.where == (OneOf(name, names),)
    told = explain(query)
    assert told.parameters is not None
    assert read(**told.parameters).where == query.where


@pytest.mark.parametrize(
    ("text", "parameters"),
    [
        ('label:"none"', {"label": '"none"'}),
        ('label:"any"', {"label": '"any"'}),
        ("label:any", {"label": "any"}),
        ('category:"none"', {"category[in]": '"none"'}),
        ('-category:"none"', {"category[nin]": '"none"'}),
        ('category:"none","A, B"', {"category[in]": '"none","A, B"'}),
        ('label:"VIP client","any"', {"label": 'VIP client,"any"'}),
        ('category:"a, none, b"', {"category[in]": '"a, none, b"'}),
    ],
)
def test_the_names_none_and_any_stay_quoted(text: str, parameters: dict[str, str]) -> None:
    query = read(q=text)
    assert explain(query).parameters == parameters
    check_both_forms(query)


@pytest.mark.parametrize(
    "parameters",
    [
        {"search": "say “yes” now", "match": "phrase"},
        {"search": "5＂ screen", "match": "phrase"},
        {"status": "closed", "q": '"red blue'},
        {"status": "closed", "q": "red OR blue) green"},
        {"status": "closed", "q": "red -blue"},  # which also finds the subject that is this text
        {"category": ",".join(f"name {number}" for number in range(40))},
        {"category": ",".join(f"{number} {'x' * 90}" for number in range(8))},
    ],
)
def test_q_is_left_out_if_it_would_mean_something_else(parameters: dict[str, str]) -> None:
    query = read(**parameters)
    assert explain(query).q is None


def test_a_text_of_the_box_that_is_too_long_for_search_has_no_parameters() -> None:
    assert explain(read(q="x" * 501)).parameters is None
