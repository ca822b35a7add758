"""The query string: what is taken, and that every problem is told, at once, by name."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.api.asked import parse_query
from service.api.parameters import PARAMETERS
from service.api.query_string import no_parameters
from service.errors import InvalidQuery, Problem
from service.search.query import ConversationQuery, Sort

MINE = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")


def parsed(query_string: str) -> ConversationQuery:
    return parse_query(query_string.encode(), MINE)[1]


def problems(query_string: str | bytes, default: UUID | None = MINE) -> dict[str, str]:
    raw = query_string.encode() if isinstance(query_string, str) else query_string
    with pytest.raises(InvalidQuery) as caught:
        parse_query(raw, default)
    return {problem.parameter: problem.message for problem in caught.value.problems}


def test_nothing_means_the_defaults() -> None:
    assert parse_query(b"", MINE) == (MINE, ConversationQuery())
    assert ConversationQuery().sort == Sort("updated_on", descending=True)


def test_every_parameter_is_understood() -> None:
    other = "b3d94c52-7e0f-4a6b-8c1d-2e5f60718293"
    organization, query = parse_query(
        f"organization_uid={other.upper()}&is_read=false&status=draft,active&channel=sms&category=a%20b,%22c,%20d%22"
        f"&agent_uid={other}&party_uid={other}&search=caf%C3%A9+au+lait&sort=-subject&page=3&per_page=100".encode(),
        MINE,
    )
    assert organization == UUID(other)
    assert query == ConversationQuery(
        is_read=False,
        statuses=("draft", "active"),
        channel="sms",
        categories=("a b", "c, d"),
        agent_uid=UUID(other),
        party_uid=UUID(other),
        search="café au lait",
        sort=Sort("subject", descending=True),
        page=3,
        per_page=100,
    )


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("a,b", ("a", "b")),
        ('"a, b",c', ("a, b", "c")),
        ('"say ""hi"""', ('say "hi"',)),
        (" a b , c ", ("a b", "c")),
        ("a,a", ("a",)),
        ("返品,Über uns", ("返品", "Über uns")),
    ],
)
def test_category_names(text: str, names: tuple[str, ...]) -> None:
    from urllib.parse import quote

    assert parsed(f"category={quote(text)}").categories == names


@pytest.mark.parametrize(
    ("query_string", "parameter", "says"),
    [
        ("is_read=TRUE", "is_read", "true or false"),
        ("is_read=1", "is_read", "true or false"),
        ("is_read", "is_read", "true or false"),
        ("status=open", "status", "draft, active, archived, closed"),
        ("status=", "status", "draft, active"),
        ("status=active,", "status", "draft, active"),
        ("status=active,%20draft", "status", "draft, active"),
        ("channel=email,sms", "channel", "email or sms"),
        ("category=", "category", "empty name|names with commas"),
        ("category=a,,b", "category", "empty name"),
        ("category=%22a", "category", "double quotes"),
        ("category=%22a%22b", "category", "double quotes"),
        ("category=" + ",".join(map(str, range(101))), "category", "at most 100"),
        ("agent_uid=5", "agent_uid", "must be a UUID"),
        ("party_uid=%7B6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f%7D", "party_uid", "must be a UUID"),
        ("organization_uid=urn:uuid:6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f", "organization_uid", "must be a UUID"),
        ("search=", "search", "a word"),
        ("search=%20%20", "search", "a word"),
        ("search=" + "a" * 501, "search", "at most 500"),
        ("search=%ff", "search", "UTF-8"),
        ("search=%ed%a0%80", "search", "UTF-8"),
        ("search=100%", "search", "percent-encoded"),
        ("sort=uid", "sort", "created_on, updated_on"),
        ("sort=updated_onn", "sort", "did you mean updated_on"),
        ("sort=--subject", "sort", "created_on, updated_on"),
        ("sort=subject,-page", "sort", "created_on, updated_on"),
        ("page=0", "page", "between 1 and"),
        ("page=-1", "page", "between 1 and"),
        ("page=1.0", "page", "whole number"),
        ("page=%D9%A1", "page", "whole number"),
        ("page=" + "9" * 5000, "page", "between 1 and"),
        ("per_page=0", "per_page", "between 1 and 100"),
        ("per_page=101", "per_page", "between 1 and 100"),
        ("per_page=+5", "per_page", "whole number"),
        ("page=1&page=1", "page", "more than once"),
        ("Page=1", "Page", "did you mean page"),
        ("perpage=1", "perpage", "did you mean per_page"),
        ("=1", "", "is not a parameter"),
        ("x" * 70_000, "query string", "at most 65536 bytes"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_what_is_allowed(query_string: str, parameter: str, says: str) -> None:
    found = problems(query_string)
    assert list(found) == [parameter]
    assert re.search(says, found[parameter])


def test_all_problems_are_told_at_once_with_their_values() -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_query(b"page=0&per_page=500&status=open&foo=1&sort=x&is_read=2&search=%ff", None)
    told = {problem.parameter: problem.value for problem in caught.value.problems}
    assert told == {
        "search": "%ff",
        "page": "0",
        "per_page": "500",
        "status": "open",
        "foo": "1",
        "sort": "x",
        "is_read": "2",
        "organization_uid": None,
    }


def test_an_organization_is_required_where_the_token_names_no_default() -> None:
    assert "is required" in problems("", None)["organization_uid"]
    assert parse_query(f"organization_uid={MINE}".encode(), None)[0] == MINE


def test_a_long_wrong_value_is_shown_in_part() -> None:
    with pytest.raises(InvalidQuery) as caught:
        parse_query(b"channel=" + b"x" * 10_000, MINE)
    assert len(caught.value.problems[0].value or "") < 250


@given(st.binary(max_size=300))
def test_any_bytes_at_all_are_understood_or_refused(raw: bytes) -> None:
    try:
        found: object = parse_query(raw, MINE)[1]
    except InvalidQuery as error:
        found = error.problems[0]
    assert isinstance(found, ConversationQuery | Problem)


@given(st.text(min_size=1, max_size=100).filter(str.strip))
def test_any_text_can_be_searched_for(text: str) -> None:
    from urllib.parse import quote

    assert parsed(f"search={quote(text)}").search == text


def test_a_route_without_parameters_refuses_them_all() -> None:
    no_parameters(b"")
    with pytest.raises(InvalidQuery, match="takes none"):
        no_parameters(b"a=1")


def test_the_readmes_table_is_the_code() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text("utf-8")
    rows = re.findall(
        r"^\| `([a-z_]+)` \| (.+?) \|$", readme.partition("## The API")[2].partition("\n## ")[0], re.MULTILINE
    )
    assert rows == [(parameter.name, parameter.description) for parameter in PARAMETERS]
