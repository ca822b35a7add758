"""The query string: what is accepted, and that all problems are reported at once, each by the name of its parameter."""

from __future__ import annotations

import csv
import re
from urllib.parse import quote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidQuery, Problem
from service.query.conditions import OneOf, SearchText
from service.query.conversation_query import ConversationQuery, Sort
from service.query.parameters import LIST_PARAMETERS, PARAMETERS
from service.query.parser import parse_query
from service.query.query_string import Parameter, no_parameters

MINE = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")


def parsed(query_string: str) -> ConversationQuery:
    return parse_query(query_string.encode(), MINE)[1]


def problems(
    query_string: str | bytes, default: UUID | None = MINE, known: tuple[Parameter[object], ...] = PARAMETERS
) -> dict[str, str]:
    raw = query_string.encode() if isinstance(query_string, str) else query_string
    with pytest.raises(InvalidQuery) as caught:
        parse_query(raw, default, known=known)
    return {problem.parameter: problem.message for problem in caught.value.problems}


def test_an_empty_query_string_means_the_defaults() -> None:
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
        where=(
            OneOf("is_read", (False,)),
            OneOf("status", ("draft", "active")),
            OneOf("channel", ("sms",)),
            OneOf("category", ("a b", "c, d")),
            OneOf("agent_uid", (other,)),
            OneOf("party_uid", (other,)),
            SearchText("café au lait"),
        ),
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
        ("\u200ba b\ufeff,\u2060c\u00ad", ("a b", "c")),
        ('\u202a"a, b",c\u202c', ("a, b", "c")),
        ("a,a", ("a",)),
        ("返品,Über uns", ("返品", "Über uns")),
    ],
)
def test_category_names(text: str, names: tuple[str, ...]) -> None:
    assert parsed(f"category={quote(text)}").where == (OneOf("category", names),)


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
        ("category=a,,b", "category", "empty name"),
        ("category=", "category", "^has an empty name$"),
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
def test_an_error_names_the_parameter_and_what_is_allowed(query_string: str, parameter: str, says: str) -> None:
    found = problems(query_string)
    assert list(found) == [parameter]
    assert re.search(says, found[parameter])


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("created_on", "takes only none or any"),
        ("created_on[from]", "is not a parameter"),
        ("updated_on", "is not a parameter"),
        ("message_count[from]", "is not a parameter"),
    ],
)
def test_a_field_without_its_operator_is_answered_with_all_of_them(name: str, says: str) -> None:
    field = name.partition("[")[0]
    assert problems(f"{name}=2024", known=LIST_PARAMETERS) == {
        name: f"{says}; did you mean {field}[gte], {field}[gt], {field}[lte] or {field}[lt]?"
    }
    assert "did you mean status?" in problems("stat=x", known=LIST_PARAMETERS)["stat"]
    found = problems("label[nin]=x&from_email!=x", known=LIST_PARAMETERS)
    assert found["label[nin]"].endswith("; did you mean label?; q=-label:VALUE leaves one out")
    assert found["from_email!"].endswith("; did you mean from_email?; q=-from:VALUE leaves one out")


def test_more_than_two_choices_are_listed_in_the_error() -> None:
    wrong = problems("search=a&match=near", known=LIST_PARAMETERS)
    assert wrong == {"match": "must be one of words, any, auto, phrase, prefix, fuzzy, exact"}


def test_all_problems_are_reported_at_once_with_their_values() -> None:
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
    assert parsed(f"search={quote(text)}").where == (SearchText(text),)


