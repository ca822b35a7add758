"""Compiled queries: their form, and the invariant that none leaves the organization."""

from __future__ import annotations

import random
import re
import time
import timeit
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from service.index import mapping
from service.query import search_syntax, values
from service.query.conditions import MATCHES, OneOf, SearchText
from service.query.conversation_query import ConversationQuery, Extras, Facets, Sort
from service.query.fields import SORT_FIELDS
from service.query.time_bounds import UTC_ZONE
from service.reach import Reach, Restriction, identity_of
from service.search import compiler
from service.search.clauses import none_of
from service.search.compiler import compile_page, compile_query, compile_sort, excluded_by, missing, node_clause
from service.search.facets import compile_facets
from service.text import REPLY_MARKS, pieces_of
from tests.examples import examples

NOW = datetime(2024, 7, 1, tzinfo=UTC)
ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
FORBIDDEN = {"query_string", "simple_query_string", "regexp", "wildcard", "prefix", "script", "more_like_this"}
TEXTS = [
    "a b",
    "organization_uid:*",
    "*) OR (status:draft",
    "2024-07-01 注文確認 ไทย",
    '"',
    "\\ /.*/ [a TO z]",
    "Re: x*",
]
BOXES = [
    "a -b",
    'status:closed OR (from:ada "x y")',
    "-(a OR b*) created:2024..",
    "to:x@y.z is:unread",
    "organization_uid:x",
]


FILTERS: dict[str, list[tuple[str | bool | int, ...]]] = {
    "is_read": [(), (True,), (False,)], "status": [(), ("draft",), ("active", "closed")],
    "channel": [(), ("email",), ("sms",)], "category": [(), ("a",), ("a", "* OR 1")],
    "agent_uid": [(), (str(ORGANIZATION),)], "party_uid": [(), (str(ORGANIZATION),)],
}  # fmt: skip


def random_query(rng: random.Random) -> ConversationQuery:
    search = rng.choice([None, *TEXTS])
    return ConversationQuery(
        where=(
            *(OneOf(name, values) for name, choices in FILTERS.items() if (values := rng.choice(choices))),
            *((SearchText(search, rng.choice(MATCHES)),) if search is not None else ()),
            *(search_syntax.parse(text, UTC_ZONE).nodes if (text := rng.choice([None, *BOXES])) is not None else ()),
        ),
        sort=Sort(rng.choice([one for one in SORT_FIELDS if one != "relevance" or search is not None])),
        extras=Extras(facets=Facets(("status", "category"), "month"), highlight=rng.random() < 0.5),
        page=rng.randint(1, 50),
        per_page=rng.randint(1, 100),
    )


def names(clause: Any) -> set[str]:
    if isinstance(clause, dict):
        return set(clause) | {name for value in clause.values() for name in names(value)}
    if isinstance(clause, list):
        return {name for value in clause for name in names(value)}
    return set()


def bools(clause: Any) -> list[dict[str, Any]]:
    """Every bool query in there, the outermost first."""
    if isinstance(clause, dict):
        own = [clause["bool"]] if "bool" in clause else []
        return own + [found for value in clause.values() for found in bools(value)]
    return [found for value in clause for found in bools(value)] if isinstance(clause, list) else []


def test_every_query_filters_by_organization_and_other_clauses_only_narrow() -> None:
    rng = random.Random(1)
    for _ in range(examples(2000)):
        asked = random_query(rng)
        query: Any = compile_query(asked, ORGANIZATION)
        assert list(query) == ["bool"]
        assert query["bool"].get("minimum_should_match", 0) == 0, "what stands in should scores, and nothing else"
        assert query["bool"].keys() <= {"filter", "should", "minimum_should_match"}
        first, *rest = query["bool"]["filter"]
        assert first == {"term": {"organization_uid": str(ORGANIZATION)}}
        assert all("organization_uid" not in names(clause) for clause in rest)
        for inner in (found for clause in rest for found in bools(clause)):
            assert list(inner) in (["filter"], ["must_not"], ["should", "minimum_should_match"])
            assert inner.get("minimum_should_match", 1) == 1
        assert not names(compile_page(asked, ORGANIZATION)) & FORBIDDEN
        assert not names(compile_facets(asked, ORGANIZATION)) & FORBIDDEN


