"""Counts and facets, through HTTP, against brute force."""

from __future__ import annotations

import random
from collections import Counter
from datetime import timedelta
from typing import Any
from zoneinfo import available_timezones

import pytest

from service.conversation import Conversation
from service.query.fields import FACET_FIELDS
from tests import oracle
from tests.corpus import ORGANIZATIONS
from tests.node.asking import ask, refused
from tests.node.random_requests import query_parameters, random_request
from tests.node.serving import Api

# ---- counts and facets ----


def facet_of(field: str, conversations: list[Conversation]) -> dict[str, Any]:
    """The most frequent value first, equally frequent ones by value; and how many conversations have none."""
    counts: Counter[str] = Counter()
    for one in conversations:
        counts.update(oracle.own_values(field, one))
    listed = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    if field == "is_read":
        values: list[dict[str, Any]] = [{"value": name == "true", "count": count} for name, count in listed]
    else:
        values = [{"value": name, "count": count} for name, count in listed]
    none = sum(1 for one in conversations if not oracle.own_values(field, one))
    return {"values": sorted(values, key=_order) if field == "is_read" else values, "none": none, "other": 0}


def _order(entry: dict[str, Any]) -> Any:
    return -entry["count"], entry["value"]


def without(request: oracle.Request, field: str) -> oracle.Request:
    """The request without its filters on the field."""
    return oracle.Request(
        request.organization,
        {name: value for name, value in request.filters.items() if name != field},
        () if field == "category" else request.categories,
        request.search,
        request.match,
        tuple((name, value) for name, value in request.conditions if name.rstrip("!").partition("[")[0] != field),
    )


@pytest.mark.parametrize("seed", range(4))
def test_counts_and_facets_are_exact_and_each_facet_ignores_its_own_filter(
    seed: int, api: Api, conversations: list[Conversation], tokens: oracle.Tokens
) -> None:
    compare_counts(100 + seed, 25, api, conversations, tokens)


def compare_counts(
    seed: int, requests: int, api: Api, conversations: list[Conversation], tokens: oracle.Tokens
) -> None:
    rng = random.Random(seed)
    for _ in range(requests):
        request = random_request(rng)
        wanted = rng.sample(FACET_FIELDS, rng.randint(1, len(FACET_FIELDS)))
        parameters = query_parameters(request) | {"facets": ",".join(wanted)}
        settled = oracle.settled(request, conversations, tokens)
        expected = {
            field: facet_of(field, oracle.matching(without(settled, field), conversations, tokens)) for field in wanted
        }
        found = ask(api, "", *ORGANIZATIONS, **parameters)
        assert found["facets"] == expected, request
        for name in ("sort", "page", "per_page"):
            parameters.pop(name)
        counted = ask(api, "/count", *ORGANIZATIONS, **parameters)
        total = len(oracle.matching(request, conversations, tokens))
        assert counted == {"total": total, **oracle.matched(request, conversations, tokens), "facets": expected}
        assert found["pagination"]["total"] == total


@pytest.mark.parametrize(("interval", "form"), [("year", "%Y"), ("month", "%Y-%m"), ("day", "%Y-%m-%d")])
def test_created_on_is_counted_in_a_time_zone(
    interval: str, form: str, api: Api, conversations: list[Conversation]
) -> None:
    parameters = {"facets[created_on]": interval, "tz": "Asia/Tokyo", "created_on[gte]": "1971"}
    found = ask(api, "/count", **parameters)["facets"]["created_on"]
    mine = [one.created_on for one in conversations if one.organization_uid == ORGANIZATIONS[0]]
    counts = Counter((when + timedelta(hours=9)).strftime(form) for when in mine if when is not None)
    years = {when.year for when in mine if when is not None}
    assert {entry["value"]: entry["count"] for entry in found["values"] if entry["value"] > "1970"} == {
        value: count for value, count in counts.items() if value > "1970"
    }
    assert found["none"] == sum(1 for when in mine if when is None)
    assert len(years) > 2


def test_every_time_zone_is_answered_or_refused_with_400(api: Api) -> None:
    token = api.token(ORGANIZATIONS[3])
    answered = Counter(
        api.get("/api/conversations/count", token, params={"facets[created_on]": "week", "tz": zone}).status_code
        for zone in sorted(available_timezones())
    )
    assert set(answered) == {200, 400}
    assert answered[400] < 10
    assert answered[200] > 400


def test_an_unknown_facet_is_refused(api: Api) -> None:
    (problem,) = refused(api, facets="status,subject")
    assert problem["parameter"] == "facets"
    assert "direction" in problem["message"]
