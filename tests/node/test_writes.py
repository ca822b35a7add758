"""Writes over HTTP: what becomes of each line, versions, tombstones, limits, back-pressure."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from service.app import WRITE_SHARE
from service.conversation import Conversation
from service.errors import NOT_WRITTEN
from service.index.bulk_requests import FIRST_SHARE
from service.node import Distribution, LocalNode
from service.settings import Settings
from service.times import format_time
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.asking import BULK, SCOPE, error, outcomes, send
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving
from tests.oracle import item

MINE, OTHER = ORGANIZATIONS[0], ORGANIZATIONS[1]


@pytest.fixture
def own(fresh: Cluster) -> Iterator[Api]:
    fresh.load([])
    yield from serving(fresh.settings, fresh.url)


def line(conversation: Conversation, **changes: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(conversation.model_dump_json())
    return found | changes


def deletion(conversation: Conversation, when: datetime) -> dict[str, Any]:
    return {
        "uid": str(conversation.uid),
        "organization_uid": str(conversation.organization_uid),
        "deleted_on": format_time(when),
    }


def mine() -> list[Conversation]:
    return [one for one in corpus() if one.organization_uid == MINE]


def test_each_line_is_answered_in_order_and_can_be_searched(own: Api) -> None:
    one, two, three = mine()[:3]
    strange = next(one for one in corpus() if one.organization_uid == OTHER)
    lines = [
        line(one),
        "",
        line(two, status="open"),
        line(strange),
        "nonsense",
        line(three),
        deletion(one, one.updated_on),
    ]
    answer = send(own, lines, refresh="wait_for")
    data = answer.json()["data"]
    assert outcomes(answer) == ["written", "rejected", "rejected", "rejected", "written", "unchanged"]
    assert [found["line"] for found in data["items"]] == [1, 3, 4, 5, 6, 7]
    assert [found["uid"] for found in data["items"]][:3] == [str(one.uid), str(two.uid), str(strange.uid)]
    assert data["items"][1]["reason"].startswith("status: ")
    assert data["items"][2]["reason"] == "the token does not cover this organization"
    assert (data["written"], data["unchanged"], data["rejected"]) == (2, 1, 3)
    found = own.conversations(own.token(MINE))["data"]
    assert found["pagination"]["total"] == 2
    assert {uid["uid"] for uid in found["items"]} == {str(one.uid), str(three.uid)}


def test_late_and_duplicate_deliveries_are_harmless(own: Api) -> None:
    one = mine()[0]
    day = timedelta(days=1)
    newer = line(one, updated_on=format_time(one.updated_on + day), subject="newer")
    gone = deletion(one, one.updated_on + 2 * day)
    assert outcomes(send(own, [newer, line(one), newer])) == ["written", "unchanged", "unchanged"]
    url = f"/api/conversations/{one.uid}"
    assert own.get(url, own.token(MINE)).json()["data"]["subject"] == "newer"
    assert outcomes(send(own, [gone, newer, gone])) == ["written", "unchanged", "unchanged"]
    error(own.get(url, own.token(MINE)), 404, "not_found")
    later = line(one, updated_on=format_time(one.updated_on + 3 * day), subject="back")
    assert outcomes(send(own, [later, gone])) == ["written", "unchanged"]
    assert own.get(url, own.token(MINE)).json()["data"]["subject"] == "back"


def test_a_write_sent_again_with_refresh_wait_for_is_found_when_it_is_answered(own: Api, fresh: Cluster) -> None:
    """A writer whose first request was not answered sends it again, and waits for what the first one wrote."""
    settings = f"{fresh.url}/{fresh.settings.alias}/_settings"
    httpx.put(settings, json={"index": {"refresh_interval": "1h"}}, timeout=60).raise_for_status()
    one, other = mine()[:2]
    lines = [line(one), deletion(other, other.updated_on)]
    token = own.token(MINE)
    assert outcomes(send(own, [line(other, updated_on="1990-01-01T00:00:00Z")])) == ["written"]
    httpx.post(f"{fresh.url}/{fresh.settings.alias}/_refresh", timeout=60).raise_for_status()
    assert outcomes(send(own, lines)) == ["written", "written"]
    assert [found["uid"] for found in own.conversations(token)["data"]["items"]] == [str(other.uid)]
    assert outcomes(send(own, lines, refresh="wait_for")) == ["unchanged", "unchanged"]
    assert [found["uid"] for found in own.conversations(token)["data"]["items"]] == [str(one.uid)]


@pytest.mark.parametrize("interval", ["-1", "0s", "30s", "1s", None])
def test_a_write_with_refresh_wait_for_is_found_with_any_refresh_interval(
    own: Api, fresh: Cluster, interval: str | None
) -> None:
    settings = f"{fresh.url}/{fresh.settings.alias}/_settings"
    httpx.put(settings, json={"index": {"refresh_interval": interval}}, timeout=60).raise_for_status()
    one, other = mine()[:2]
    began = time.monotonic()
    assert outcomes(send(own, [line(one), line(other)], refresh="wait_for")) == ["written", "written"]
    gone = own.http.delete(
        f"{own.address}/api/conversations/{other.uid}",
        headers={"Authorization": f"Bearer {own.token(MINE, scopes=SCOPE)}"}, params={"refresh": "wait_for"},
    )  # fmt: skip
    assert outcomes(gone) == ["written"]
    first = fresh.settings.request_timeout * WRITE_SHARE / FIRST_SHARE  # when a request that waits is sent again
    assert time.monotonic() - began < 2 * first
    assert [found["uid"] for found in own.conversations(own.token(MINE))["data"]["items"]] == [str(one.uid)]


def test_one_conversation_is_read_at_once_and_only_by_its_organization(own: Api) -> None:
    one = mine()[0]
    send(own, [line(one)])
    url = f"/api/conversations/{one.uid}"
    answer = own.get(url, own.token(MINE))
    assert answer.json() == {"status": "success", "data": item(one)}
    assert list(answer.json()["data"]) == list(item(one))
    error(own.get(url), 401, "unauthorized")
    error(own.get(url, own.token(OTHER)), 404, "not_found")
    error(own.get(f"{url}?organization_uid={MINE}", own.token(OTHER)), 403, "forbidden")
    details = error(own.get("/api/conversations/nonsense?foo=1", own.token(MINE, OTHER)), 400, "invalid_parameter")
    assert [detail["parameter"] for detail in details["details"]] == ["uid", "foo", "organization_uid"]
    assert own.get(f"{url}?organization_uid={MINE}", own.token(MINE, OTHER)).status_code == 200


def test_writes_of_another_organization_with_the_same_uid_change_nothing_for_its_owner(own: Api) -> None:
    one = mine()[0]
    assert outcomes(send(own, [line(one)])) == ["written"]
    path = f"/api/conversations/{one.uid}"
    before = own.get(path, own.token(MINE)).content
    theirs = {"token": own.token(OTHER, scopes=SCOPE)}
    later = format_time(one.updated_on + timedelta(days=1))
    gone = deletion(one, one.updated_on + timedelta(days=2))
    stolen = line(one, organization_uid=str(OTHER), subject="stolen", updated_on=later)
    both = [line(one, subject="stolen", updated_on=later), gone]
    assert outcomes(send(own, both, **theirs)) == ["rejected", "rejected"], "in the owner's name"
    headers = {"Authorization": f"Bearer {theirs['token']}"}
    error(own.http.delete(f"{own.address}{path}?organization_uid={MINE}", headers=headers), 403, "forbidden")
    error(own.http.delete(f"{own.address}{path}", headers=headers), 404, "not_found")
    assert outcomes(send(own, [stolen], **theirs)) == ["written"], "in its own name"
    assert own.get(path, theirs["token"]).json()["data"]["subject"] == "stolen"
    assert own.get(path, own.token(MINE)).content == before
    assert own.http.delete(f"{own.address}{path}", headers=headers).status_code == 200
    error(own.get(path, theirs["token"]), 404, "not_found")
    assert own.get(path, own.token(MINE)).content == before


def test_a_deletion_without_a_time_works_for_any_version_and_is_not_undone(own: Api, fresh: Cluster) -> None:
    token = own.token(MINE, scopes=SCOPE)
    headers = {"Authorization": f"Bearer {token}"}
    past, future = mine()[:2]
    future = future.model_copy(update={"updated_on": datetime(2999, 1, 1, tzinfo=UTC)})
    fresh.load([past, future])
    for one in (past, future):
        url = f"{own.address}/api/conversations/{one.uid}"
        early = own.http.delete(url, headers=headers, params={"deleted_on": "1980-01-01T00:00:00Z"})
        expected = "unchanged" if one.updated_on > datetime(1980, 1, 1, tzinfo=UTC) else "written"
        assert outcomes(early) == [expected]
        if expected == "unchanged":
            assert outcomes(own.http.delete(url, headers=headers, params={"refresh": "wait_for"})) == ["written"]
        error(own.http.get(url, headers=headers), 404, "not_found")
        error(own.http.delete(url, headers=headers), 404, "not_found")
        assert outcomes(send(own, [line(past)])) == ["unchanged"]
        assert fresh.load([future]).unchanged == 1
    assert own.conversations(token)["data"]["pagination"]["total"] == 0
    url = f"{own.address}/api/conversations/{past.uid}"
    reader = {"Authorization": f"Bearer {own.token(MINE)}"}
    error(own.http.delete(url, headers=reader), 403, "forbidden")
    answer = own.http.delete(url, headers=headers, params={"deleted_on": "yesterday", "refresh": "now"})
    assert [detail["parameter"] for detail in error(answer, 400, "invalid_parameter")["details"]] == [
        "deleted_on",
        "refresh",
    ]


def test_writing_needs_the_scope_and_has_limits(own: Api) -> None:
    one = mine()[0]
    error(own.http.post(f"{own.address}{BULK}"), 401, "unauthorized")
    answer = send(own, [line(one)], token=own.token(MINE))
    assert "conversations:write" in error(answer, 403, "forbidden")["message"]
    error(send(own, [line(one)], refresh="maybe"), 400, "invalid_parameter")
    error(send(own, [line(one)], foo="1"), 400, "invalid_parameter")
    assert "5,001" in error(send(own, ["{}"] * 5001), 413, "too_large")["message"]
    error(send(own, ["x" * 10_000_001]), 413, "too_large")
    assert outcomes(send(own, [])) == []
    assert outcomes(send(own, ["{}"] * 5000)) == ["rejected"] * 5000


def test_many_writers_at_once_end_with_the_newest(own: Api) -> None:
    one = mine()[0]
    token = own.token(MINE, scopes=SCOPE)

    def write(start: int) -> None:
        for number in range(start, 40, 4):
            newer = format_time(one.updated_on + timedelta(seconds=number))
            send(own, [line(one, updated_on=newer, subject=str(number))], token=token)

    writers = [threading.Thread(target=write, args=(start,)) for start in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert own.get(f"/api/conversations/{one.uid}", token).json()["data"]["subject"] == "39"


def test_opensearchs_back_pressure_is_429_and_a_write_block_503(
    settings: Settings, distribution: Distribution, tmp_path: Path
) -> None:
    """The node takes bulk requests of a few kilobytes only, as one short of memory would."""
    with LocalNode(tmp_path, distribution, options={"indexing_pressure.memory.limit": "6kb"}) as node:
        cluster = Cluster(settings.but(request_timeout=2.0), node.url)
        cluster.load([])
        for api in serving(cluster.settings, cluster.url):
            assert outcomes(send(api, [line(mine()[0])])) == ["written"]
            answer = send(api, [line(one) for one in mine()[:100]])
            error(answer, 429, "too_many_requests")
            assert answer.headers["retry-after"] == "1"
            cluster.act(
                lambda client: client.indices.put_settings(index=settings.alias, body={"index.blocks.write": True})
            )
            answer = send(api, [line(mine()[1])])
            assert error(answer, 503, "search_unavailable")["message"] == NOT_WRITTEN


def test_an_unknown_conversation_is_404(own: Api) -> None:
    error(own.get(f"/api/conversations/{UUID(int=5)}", own.token(MINE)), 404, "not_found")


def send_json(api: Api, body: bytes, kind: str = "application/json") -> httpx.Response:
    headers = {"Authorization": f"Bearer {api.token(MINE, scopes=SCOPE)}", "Content-Type": kind}
    return api.http.post(f"{api.address}{BULK}", content=body, headers=headers)


def test_a_json_array_is_taken_element_by_element(own: Api) -> None:
    one, two = mine()[:2]
    elements = [line(one), line(two, status="open"), 5, deletion(one, one.updated_on + timedelta(days=1)), line(two)]
    for indent in (None, 2):
        answer = send_json(own, json.dumps(elements, indent=indent).encode(), "application/json; charset=utf-8")
        items = answer.json()["data"]["items"]
        assert [found["line"] for found in items] == [1, 2, 3, 4, 5]
        assert [found["outcome"] for found in items] == (
            ["written", "rejected", "rejected", "written", "written"]
            if indent is None
            else ["unchanged", "rejected", "rejected", "unchanged", "unchanged"]
        )
    assert send_json(own, b"[]").json()["data"] == {"items": [], "written": 0, "unchanged": 0, "rejected": 0}


def test_an_incomplete_json_array_writes_nothing(own: Api) -> None:
    body = json.dumps([line(one) for one in mine()[:3]]).encode()
    problem = error(send_json(own, body[:-1]), 400, "invalid_parameter")["details"][0]
    assert problem == {"parameter": "body", "message": problem["message"], "value": None}
    assert own.conversations(own.token(MINE))["data"]["pagination"]["total"] == 0
    error(send_json(own, b"[" + b"{}," * 5_000 + b"{}]"), 413, "too_large")


def test_lines_with_the_media_type_of_json_are_read_as_lines(own: Api) -> None:
    body = "\n".join(json.dumps(line(one)) for one in mine()[:2]).encode()
    assert outcomes(send_json(own, body)) == ["written", "written"]
