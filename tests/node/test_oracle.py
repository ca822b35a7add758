"""The API's answers, through HTTP, against brute force over the same documents."""

from __future__ import annotations

import random
import time
from typing import Any
from uuid import UUID

import pytest

from service.conversation import CHANNELS, DIRECTIONS, STATUSES, Conversation
from service.query.conditions import MATCHES
from service.query.fields import DEEP_FIELDS
from tests import oracle
from tests.corpus import AGENTS, CATEGORIES, ORGANIZATIONS, PARTIES, WORDS
from tests.node.conftest import Api, Cluster

SIGNS = ("[in]", "[nin]", "!")
DATES = ("created_on", "updated_on", "sent_at")
SORTS = [f"{sign}{name}" for name in DEEP_FIELDS for sign in ("", "-")]
LISTS = [
    "is_read,-updated_on",
    "-status,subject",
    "has_reply,message_count,-sent_at",
    "channel,status,created_on,subject",
]
_NAMES = {
    "status": STATUSES, "channel": CHANNELS, "direction": DIRECTIONS, "agent_uid": [str(uid) for uid in AGENTS],
    "created_by_uid": [str(uid) for uid in AGENTS], "party_uid": [str(uid) for uid in PARTIES[:3]], "category": ["Billing", '"Returns, damaged"', "返品"],
}  # fmt: skip
CONDITIONS = [
    *((f"{name}{sign}", [values[0], ",".join(values[:2])]) for name, values in _NAMES.items() for sign in SIGNS),
    *((name, ["none", "any"]) for name in ("category", "agent_uid", "party_uid", "parent_conversation_uid", "label")),
    ("created_by_uid", ["none", "any", *map(str, AGENTS)]),
    ("direction", ["inbound", "outbound", "none", "any", "inbound,outbound"]),
    ("has_reply", ["true", "false"]),
    ("has_attachments", ["true", "false"]),
    ("from_email", ["ada@example.com", "none", "any", "ADA@example.com,x@example.com"]),
    ("message_count", ["1", "2", "50", "7", "none", "any"]),
    *((f"message_count[{sign}]", ["0", "1"]) for sign in ("gte", "gt")),
    *((f"message_count[{sign}]", ["2", "50", "2147483647"]) for sign in ("lte", "lt")),
    *((f"{field}[{sign}]", ["2024-01-01", "2024-01-01T00:00:00.001Z"]) for field in DATES for sign in ("gte", "gt")),
    *((f"{field}[lte]", ["2024-01-02", "2024-01-02T00:00:00.001Z"]) for field in DATES),
    *((f"{field}[lt]", ["2024-01-03", "2024-01-02T00:00:00.001Z"]) for field in DATES),  # behind all of the above
]
BATCHES = 8
REQUESTS_PER_BATCH = 90


def random_request(rng: random.Random) -> oracle.Request:
    filters: dict[str, str] = {}
    if rng.random() < 0.25:
        filters["is_read"] = rng.choice(["true", "false"])
    if rng.random() < 0.3:
        filters["status"] = ",".join(rng.sample(STATUSES, rng.randint(1, 4)))
    if rng.random() < 0.25:
        filters["channel"] = rng.choice(CHANNELS)
    if rng.random() < 0.15:
        filters["agent_uid"] = str(rng.choice(AGENTS))
    if rng.random() < 0.1:
        filters["party_uid"] = str(rng.choice(PARTIES))
    categories = tuple(rng.sample(CATEGORIES, rng.randint(1, 3))) if rng.random() < 0.2 else ()
    taken = {*filters, *(("category",) if categories else ())}  # a parameter is given once
    search = " ".join(rng.choices(WORDS, k=rng.choice((1, 1, 2)))) if rng.random() < 0.35 else None
    return oracle.Request(
        organization=str(rng.choices(ORGANIZATIONS, (6, 4, 2, 1))[0]),
        filters=filters,
        categories=categories,
        search=search,
        match=rng.choice(MATCHES) if search is not None else "words",
        conditions=tuple(
            (name, rng.choice(values)) for name, values in CONDITIONS if name not in taken and rng.random() < 0.025
        ),
        sort=rng.choice([*SORTS, *LISTS]),
        page=rng.choice((1, 1, 1, 2, 3, 10, 60)),
        per_page=rng.choice((1, 7, 25, 100)),
    )


def query_parameters(request: oracle.Request) -> dict[str, Any]:
    parameters: dict[str, Any] = {"organization_uid": request.organization, **request.filters}
    if request.categories:
        parameters["category"] = ",".join('"' + name.replace('"', '""') + '"' for name in request.categories)
    if request.search is not None:
        parameters |= {"search": request.search, "match": request.match}
    parameters |= dict(request.conditions)
    return parameters | {"sort": request.sort, "page": request.page, "per_page": request.per_page}


