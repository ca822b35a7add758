"""Every route ends at the request's deadline while OpenSearch is suspended; slow and large bodies are refused."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from service.node import Distribution, LocalNode
from service.search.did_you_mean import explain_no_results
from service.settings import Settings
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.asking import error
from tests.node.clusters import Cluster
from tests.node.serving import Api, serve_process, serving

SECONDS = 2.0
GRACE = 4.0  # seconds more, on a busy machine; without a deadline, the slowest route took five times the timeout
ONE = "00000000-0000-4000-8000-0000000000aa"
READS = (
    "/api/conversations", "/api/conversations?page=400&per_page=1&sort=subject", "/api/conversations?cursor=*",
    "/api/conversations?search=nothinglikeit&suggest=true", "/api/conversations?facets=status,category",
    "/api/conversations/count?facets=status", "/api/conversations/suggest?q=inv", "/api/conversations/export",
    f"/api/conversations/{ONE}", "/health/ready",
)  # fmt: skip
LINE = {"uid": ONE, "organization_uid": str(ORGANIZATIONS[0]), "deleted_on": "2024-01-01T00:00:00Z"}


@pytest.fixture(scope="module")
def own(
    tmp_path_factory: pytest.TempPathFactory, settings: Settings, distribution: Distribution
) -> Iterator[tuple[LocalNode, Cluster]]:
    """A node of this module's own, which the tests suspend."""
    node = LocalNode(tmp_path_factory.mktemp("node"), distribution)
    node.start()
    try:
        # An open circuit would answer at once, before the deadline: tests/node/test_several_nodes.py.
        cluster = Cluster(settings.but(request_timeout=SECONDS, opensearch_failures=1_000), node.url)
        cluster.load(corpus())
        yield node, cluster
    finally:
        node.stop()


@contextmanager
def suspended(node: LocalNode) -> Iterator[None]:
    assert node.process is not None
    os.kill(node.process.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(node.process.pid, signal.SIGCONT)


def await_recovery(api: Api, token: str) -> None:
    """Waits for a 200: a node that was just resumed is slow at first."""
    ends = time.monotonic() + 120
    while (answer := api.get("/api/conversations", token)).status_code != 200:
        assert time.monotonic() < ends, answer.text
        time.sleep(0.1)


def test_every_route_ends_at_the_deadline(own: tuple[LocalNode, Cluster]) -> None:
    node, cluster = own
    for api in serving(cluster.settings, cluster.url):
        token = api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))
        headers = {"Authorization": f"Bearer {token}"}
        assert api.get("/health/ready").status_code == 200
        with suspended(node):
            for path in READS:
                started = time.monotonic()
                expected = (503, "search_unavailable") if path == "/health/ready" else (504, "search_timeout")
                message = error(api.get(path, token), *expected)["message"]
                assert time.monotonic() - started < SECONDS + GRACE, path
                assert "try again" in message
            body = (json.dumps(LINE) + "\n").encode() * 2_000
            for method, path, content in (
                ("POST", "/api/conversations/bulk", body),
                ("DELETE", f"/api/conversations/{ONE}", b""),
                ("DELETE", f"/api/conversations/{ONE}?deleted_on=2024-01-01T00:00:00Z", b""),
            ):
                started = time.monotonic()
                answer = api.http.request(method, f"{api.address}{path}", headers=headers, content=content)
                assert time.monotonic() - started < SECONDS + GRACE, path
                assert answer.status_code in (503, 504)
                assert "send" in answer.json()["error"]["message"] or "try again" in answer.json()["error"]["message"]
            started = time.monotonic()
            text = api.get("/metrics").text
            assert time.monotonic() - started < SECONDS + GRACE
            found = {one.name: one.samples[0].value for one in text_string_to_metric_families(text) if one.samples}
            assert found["conversations_cluster_up"] == 0
            assert api.get("/health/live").status_code == 200
        await_recovery(api, token)


def test_suggestions_that_fail_do_not_lose_the_page(
    own: tuple[LocalNode, Cluster], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The node is suspended between the page and its suggestions."""
    node, cluster = own
    assert node.process is not None
    pid = node.process.pid

    async def stopped(*arguments: Any) -> Any:
        os.kill(pid, signal.SIGSTOP)
        return await explain_no_results(*arguments)

    monkeypatch.setattr("service.search.results.explain_no_results", stopped)
    for api in serving(cluster.settings, cluster.url):
        token = api.token(ORGANIZATIONS[0])
        api.conversations(token)
        try:
            data = api.conversations(token, {"search": "nothinglikeit", "suggest": "true"})["data"]
        finally:
            os.kill(pid, signal.SIGCONT)
        assert data["items"] == []
        assert data["suggestions"] is None


def test_a_body_that_comes_too_slowly_is_408(cluster: Cluster) -> None:
    for api in serving(cluster.settings.but(body_seconds=1.0), cluster.url):
        token = api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))
        answer = _answer_to_a_slow_body(api, token)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in answer


def _answer_to_a_slow_body(api: Api, token: str) -> bytes:
    address = urlsplit(api.address)
    with socket.create_connection((address.hostname, address.port)) as connection:
        connection.settimeout(60)
        connection.sendall(
            b"POST /api/conversations/bulk HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
            + f"Authorization: Bearer {token}\r\n\r\n{{".encode()
        )
        answer = b""
        while more := connection.recv(65_536):
            answer += more
    return answer


def test_a_body_above_the_limit_is_refused_before_its_end(api: Api) -> None:
    token = api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))
    address = urlsplit(api.address)
    head = f"POST /api/conversations/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n".encode()
    for rest in (
        b"Content-Length: 10000001\r\n\r\n",
        b"Transfer-Encoding: chunked\r\n\r\n" + b"100000\r\n" + b" " * 2**20 + b"\r\n",
    ):
        with socket.create_connection((address.hostname, address.port)) as connection:
            connection.settimeout(60)
            connection.sendall(head + rest)
            for _ in range(10 if b"chunked" in rest else 0):
                connection.sendall(b"100000\r\n" + b" " * 2**20 + b"\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_a_whole_export_is_logged_and_counted_as_200(cluster: Cluster) -> None:
    with serve_process(cluster) as (_process, address, log):
        headers = {"Authorization": f"Bearer {Api(cluster.settings, address).token(ORGANIZATIONS[0])}"}
        for encoding in ("identity", "gzip"):
            for _ in range(10):
                answer = httpx.get(
                    f"{address}/api/conversations/export", headers=headers | {"Accept-Encoding": encoding}
                )
                assert '"complete":true' in answer.text
        deadline = time.monotonic() + 30
        while (found := log.read_text()).count('"route":"/api/conversations/export"') < 20:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        assert '"status":499' not in found
        metrics = httpx.get(f"{address}/metrics").text
        assert 'route="/api/conversations/export",status="200"' in metrics
        assert 'route="/api/conversations/export",status="499"' not in metrics
