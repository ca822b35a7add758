"""Scopes, and restricted callers, who see only the conversations of some agents or parties: against brute force."""

from __future__ import annotations

import json
import random
from typing import Any

import httpx
import pytest

from service.conversation import Conversation
from tests import oracle
from tests.corpus import AGENTS, ORGANIZATIONS, PARTIES
from tests.node.asking import BULK, SCOPE, error
from tests.node.random_requests import query_parameters, random_request
from tests.node.serving import Api

ORGANIZATION = ORGANIZATIONS[0]
READ, WRITE, EXPORT, ADMIN = (f"conversations:{name}" for name in ("read", "write", "export", "admin"))
NOWHERE = "00000000-0000-4000-8000-000000000000"
RIGHTS: dict[tuple[str, ...], set[str]] = {
    (): {READ, EXPORT},  # as the setting for tokens without scopes says
    ("openid", "profile"): {READ, EXPORT},
    (READ,): {READ},
    (EXPORT,): {READ, EXPORT},
    (WRITE,): {READ, WRITE},
    (WRITE, "openid"): {READ, WRITE},
    (WRITE, EXPORT): {READ, WRITE, EXPORT},
    (ADMIN,): {READ, WRITE, EXPORT},
}
ROUTES = [
    (READ, "GET", "/api/conversations"),
    (READ, "GET", "/api/conversations/count"),
    (READ, "GET", "/api/conversations/suggest?q=a"),
    (READ, "GET", f"/api/conversations/{NOWHERE}"),
    (EXPORT, "GET", "/api/conversations/export?agent_uid=" + NOWHERE),
    (EXPORT, "HEAD", "/api/conversations/export"),
    (WRITE, "POST", BULK),
    (WRITE, "DELETE", f"/api/conversations/{NOWHERE}"),
]