def test_the_restriction_of_a_caller_follows_the_organization_in_every_query() -> None:
    rng = random.Random(2)
    one, other = UUID(int=1), UUID(int=2)
    agents: Any = {"terms": {"agent_uid": [str(one), str(other)]}}
    parties: Any = {"terms": {"party_uid": []}}
    reach = Reach(ORGANIZATION, Restriction(frozenset({one, other}), frozenset()))
    for _ in range(examples(200)):
        asked = random_query(rng)
        bodies = [{"query": compile_query(asked, reach)}, compile_page(asked, reach), *compile_facets(asked, reach)]
        for body in bodies:
            query: Any = body["query"]
            assert query["bool"]["filter"][:3] == [{"term": {"organization_uid": str(ORGANIZATION)}}, agents, parties]


def test_reaches_differ_if_their_organizations_or_restrictions_differ() -> None:
    plain = Reach(ORGANIZATION, Restriction())
    ones = [Reach(ORGANIZATION, Restriction(frozenset({UUID(int=number)}))) for number in (1, 1, 2)]
    party = Reach(ORGANIZATION, Restriction(None, frozenset({UUID(int=1)})))
    assert (str(ones[0]), ones[0].bytes) == (str(ORGANIZATION), ORGANIZATION.bytes)
    assert len({ORGANIZATION, plain, party, *ones}) == 5
    assert ones[0] != ORGANIZATION
    assert ones[0] not in {ORGANIZATION}
    assert ORGANIZATION not in set(ones)
    known = [identity_of(one) for one in (ORGANIZATION, plain, party, *ones)]
    assert len(set(known)) == 5
    with pytest.raises(TypeError, match="immutable"):
        ones[0].restriction = Restriction()


def test_bool_queries_with_an_organization_are_made_in_one_place_only() -> None:
    source = "".join(file.read_text("utf-8") for file in Path(compiler.__file__).parent.rglob("*.py"))
    assert source.count('{"bool": {"filter": [{"term": {"organization_uid":') == 1
    assert source.count('"organization_uid"') == 2, (
        "the other is how a stored document begins, by which hits are checked"
    )
    assert source.count('{"bool":') == 5, (
        "the others are missing(), all_of(), any_of() and none_of(): clauses among filters"
    )


def test_each_filter_is_a_clause() -> None:
    filters = (OneOf("is_read", (False,)), OneOf("status", ("draft", "active")), OneOf("category", ("a, b",)))
    query = ConversationQuery(where=(*filters, SearchText("two  - words")))
    compiled: Any = compile_query(query, ORGANIZATION)
    assert compiled["bool"]["filter"][1:] == [
        {"term": {"is_read": False}},
        {"terms": {"status": ["draft", "active"]}},
        {"term": {"categories": "a, b"}},
        {"bool": {"filter": [_any_way("two", "words", []), _any_way("words", "two", ["wo rds", "wor ds"])]}},
    ]


def _any_way(word: str, other: str, halves: list[str]) -> dict[str, Any]:
    """The word in any form, in one word with the other, or in two words."""
    written = ["".join(sorted((word, other))), *halves]
    phrases = [{"match_phrase": {"subject.stems": {"query": word}}}]
    phrases += [{"match_phrase": {"subject": {"query": text}}} for text in written]
    return {"bool": {"should": phrases, "minimum_should_match": 1}}


def test_the_clauses_of_the_longest_text_are_bounded() -> None:
    longest = ConversationQuery(where=(SearchText("1a " * 166, "prefix"),), sort=Sort("relevance"))
    assert len(bools(compile_query(longest, ORGANIZATION))) < 1000
    assert str(compile_query(longest, ORGANIZATION)).count("match_phrase") < 1000


def test_prefixes_in_the_search_box_make_fewer_clauses_than_a_cluster_accepts() -> None:
    parsed = search_syntax.parse("ab-1* " * search_syntax.MAX_CLAUSES, UTC_ZONE)
    assert str(compile_query(ConversationQuery(where=parsed.nodes), ORGANIZATION)).count("match_phrase") < 600


def test_reply_marks_are_the_same_for_texts_and_for_subjects() -> None:
    held = mapping.load().settings["index"]["analysis"]["char_filter"]["replies"]["pattern"]
    assert held == REPLY_MARKS.pattern