@pytest.mark.parametrize("seed", range(BATCHES))
def test_random_combinations_of_parameters_answer_as_brute_force_does(
    seed: int,
    api: Api,
    deep_api: Api,
    conversations: list[Conversation],
    tokens: oracle.Tokens,
) -> None:
    rng = random.Random(seed)
    token = api.token(*ORGANIZATIONS)
    found = 0
    for _ in range(REQUESTS_PER_BATCH):
        request = random_request(rng)
        expected = oracle.answer(request, conversations, tokens)
        assert api.conversations(token, query_parameters(request)) == expected, request
        assert deep_api.conversations(token, query_parameters(request)) == expected, request
        found += bool(expected["data"]["items"])
    assert found > REQUESTS_PER_BATCH / 3, "too few of the random requests find anything to prove much"


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("how", ["api", "deep_api"])
def test_walking_all_pages_visits_every_conversation_once_and_in_order(
    sort: str, how: str, request: pytest.FixtureRequest, conversations: list[Conversation]
) -> None:
    api: Api = request.getfixturevalue(how)
    organization = ORGANIZATIONS[1]
    token = api.token(organization)
    expected = oracle.ordered([one for one in conversations if one.organization_uid == organization], sort)
    walked: list[str] = []
    page = 1
    while items := api.conversations(token, {"sort": sort, "per_page": 100, "page": page})["data"]["items"]:
        walked += [item["uid"] for item in items]
        page += 1
    assert walked == [str(one.uid) for one in expected]


def test_points_in_time_are_closed(deep_api: Api, cluster: Cluster) -> None:
    """Also of pages past the end. They are closed behind the answer, so that is waited for."""
    token = deep_api.token(ORGANIZATIONS[0])
    for page in (1, 7, 1000):
        deep_api.conversations(token, {"sort": "subject", "page": page})
    deadline = time.monotonic() + 30
    while open_ones := cluster.act(lambda client: client.get_all_pits()).get("pits"):
        assert time.monotonic() < deadline, open_ones
        time.sleep(0.05)


def test_a_page_past_the_end_is_empty_with_the_true_total(api: Api) -> None:
    data = api.conversations(api.token(ORGANIZATIONS[2]), {"page": 50})["data"]
    assert data == {"items": [], "pagination": {"page": 50, "per_page": 25, "total": 80, "total_pages": 4}}


def test_an_item_has_the_fields_of_the_contract_in_their_order(api: Api) -> None:
    item = api.conversations(api.token(ORGANIZATIONS[0]), {"per_page": 1})["data"]["items"][0]
    assert list(item) == [
        "uid",
        "organization_uid",
        "channel",
        "direction",
        "status",
        "subject",
        "categories",
        "sent_at",
        "is_read",
        "has_reply",
        "message_count",
        "metadata",
        "agent_uid",
        "party_uid",
        "created_by_uid",
        "parent_conversation_uid",
        "created_on",
        "updated_on",
    ]
    assert list(item["metadata"]) == [
        "from_email",
        "from_name",
        "to_emails",
        "cc_emails",
        "snippet",
        "labels",
        "provider_message_id",
        "thread_id",
        "has_attachments",
        "attachment_count",
        "history_id",
    ]


@pytest.mark.parametrize("seed", range(3))
def test_no_caller_ever_sees_another_organizations_conversation(
    seed: int, api: Api, conversations: list[Conversation]
) -> None:
    rng = random.Random(1000 + seed)
    for _ in range(60):
        mine = rng.sample(ORGANIZATIONS, rng.randint(1, 3))
        request = random_request(rng)
        answer = api.get("/api/conversations", api.token(*mine), params=query_parameters(request))
        if UUID(request.organization) in mine:
            assert answer.status_code == 200
            assert {item["organization_uid"] for item in answer.json()["data"]["items"]} <= {request.organization}
        else:
            assert answer.status_code == 403
            assert answer.json()["error"]["code"] == "forbidden"
            assert request.organization not in answer.text


def test_an_organization_that_does_not_exist_is_refused_in_the_same_words(api: Api) -> None:
    token = api.token(ORGANIZATIONS[0])
    unknown = "00000000-0000-4000-8000-000000000000"
    answers = [
        api.get("/api/conversations", token, params={"organization_uid": uid}).json()["error"]
        for uid in (unknown, str(ORGANIZATIONS[1]))
    ]
    assert answers[0] | {"request_id": ""} == answers[1] | {"request_id": ""}
