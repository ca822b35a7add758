"""The API's answers, through HTTP, against brute force over the same documents."""

from __future__ import annotations

import random
from uuid import UUID

import pytest

from service.conversation import Conversation
from tests import oracle
from tests.corpus import ORGANIZATIONS
from tests.node.asking import walk
from tests.node.clusters import Cluster
from tests.node.random_requests import SORTS, query_parameters, random_request
from tests.node.serving import Api

BATCHES = 8
REQUESTS_PER_BATCH = 90


@pytest.mark.parametrize("seed", range(BATCHES))
def test_random_combinations_of_parameters_answer_as_brute_force_does(
    seed: int,
    api: Api,
    deep_api: Api,
    conversations: list[Conversation],
    tokens: oracle.Tokens,
) -> None:
    compare(seed, REQUESTS_PER_BATCH, api, deep_api, conversations, tokens)


def compare(
    seed: int, requests: int, api: Api, deep_api: Api, conversations: list[Conversation], tokens: oracle.Tokens
) -> None:
    rng = random.Random(seed)
    token = api.token(*ORGANIZATIONS)
    found = 0
    for _ in range(requests):
        request = random_request(rng)
        expected = oracle.answer(request, conversations, tokens)
        assert api.conversations(token, query_parameters(request)) == expected, request
        assert deep_api.conversations(token, query_parameters(request)) == expected, request
        found += bool(expected["data"]["items"])
    assert found > requests / 3, "too few of the random requests find anything to prove much"


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


@pytest.mark.parametrize("sort", SORTS)
def test_walking_by_cursor_visits_every_conversation_once_and_in_order(
    sort: str, api: Api, conversations: list[Conversation]
) -> None:
    organization = ORGANIZATIONS[1]
    expected = oracle.ordered([one for one in conversations if one.organization_uid == organization], sort)
    assert walk(api, api.token(organization), sort=sort, per_page=100) == [str(one.uid) for one in expected]


def test_points_in_time_are_closed(deep_api: Api, cluster: Cluster) -> None:
    """Also those of pages past the end."""
    _open, before = cluster.points_in_time()
    token = deep_api.token(ORGANIZATIONS[0])
    for page in (1, 7, 1000):
        deep_api.conversations(token, {"sort": "subject", "page": page})
    cluster.await_no_points_in_time()
    assert cluster.points_in_time()[1] > before


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