@pytest.mark.parametrize("descending", [True, False])
@pytest.mark.parametrize("field", SORT_FIELDS)
def test_every_sort_order_is_total_and_ends_with_the_uid(field: Any, descending: bool) -> None:
    clauses: Any = compile_sort(Sort(field, descending=descending))
    keys = [(name, how["order"]) for clause in clauses for name, how in clause.items()]
    assert keys[-3:] == [("order.uid_1", "asc"), ("order.uid_2", "asc"), ("order.uid_3", "asc")]
    if field == "updated_on":
        assert keys[0] == ("updated_on", "desc" if descending else "asc")
        assert len(keys) == 4
    else:
        assert keys[1] == ("updated_on", "desc")
    missing = [how.get("missing") for clause in clauses for how in clause.values()]
    assert missing[1:] == ["_last"] * (len(missing) - 1)
    assert missing[0] == (None if field == "relevance" else "_last"), "every match has a score"


def test_an_order_of_several_keys_names_each_field_once() -> None:
    keys = [name for clause in compile_sort(Sort("is_read"), (Sort("updated_on"), Sort("subject"))) for name in clause]
    assert keys == ["is_read", "updated_on", "order.subject", "order.uid_1", "order.uid_2", "order.uid_3"]


def test_a_reversed_order_reverses_every_key_and_the_missing_values() -> None:
    orders: list[list[dict[str, Any]]] = [
        [dict(key) for key in compile_sort(Sort(), reverse=reverse)] for reverse in (False, True)
    ]
    for forward, backward in zip(*orders, strict=True):
        ((name, how),), ((same, other),) = forward.items(), backward.items()
        assert name == same
        assert {how["order"], other["order"]} == {"asc", "desc"}
        assert (how["missing"], other["missing"]) == ("_last", "_first")


def test_no_pattern_of_the_analysis_repeats_a_group_that_java_would_recurse_on() -> None:
    analysis = mapping.load().settings["index"]["analysis"]
    parts = [part for kind in analysis.values() for part in kind.values()]
    patterns = [part["pattern"] for part in parts if "pattern" in part]
    assert len(patterns) == 35
    recursive = re.compile(r"\)(?:[*+]|\{\d*,\d*\})(?!\+)")
    assert recursive.search("(?:re:)+")
    assert [pattern for pattern in patterns if recursive.search(pattern)] == []


def test_a_repeated_word_costs_its_clauses_once() -> None:
    repeated = ConversationQuery(where=(SearchText("one two " * 60, "fuzzy"),), sort=Sort("relevance"))
    assert str(compile_query(repeated, ORGANIZATION)).count("fuzziness") == 2


@pytest.mark.parametrize("text", ["\ufdfa" * 45, "㎨" * 201, "\ufdfa" * 500])
def test_a_text_that_is_long_once_it_is_spelled_out_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="must have at most 800 characters once ligatures and symbols are spelled out"):
        values.search(text)
    with pytest.raises(search_syntax.TooLong, match="spelled out"):
        search_syntax.parse(text, UTC_ZONE)
    assert values.search("ﬁ½…" * 100)


def test_an_operand_repeated_between_ors_becomes_one_clause() -> None:
    once, twice = (search_syntax.parse(text, UTC_ZONE).nodes[-1] for text in ("a* OR b", "a* OR b OR a* OR b"))
    assert node_clause(once, NOW, ORGANIZATION) == node_clause(twice, NOW, ORGANIZATION)


def test_what_a_clause_for_documents_without_a_value_excludes() -> None:
    exists = {"exists": {"field": "sent_at"}}
    assert excluded_by(missing("sent_at")) == exists
    term = {"term": {"status": "closed"}}
    for other in (
        exists,
        none_of(term),
        none_of(missing("sent_at")),
        {"bool": {"must_not": [exists], "filter": [term]}},
    ):
        assert excluded_by(other) is None, other


@pytest.mark.slow
@pytest.mark.parametrize(
    "text", [":" * 65_000, "]" * 65_000, "re" + " " * 65_000, "] " * 32_000, "re:" * 21_000, "re[" * 21_000, "[x] re: " * 8000, "[fwd:" * 13_000, "(fwd)" * 13_000, "(fwd)" + " " * 65_000 + "x"]
)  # fmt: skip
def test_reply_marks_are_looked_for_in_linear_time(text: str) -> None:
    """Quadratic time would be 256 times longer for a text that is 16 times longer."""

    def seconds(one: str) -> float:
        return min(timeit.repeat(lambda: pieces_of(one), number=1, repeat=3, timer=time.process_time))

    assert seconds(text) < 16 * 16 / 2 * max(seconds(text[: len(text) // 16]), 0.001)
