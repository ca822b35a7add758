"""Links between pages, cursors, caching and compression."""

from __future__ import annotations

import asyncio
import base64
import random
import re
import threading
from datetime import timedelta
from uuid import UUID

import pytest

from service.client import Client, connect
from service.conversation import Conversation
from service.index import aliases, mapping, writer
from tests import oracle
from tests.corpus import ORGANIZATIONS, conversation, corpus
from tests.node.asking import error, walk
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving


def targets(link: str) -> dict[str, str]:
    """The Link header's targets by relation."""
    return {relation: target for target, relation in re.findall(r'<([^<>]*)>; rel="(\w+)"', link)}


def test_following_the_links_visits_every_page_both_ways(api: Api, conversations: list[Conversation]) -> None:
    token = api.token(ORGANIZATIONS[2])
    expected = [
        str(one.uid)
        for one in oracle.ordered([one for one in conversations if one.organization_uid == ORGANIZATIONS[2]], "subject")
    ]
    for start, relation in (("first", "next"), ("last", "prev")):
        answer = api.get("/api/conversations?sort=subject&per_page=9&page=3", token)
        target: str | None = targets(answer.headers["link"])[start]
        pages = []
        while target is not None:
            answer = api.get(target, token)
            pages.append([item["uid"] for item in answer.json()["data"]["items"]])
            target = targets(answer.headers["link"]).get(relation)
        assert [uid for page in (pages if relation == "next" else pages[::-1]) for uid in page] == expected


def test_links_keep_the_rest_of_the_request_and_stay_inside_their_brackets(api: Api) -> None:
    token = api.token(ORGANIZATIONS[0])
    answer = api.get('/api/conversations?search=a>b "c"&category=%C3%9Cber+uns&page=7&per_page=3', token)
    found = targets(answer.headers["link"])
    assert set(found) >= {"first", "prev", "last"}
    assert found["first"].count("page=") == 2  # per_page and page
    assert api.get(found["first"], token).json()["data"]["pagination"]["page"] == 1
    past = targets(api.get("/api/conversations?page=1000", token).headers["link"])
    assert past["prev"] == past["last"]
    assert "next" not in past


def test_links_do_not_lead_to_the_host_that_a_request_names(api: Api) -> None:
    evil = {"Host": "evil.example", "X-Forwarded-Host": "evil.example", "Forwarded": "host=evil.example;proto=https"}
    headers = evil | {"Authorization": f"Bearer {api.token(ORGANIZATIONS[0])}"}
    for query, relations in (
        ("?page=2&per_page=5", {"first", "prev", "next", "last"}),
        ("?cursor=*", {"first", "next"}),
    ):
        answer = api.http.get(f"{api.address}/api/conversations{query}", headers=headers)
        assert answer.status_code == 200
        found = targets(answer.headers["link"])
        assert set(found) == relations
        assert all(target.startswith("/api/conversations?") for target in found.values())
        assert "evil.example" not in f"{answer.headers} {answer.text}"
    for path in ("/api/conversations/00000000-0000-4000-8000-0000000000aa", "/api/nothing"):
        answer = api.http.get(f"{api.address}{path}", headers=headers)
        error(answer, 404, "not_found")
        assert "evil.example" not in f"{answer.headers} {answer.text}"


def test_the_links_of_a_walk_go_forward_only(api: Api) -> None:
    token = api.token(ORGANIZATIONS[2])
    answer = api.get("/api/conversations?per_page=50&cursor=*", token)
    found = targets(answer.headers["link"])
    assert set(found) == {"first", "next"}
    last = api.get(found["next"], token)
    assert len(last.json()["data"]["items"]) == 30
    assert set(targets(last.headers["link"])) == {"first"}


def test_a_walk_ends_with_its_last_full_page(api: Api) -> None:
    data = api.conversations(api.token(ORGANIZATIONS[2]), {"per_page": 80, "cursor": "*"})["data"]
    assert (len(data["items"]), data["pagination"]) == (80, {"per_page": 80, "total": 80, "next_cursor": None})


def test_only_the_cursor_of_the_same_walk_is_accepted(api: Api) -> None:
    token = api.token(*ORGANIZATIONS, default=ORGANIZATIONS[0])
    query = {"status": "active,closed", "search": "invoice", "sort": "-subject", "per_page": 2}
    cursor = api.conversations(token, {**query, "cursor": "*"})["data"]["pagination"]["next_cursor"]
    own = api.conversations(token, {**query, "per_page": 5, "cursor": cursor})  # the size of a page may change
    assert own["data"]["items"]
    signed = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    for at in (0, 15, 16, len(signed) - 1):
        changed = bytearray(signed)
        changed[at] ^= 1
        tampered = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        answer = api.get("/api/conversations", token, params={**query, "cursor": tampered})
        assert error(answer, 400, "invalid_parameter")["details"][0]["parameter"] == "cursor"
    for change in (
        {"sort": "subject"}, {"status": "active"}, {"search": "invoices"}, {"channel": "sms"},
        {"organization_uid": str(ORGANIZATIONS[1])}, {"cursor": cursor[:-1]}, {"cursor": cursor + "A"}, {"cursor": "A"},
        {"cursor": "!"}, {"cursor": ""}, {"page": 2},
    ):  # fmt: skip
        answer = api.get("/api/conversations", token, params={**query, "cursor": cursor, **change})
        assert error(answer, 400, "invalid_parameter")["details"][0]["parameter"] == "cursor", change


