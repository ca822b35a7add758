"""Rules of HTTP on every route: HEAD, conditional requests, codings, Vary, and the media types of bodies."""

from __future__ import annotations

import gzip
import json
from typing import Any

import httpx
import pytest

from tests.corpus import ORGANIZATIONS
from tests.node.clusters import Cluster
from tests.node.serving import Api

CACHED = (
    "/api/conversations",
    "/api/conversations/count?facets=status",
    "/api/conversations/suggest?q=a",
    "/api/caller",
)
OPEN = ("/", "/docs", "/docs/openapi.json", "/health/live", "/health/ready", "/nowhere")
OF_THE_REQUEST = {"ratelimit", "date", "x-request-id"}


@pytest.fixture(scope="module")
def token(api: Api) -> str:
    return api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))


def ask(api: Api, method: str, path: str, token: str | None = None, **headers: str) -> httpx.Response:
    """`headers` with _ in place of -."""
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    if token is not None:
        given["Authorization"] = f"Bearer {token}"
    return api.http.request(method, f"{api.address}{path}", headers={"Accept-Encoding": "identity"} | given)


def varying(answer: httpx.Response) -> list[str]:
    return answer.headers["vary"].lower().split(", ")


def paths_of_one(api: Api, token: str) -> list[str]:
    (item,) = api.conversations(token, {"per_page": 1})["data"]["items"]
    return [f"/api/conversations/{item['uid']}"]


@pytest.mark.parametrize("accept_encoding", ["identity", "gzip", "identity;q=0, gzip", "identity;q=0"])
def test_head_has_the_status_and_the_headers_of_get(api: Api, token: str, accept_encoding: str) -> None:
    refused = ("/api/conversations?per_page=0", "/api/conversations/export?sort=x", "/api/conversations/bulk")
    for path in (*CACHED, *OPEN, *refused, *paths_of_one(api, token), "/api/conversations/export"):
        get, head = (ask(api, method, path, token, Accept_Encoding=accept_encoding) for method in ("GET", "HEAD"))
        assert head.status_code == get.status_code, path
        assert head.content == b""
        streamed = {"transfer-encoding"} if "transfer-encoding" in get.headers else set[str]()
        assert set(head.headers) == set(get.headers) - streamed, path
        same = set(head.headers) - OF_THE_REQUEST
        if "application/json" in get.headers.get("content-type", "") and get.is_error:
            same -= {"content-length"}  # its body has the request id, so its compressed length varies
        assert {name: head.headers[name] for name in same} == {name: get.headers[name] for name in same}, path


def test_head_without_a_token_is_refused_like_get(api: Api) -> None:
    answer = ask(api, "HEAD", "/api/conversations")
    assert (answer.status_code, answer.headers["www-authenticate"], answer.content) == (401, "Bearer", b"")
    assert int(answer.headers["content-length"]) > 0