def send(api: Api, method: str, path: str, token: str) -> httpx.Response:
    return api.http.request(method, f"{api.address}{path}", headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("scopes", RIGHTS, ids=" ".join)
def test_each_route_needs_its_scope(api: Api, scopes: tuple[str, ...]) -> None:
    token = api.token(ORGANIZATION, scopes=scopes)
    for needed, method, path in ROUTES:
        answer = send(api, method, path, token)
        if needed in RIGHTS[scopes]:
            assert answer.status_code in (200, 404), (path, answer.text)
        elif method == "HEAD":
            assert answer.status_code == 403
        else:
            assert needed in error(answer, 403, "forbidden")["message"]


def seen(conversations: list[Conversation], agents: tuple[Any, ...], parties: tuple[Any, ...]) -> list[Conversation]:
    return [
        one for one in conversations
        if (not agents or one.agent_uid in agents) and (not parties or one.party_uid in parties)
    ]  # fmt: skip


RESTRICTIONS: list[dict[str, tuple[Any, ...]]] = [
    {"agents": (AGENTS[0],)},
    {"agents": tuple(AGENTS[1:3])},
    {"parties": tuple(PARTIES[:6])},
    {"agents": tuple(AGENTS[:2]), "parties": tuple(PARTIES[:15])},
]


@pytest.mark.parametrize("restriction", RESTRICTIONS)
def test_a_restricted_caller_gets_the_same_answers_as_without_the_hidden_conversations(
    restriction: dict[str, tuple[Any, ...]],
    api: Api,
    deep_api: Api,
    conversations: list[Conversation],
    tokens: oracle.Tokens,
) -> None:
    rng = random.Random(str(restriction))
    visible = seen(conversations, restriction.get("agents", ()), restriction.get("parties", ()))
    token = api.token(*ORGANIZATIONS, **restriction)
    unrestricted = api.token(*ORGANIZATIONS)
    for number in range(12):
        request = random_request(rng)
        parameters = query_parameters(request) | {"facets": "agent_uid,status"}
        for served in (api, deep_api) if number % 4 == 0 else (api,):
            served.get("/api/conversations", unrestricted, params=parameters)  # fills caches, which must not be shared
            answer = served.conversations(token, parameters)["data"]
            expected = oracle.answer(request, visible, tokens)["data"]
            assert (answer["items"], answer["pagination"]) == (expected["items"], expected["pagination"]), request
            own = {str(one.agent_uid) for one in visible if str(one.organization_uid) == request.organization}
            assert {entry["value"] for entry in answer["facets"]["agent_uid"]["values"]} <= own
        for name in ("sort", "page", "per_page", "facets"):
            parameters.pop(name)
        counted = api.get("/api/conversations/count", token, params=parameters).json()["data"]
        assert counted["total"] == expected["pagination"]["total"]


def test_exports_walks_gets_and_completions_have_only_what_a_restricted_caller_sees(
    api: Api, conversations: list[Conversation]
) -> None:
    mine = [one for one in conversations if one.organization_uid == ORGANIZATION]
    visible = {str(one.uid) for one in seen(mine, (AGENTS[0],), ())}
    token = api.token(ORGANIZATION, agents=(AGENTS[0],))
    *lines, _end = api.get("/api/conversations/export", token).text.splitlines()
    assert {json.loads(line)["uid"] for line in lines} == visible
    walked: list[str] = []
    cursor: str | None = "*"
    while cursor:
        answer = api.conversations(token, {"cursor": cursor, "per_page": 100})["data"]
        walked += [item["uid"] for item in answer["items"]]
        cursor = answer["pagination"].get("next_cursor")
    assert sorted(walked) == sorted(visible)
    for one in mine[:60]:
        status = api.get(f"/api/conversations/{one.uid}", token).status_code
        assert status == (200 if str(one.uid) in visible else 404)
    invisible = dict.fromkeys(map(ord, "\u00ad\u200b\u200c\u200d\u2060\ufeff"))
    subjects = [oracle.folded((one.subject or "").translate(invisible)) for one in mine if str(one.uid) in visible]
    for typed in ("inv", "ord", "run", "ada"):
        completed = api.get("/api/conversations/suggest", token, params={"q": typed}).json()["data"]
        assert completed["words"]
        for word in completed["words"]:
            assert 0 < word["count"] <= sum(word["text"] in subject for subject in subjects)
        for sender in completed["senders"]:
            parameters = {"from_email": sender["from_email"]}
            counted = api.get("/api/conversations/count", token, params=parameters).json()["data"]["total"]
            assert sender["count"] == counted > 0


def test_a_conversation_that_a_restriction_hides_is_like_a_missing_one(api: Api) -> None:
    everything = api.token(ORGANIZATION)
    nothing = api.token(ORGANIZATION, agents=(ORGANIZATIONS[3],))
    item = api.conversations(everything, {"agent_uid": str(AGENTS[0]), "per_page": 1})["data"]["items"][0]
    hidden = error(api.get(f"/api/conversations/{item['uid']}", nothing), 404, "not_found")
    missing = error(api.get(f"/api/conversations/{NOWHERE}", nothing), 404, "not_found")
    assert hidden["message"] == missing["message"]
    parameters = {"search": "invoise", "suggest": "true", "facets": "category,status"}
    answer = api.conversations(nothing, parameters)["data"]
    assert (answer["items"], answer["pagination"]["total"]) == ([], 0)
    assert answer["suggestions"] == {"any_words": 0, "did_you_mean": None, "without": []}
    assert all(facet["values"] == [] for facet in answer["facets"].values())


def test_a_restricted_caller_cannot_use_a_cursor_of_an_unrestricted_one(api: Api) -> None:
    parameters = {"cursor": "*", "per_page": 5}
    cursor = api.conversations(api.token(ORGANIZATION), parameters)["data"]["pagination"]["next_cursor"]
    answer = api.get("/api/conversations", api.token(ORGANIZATION, agents=(AGENTS[0],)), params={"cursor": cursor})
    (problem,) = error(answer, 400, "invalid_parameter")["details"]
    assert problem["parameter"] == "cursor"


def test_a_restricted_caller_cannot_write(api: Api) -> None:
    token = api.token(ORGANIZATION, scopes=SCOPE, parties=(PARTIES[0],))
    for method, path in (("POST", BULK), ("DELETE", f"/api/conversations/{NOWHERE}")):
        assert "restricted" in error(send(api, method, path, token), 403, "forbidden")["message"]
