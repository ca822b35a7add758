"""Filters of the Python client, as the parameters that the service parses."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import pytest
from httpx import QueryParams
from hypothesis import given
from hypothesis import strategies as st

from conversation_search._parameters import parameters
from service.query.conditions import OneOf
from service.query.parameters import LIST_PARAMETERS
from service.query.query_string import parse_values
from service.text import trimmed

UID = UUID(int=1)
NAMES = st.text(st.characters(exclude_categories=("Cs", "Cc")), min_size=1).filter(
    lambda name: trimmed(name) == name and name.lower() not in ("none", "any")
)


@given(names=st.lists(NAMES, min_size=1, max_size=5))
def test_names_arrive_as_they_are_whatever_they_hold(names: list[str]) -> None:
    query_string = str(QueryParams(tuple(parameters({"category": names})))).encode()
    ((_field, asked),) = parse_values(query_string, LIST_PARAMETERS).items()
    assert isinstance(asked, OneOf)
    assert set(asked.values) == set(names)


@pytest.mark.parametrize(
    ("filters", "pairs"),
    [
        ({"status": "active"}, [("status", "active")]),
        ({"status": ["active", "draft"]}, [("status", "active"), ("status", "draft")]),
        ({"is_read": False}, [("is_read", "false")]),
        ({"agent_uid": UID}, [("agent_uid", str(UID))]),
        ({"category": "Docs, translations"}, [("category", '"Docs, translations"')]),
        ({"category": 'The "new" one'}, [("category", '"The ""new"" one"')]),
        ({"search": 'a "phrase", and more'}, [("search", 'a "phrase", and more')]),
        ({"where": {"created_on[gte]": date(2024, 7, 1)}}, [("created_on[gte]", "2024-07-01")]),
        ({"where": {"sent_at[lt]": datetime(2024, 7, 1, tzinfo=UTC)}}, [("sent_at[lt]", "2024-07-01T00:00:00+00:00")]),
        ({"where": {"message_count[gte]": 3}}, [("message_count[gte]", "3")]),
        ({"q": None}, []),
    ],
)
def test_filters_become_parameters(filters: dict[str, Any], pairs: list[tuple[str, str]]) -> None:
    assert parameters(filters) == pairs


@pytest.mark.parametrize(
    ("filters", "message"),
    [
        ({"stauts": "active"}, "stauts: not a filter"),
        ({"status": []}, "status: an empty list"),
        ({"where": "status=active"}, "where: must be a mapping"),
        ({"where": {"created_on[gte]": datetime(2024, 7, 1)}}, "no time zone"),
        ({"where": {"message_count[gte]": 1.5}}, "float is not a value"),
    ],
)
def test_a_wrong_filter_is_reported_before_anything_is_sent(filters: dict[str, Any], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        parameters(filters)