@pytest.mark.parametrize(
    ("repeated", "joined"),
    [
        ("status=active&status=draft", "status=active,draft"),
        ("status=active&is_read=true&status=draft&status=closed", "status=active,draft,closed&is_read=true"),
        ("status=active,draft&status=closed&status=active", "status=active,draft,closed"),
        ("category=a&category=%22b,%20c%22", "category=a,%22b,%20c%22"),
        ("sort=subject&sort=-created_on", "sort=subject,-created_on"),
        ("status[in]=active&status[in]=draft", "status[in]=active,draft"),
        ("status[nin]=active&status[nin]=draft", "status[nin]=active,draft"),
        ("category!=a&category!=b", "category!=a,b"),
        (f"agent_uid[in]={MINE}&agent_uid[in]={UUID(int=1)}", f"agent_uid[in]={MINE},{UUID(int=1)}"),
        ("label=a&label=b", "label=a,b"),
        ("from_email=a@example.com&from_email=b@example.com", "from_email=a@example.com,b@example.com"),
        ("direction=inbound&direction=outbound", "direction=inbound,outbound"),
        (
            f"parent_conversation_uid={MINE}&parent_conversation_uid={UUID(int=1)}",
            f"parent_conversation_uid={MINE},{UUID(int=1)}",
        ),
        ("facets=status&facets=channel", "facets=status,channel"),
    ],
)
def test_a_list_may_be_repeated_or_have_commas(repeated: str, joined: str) -> None:
    known = LIST_PARAMETERS
    assert parse_query(repeated.encode(), MINE, known=known) == parse_query(joined.encode(), MINE, known=known)


@pytest.mark.parametrize("parameter", LIST_PARAMETERS, ids=lambda parameter: parameter.name)
def test_only_lists_may_be_repeated(parameter: Parameter[object]) -> None:
    text = quote(next(csv.reader([parameter.example]))[0] if parameter.is_list else parameter.example)
    raw = f"{quote(parameter.name)}={text}&{quote(parameter.name)}={text}&search=a&sort=is_read".encode()
    try:
        parse_query(raw, MINE, known=LIST_PARAMETERS)
        refused = ""
    except InvalidQuery as error:
        refused = str(error)
    assert ("more than once" in refused) is not parameter.is_list


@pytest.mark.parametrize(
    ("query_string", "parameter", "says"),
    [
        ("status=active&status=open", "status", "draft, active"),
        ("status=active&status=", "status", "draft, active"),
        ("category=%22a&category=b%22", "category", "double quotes"),
        ("category=none&category=a", "category", "none alone"),
        ("category=none,a", "category", "none alone"),
        ("category=a,any", "category", "any alone"),
        ("status=none,active", "status", "must be none or any alone, or a list without them"),
        ("status=none&status=active", "status", "must be none or any alone"),
        ("sort=subject&sort=-subject", "sort", "each key once"),
        ("category=" + "&category=".join(map(str, range(101))), "category", "at most 100"),
    ],
)
def test_what_is_wrong_in_a_repeated_list_is_named(query_string: str, parameter: str, says: str) -> None:
    found = problems(query_string)
    assert list(found) == [parameter]
    assert re.search(says, found[parameter])


def test_a_hundred_values_of_many_lists_may_be_repeated() -> None:
    uids = "&".join(f"{name}={UUID(int=n)}" for name in ("agent_uid[in]", "party_uid[nin]") for n in range(100))
    query = parse_query(
        f"{uids}&category=".encode() + b"&category=".join(b"%d" % n for n in range(100)), MINE, known=LIST_PARAMETERS
    )[1]
    assert [len(node.values) for node in query.where if isinstance(node, OneOf) and node.field == "category"] == [100]


def test_a_walk_accepts_page_1_and_no_other_page() -> None:
    assert parsed("cursor=*&page=1").cursor == "*"
    assert "no page numbers" in problems("cursor=*&page=2")["cursor"]


def test_match_needs_search_unless_it_is_the_default() -> None:
    known = LIST_PARAMETERS
    assert parse_query(b"match=words", MINE, known=known) == parse_query(b"", MINE, known=known)
    with pytest.raises(InvalidQuery, match="search must be given too"):
        parse_query(b"match=phrase", MINE, known=known)


def test_a_search_box_without_plain_words_may_say_how_words_match() -> None:
    for text in (b"status:active", b"-invoice", b"!!!", b'"a phrase"'):
        for match in (b"any", b"auto"):
            found = parse_query(b"q=" + text + b"&match=" + match, MINE, known=LIST_PARAMETERS)[1]
            assert found.where == parse_query(b"q=" + text, MINE, known=LIST_PARAMETERS)[1].where
    with pytest.raises(InvalidQuery, match="one of them must be given too"):
        parse_query(b"status=active&match=any", MINE, known=LIST_PARAMETERS)


def test_a_route_without_parameters_refuses_them_all() -> None:
    no_parameters(b"")
    with pytest.raises(InvalidQuery, match="takes none"):
        no_parameters(b"a=1")