def test_a_connection_is_reused_after_head(api: Api, token: str) -> None:
    with httpx.Client(limits=httpx.Limits(max_connections=1)) as http:
        for _ in range(3):
            answer = http.head(f"{api.address}/api/conversations", headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code == 200
            assert http.get(f"{api.address}/health/live").json() == {"status": "live"}


def test_head_of_an_export_reads_nothing_from_the_index(api: Api, token: str, cluster: Cluster) -> None:
    def exports() -> int:
        """Points in time that were opened so far: each export needs one."""
        _open, opened = cluster.points_in_time()
        return opened

    before = exports()
    answer = ask(api, "HEAD", "/api/conversations/export", token)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    assert "content-length" not in answer.headers
    assert exports() == before
    assert ask(api, "GET", "/api/conversations/export", token).status_code == 200
    assert exports() > before


@pytest.mark.parametrize("path", ["/api/conversations", "/health/live", "/metrics", "/", "/docs"])
def test_allow_names_head_where_it_names_get(api: Api, path: str) -> None:
    refused = ask(api, "PATCH", path)
    assert refused.status_code == 405
    assert {"GET", "HEAD"} <= set(refused.headers["allow"].split(", "))
    options = ask(api, "OPTIONS", path)
    assert {"GET", "HEAD", "OPTIONS"} <= set(options.headers["allow"].split(", "))


def test_allow_does_not_name_head_without_get(api: Api, token: str) -> None:
    refused = ask(api, "HEAD", "/api/conversations/bulk", token)
    assert (refused.status_code, refused.content) == (405, b"")
    assert "HEAD" not in refused.headers["allow"]


def test_metrics_count_head_requests(api: Api, token: str) -> None:
    def counted() -> float:
        name = 'conversations_request_seconds_count{method="HEAD",route="/api/conversations",status="200"}'
        lines = ask(api, "GET", "/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(name))

    before = counted()
    ask(api, "HEAD", "/api/conversations", token)
    assert counted() == before + 1


def test_the_root_is_a_page_for_people_and_the_endpoints_for_programs(api: Api) -> None:
    browser = ask(api, "GET", "/", Accept="text/html,application/xhtml+xml,*/*;q=0.8")
    assert (browser.status_code, browser.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert ask(api, "GET", "/docs", Accept="text/html").status_code == 200
    answer = ask(api, "GET", "/", Accept="*/*")
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["status"]) == (200, "success")
    listed = {(one["method"], one["path"]) for one in body["data"]["endpoints"]}
    document = ask(api, "GET", body["data"]["openapi"]).json()
    documented = {(method.upper(), path) for path, item in document["paths"].items() for method in item}
    assert listed == documented
    assert {"accept", "accept-encoding"} <= set(varying(answer)) & set(varying(browser))
    assert ask(api, "GET", "/?x=1").status_code == 400


def test_if_none_match_on_every_route_with_an_etag(api: Api, token: str) -> None:
    for path in (*CACHED, *paths_of_one(api, token)):
        first = ask(api, "GET", path, token)
        tag = first.headers["etag"]
        for method in ("GET", "HEAD"):
            for header in (tag, tag.removeprefix("W/"), f'"x", {tag}, "y"', "*"):
                answer = ask(api, method, path, token, If_None_Match=header)
                assert (answer.status_code, answer.content) == (304, b""), (method, path, header)
                for name in ("etag", "vary", "cache-control"):
                    assert answer.headers[name] == first.headers[name]
                assert "content-length" not in answer.headers
            for header in ('"x"', tag.removeprefix("W/").strip('"'), f'"{tag[3:-1]}y"'):
                assert ask(api, method, path, token, If_None_Match=header).status_code == 200


def test_every_answer_has_the_right_vary_header(api: Api, token: str) -> None:
    for path in (*CACHED, *paths_of_one(api, token), "/api/conversations/export", "/api/conversations?page=0"):
        for coding in ("identity", "gzip"):
            answer = ask(api, "GET", path, token, Accept_Encoding=coding)
            assert varying(answer) == ["authorization", "prefer", "accept-encoding"], path
    for path in OPEN:
        assert "accept-encoding" in varying(ask(api, "GET", path))


@pytest.mark.parametrize(
    ("accept_encoding", "coding"),
    [
        ("gzip", "gzip"),
        ("br, gzip;q=0.5", "gzip"),
        ("*", "gzip"),
        ("gzip;q=0", None),
        ("*;q=0, identity", None),
        ("br", None),
        ("identity;q=1, gzip;q=0.1", None),
    ],
)
def test_codings_are_chosen_by_weight(api: Api, token: str, accept_encoding: str, coding: str | None) -> None:
    for path in ("/api/conversations?per_page=100", "/api/conversations/export", "/docs/openapi.json"):
        answer = ask(api, "GET", path, token, Accept_Encoding=accept_encoding)
        assert answer.headers.get("content-encoding") == coding, path
        assert answer.text.startswith("{")


def test_a_small_answer_is_compressed_only_if_the_client_refuses_identity(api: Api) -> None:
    assert "content-encoding" not in ask(api, "GET", "/health/live", Accept_Encoding="gzip").headers
    packed = ask(api, "GET", "/health/live", Accept_Encoding="gzip, identity;q=0")
    assert (packed.headers["content-encoding"], packed.json()) == ("gzip", {"status": "live"})
    refused = ask(api, "GET", "/health/live", Accept_Encoding="*;q=0")
    assert (refused.status_code, refused.json()["error"]["code"]) == (406, "not_acceptable")
    assert refused.json()["error"]["request_id"] == refused.headers["x-request-id"]


def line() -> bytes:
    return json.dumps(
        {
            "uid": "0f8e3f0e-35f0-4d0c-8f5a-6a7c5b1f7d99",
            "organization_uid": str(ORGANIZATIONS[0]),
            "deleted_on": "2001-01-01T00:00:00Z",
        }
    ).encode()


def write(api: Api, token: str, body: bytes, **headers: str) -> httpx.Response:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return api.http.post(
        f"{api.address}/api/conversations/bulk", content=body, headers={"Authorization": f"Bearer {token}"} | given
    )


@pytest.mark.parametrize("kind", ["application/x-ndjson", "application/x-www-form-urlencoded", "application/json"])
def test_bulk_takes_lines_with_each_usual_media_type(api: Api, token: str, kind: str) -> None:
    answer = write(api, token, line(), Content_Type=kind)
    assert answer.status_code == 200, answer.text
    assert answer.json()["data"]["rejected"] == 0


@pytest.mark.parametrize(
    ("headers", "names", "value"),
    [
        ({"Content_Encoding": "gzip"}, "accept-encoding", "identity"),
        ({"Content_Encoding": "br", "Content_Type": "application/x-ndjson"}, "accept-encoding", "identity"),
        ({"Content_Type": "text/csv"}, "accept", "application/x-ndjson"),
        ({"Content_Type": "multipart/form-data; boundary=x"}, "accept", "application/x-ndjson"),
    ],
)
def test_other_media_types_and_codings_are_415_with_the_accepted_ones(
    api: Api, token: str, headers: dict[str, str], names: str, value: str
) -> None:
    answer = write(api, token, gzip.compress(line()), **headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")
    assert answer.headers[names] == value