def test_a_cursor_outlives_the_service_and_the_index(fresh: Cluster) -> None:
    everything = [one for one in corpus() if one.organization_uid == ORGANIZATIONS[2]]
    expected = [str(one.uid) for one in oracle.ordered(everything, "subject")]
    fresh.load(everything)
    walked: list[str] = []
    cursor = "*"
    for _ in range(2):
        for api in serving(fresh.settings, fresh.url):  # a new service each time, over a new index
            parameters = {"sort": "subject", "per_page": 40, "cursor": cursor}
            data = api.conversations(api.token(ORGANIZATIONS[2]), parameters)["data"]
            walked += [item["uid"] for item in data["items"]]
            cursor = data["pagination"]["next_cursor"]

        async def rebuild(client: Client) -> None:
            old = await aliases.current_index(client, fresh.settings.alias)
            new = await aliases.create(client, fresh.settings.alias, mapping.load())
            await client.indices.update_aliases(
                body={
                    "actions": [
                        {"remove": {"index": old, "alias": fresh.settings.alias}},
                        {"add": {"index": new, "alias": fresh.settings.alias}},
                    ]
                }
            )

        fresh.act(rebuild)
        fresh.load(everything[::-1])
    assert walked == expected


@pytest.mark.parametrize("sort", ["-updated_on", "subject"])
def test_a_walk_gives_unchanged_conversations_once_and_in_order_while_others_change(fresh: Cluster, sort: str) -> None:
    organization = ORGANIZATIONS[0]
    still = [one for one in corpus() if one.organization_uid == organization][:600]
    rng = random.Random(3)
    moving = [conversation(rng, organization) for _ in range(100)]
    fresh.load([*still, *moving])
    stop = threading.Event()
    rounds = [0]

    async def change() -> None:
        client = connect(fresh.settings, fresh.url)
        try:
            while not stop.is_set():
                rounds[0] += 1
                writes = [
                    writer.write_of(
                        one.model_copy(
                            update={
                                "updated_on": one.updated_on + timedelta(days=rounds[0]),
                                "subject": rng.choice(("a", "zz", None, one.subject)),
                            }
                        )
                    )
                    for one in moving
                ]
                await writer.write(client, fresh.settings.alias, writes)
                await client.indices.refresh(index=fresh.settings.alias)
        finally:
            await client.close()

    changer = threading.Thread(target=lambda: asyncio.run(change()))
    changer.start()
    try:
        for api in serving(fresh.settings, fresh.url):
            walked = walk(api, api.token(organization), sort=sort, per_page=7)
    finally:
        stop.set()
        changer.join()
    assert rounds[0] > 3
    unchanged = {str(one.uid) for one in still}
    assert [uid for uid in walked if uid in unchanged] == [str(one.uid) for one in oracle.ordered(still, sort)]


def test_an_unchanged_answer_is_304(api: Api) -> None:
    token = api.token(ORGANIZATIONS[0])
    first = api.get("/api/conversations", token)
    tag = first.headers["etag"]
    assert first.headers["cache-control"] == "private, no-cache"
    assert "authorization" in first.headers["vary"].lower()
    headers = {"Authorization": f"Bearer {token}", "If-None-Match": tag}
    again = api.http.get(f"{api.address}/api/conversations", headers=headers)
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    other = api.http.get(f"{api.address}/api/conversations?page=2", headers=headers)
    assert other.status_code == 200
    assert other.headers["etag"] != tag
    stranger = api.token(UUID(int=1))
    headers["Authorization"] = f"Bearer {stranger}"
    assert api.http.get(f"{api.address}/api/conversations", headers=headers).status_code == 200


def test_a_large_answer_is_compressed_if_the_client_accepts_it(api: Api) -> None:
    headers = {"Authorization": f"Bearer {api.token(ORGANIZATIONS[0])}"}
    url = f"{api.address}/api/conversations"
    plain = api.http.get(url, headers={**headers, "Accept-Encoding": "identity"})
    packed = api.http.get(url, headers={**headers, "Accept-Encoding": "gzip"})
    assert "content-encoding" not in plain.headers
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 2
    assert packed.json() == plain.json()
    assert packed.headers["etag"] == plain.headers["etag"]
