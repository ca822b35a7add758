"""The cost of a request depends on the same limits as the way in which its page is found."""

from __future__ import annotations

from uuid import UUID

import pytest

from service.api import request_costs
from service.query.conversation_query import ConversationQuery
from service.query.fields import SORT_KEYS
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.search.compiler import scored_clauses
from service.search.paging.order import keys_of
from service.search.paging.rank_descent import Windows
from service.search.paging.tiers import Tiers

WINDOWS = Windows(dates=400, numbers=300, texts=200, scores=100)
SORTS = [*SORT_KEYS, "sent_at,subject", "status,-sent_at", "-updated_on,status", "relevance", "relevance,subject"]


def query_of(query_string: str) -> ConversationQuery:
    return parse_query(query_string.encode(), UUID(int=1, version=4), known=LIST_PARAMETERS)[1]


@pytest.mark.parametrize("sort", SORTS)
def test_a_page_is_expensive_if_it_is_found_by_counting(sort: str) -> None:
    found = set()
    for page in range(1, 42):
        query = query_of(f"search=invoice&per_page=10&page={page}&sort={sort}")
        keys = keys_of((query.sort, *query.then), Tiers.of(scored_clauses(query, UUID(int=1, version=4))))
        is_deep = page * 10 > WINDOWS.plain(keys)
        assert WINDOWS.is_deep(query) == is_deep
        assert request_costs.of_query(query, WINDOWS) == request_costs.DEEP * is_deep
        found.add(is_deep)
    assert found == {True, False}


def test_the_costs_of_expensive_parts_add_up() -> None:
    query = query_of("search=invoice&match=fuzzy&facets=status&suggest=true&page=1000")
    assert request_costs.of_query(query, Windows()) == 4 + 2 + 1 + request_costs.DEEP
    assert request_costs.of_query(query_of("search=invoice"), Windows()) == 0


@pytest.mark.parametrize(
    ("lines", "size", "units"),
    [(0, 0, 0), (5_000, 1_000_000, 50), (40, 9_300_000, 186), (100, 50_000, 1), (1, 10_000_000, 200)],
)
def test_a_bulk_write_costs_by_lines_or_by_bytes(lines: int, size: int, units: float) -> None:
    """40 conversations with 900 recipients each cost OpenSearch more than 5,000 short ones."""
    assert request_costs.of_bulk(lines, size) == pytest.approx(units)
