"""The limits on requests, each set low, over real HTTP and a real node: what is refused, how, and the metrics."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import httpx
import pytest

from service.api.auth import Tokens
from service.api.middleware.rate_headers import HOLD_SECONDS
from service.conversation import Conversation
from service.node import Distribution, LocalNode
from service.settings import Settings
from tests.corpus import ORGANIZATIONS, SIZES, conversation
from tests.node.asking import error
from tests.node.clusters import Cluster, own_alias
from tests.node.proxy import Answer, Call, Proxy
from tests.node.serving import Api, serve_process, serving
from tests.processes import WAIT_SECONDS, wait_until

ONE, OTHER = ORGANIZATIONS[:2]
WRITE = ("conversations:write", "conversations:export")
BULK = "/api/conversations/bulk"
PATIENCE = 60.0  # seconds, so that a busy machine causes no refusal


@contextmanager
def limited(cluster: Cluster, **limits: Any) -> Iterator[Api]:
    yield from serving(cluster.settings.but(**limits), cluster.url)


def metric(api: Api, name: str, limit: str, **labels: str) -> float:
    """The value of a metric of a limit, at /metrics."""
    wanted = {"limit": limit, **labels}
    for line in api.get("/metrics").text.splitlines():
        found, _, value = line.rpartition(" ")
        if found.startswith(f"conversations_{name}{{") and all(
            f'{key}="{one}"' in found for key, one in wanted.items()
        ):
            return float(value)
    return 0.0


def at_once(api: Api, paths: list[str], tokens: list[str]) -> list[httpx.Response]:
    """The answers to all of these requests, which are sent at the same time."""

    async def ask() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(base_url=api.address, timeout=60, limits=limits) as client:
            headers = [{"Authorization": f"Bearer {token}"} for token in tokens]
            return await asyncio.gather(
                *(client.get(path, headers=one) for path, one in zip(paths, headers, strict=True))
            )

    return asyncio.run(ask())


def test_a_caller_is_told_its_balance(cluster: Cluster) -> None:
    with limited(cluster, caller_rate=0.01, caller_burst=10) as api:  # so slow that no unit comes back during the test
        token, colleague = api.token(ONE), api.token(ONE, lifetime=timedelta(hours=1))
        answer = api.get("/api/conversations", token)
        assert answer.headers["ratelimit-policy"] == '"caller";q=10;w=1000'
        assert answer.headers["ratelimit"].startswith('"caller";r=9;t=')
        left = [api.get(path, token).headers["ratelimit"] for path in (
            "/api/conversations?facets=status", "/api/conversations?status=nonsense", "/api/conversations?page=1&per_page=1",
        )]  # fmt: skip
        assert [one.partition(";t")[0] for one in left] == ['"caller";r=6', '"caller";r=5', '"caller";r=4']
        assert api.get("/api/conversations?search=invoice&match=fuzzy", token).status_code == 200  # costs 5: owes 1
        refused = api.get("/api/conversations", token)
        message = error(refused, 429, "too_many_requests")["message"]
        assert "0.01 units a second, or 10 at once (a request costs 1 unit" in message
        assert 100 <= int(refused.headers["retry-after"]) <= 200
        assert refused.headers["ratelimit"].startswith('"caller";r=0;t=')
        assert error(api.get("/api/conversations", colleague), 429, "too_many_requests")  # the same subject
        assert "ratelimit" not in api.get("/health/live").headers
        assert metric(api, "refused_total", "rate", reason="own") >= 2


def test_a_refused_caller_is_answered_again_later(cluster: Cluster) -> None:
    with limited(cluster, caller_rate=0.5, caller_burst=1) as api:
        token = api.token(ONE)
        wait_until(lambda: (refused := api.get("/api/caller", token)).status_code == 429 and retry_after(refused) >= 1)
        wait_until(lambda: api.get("/api/caller", token).status_code == 200)


def retry_after(answer: httpx.Response) -> int:
    return int(answer.headers["retry-after"])


def test_a_flood_of_one_organization_is_429_and_the_other_is_served(cluster: Cluster) -> None:
    """OpenSearch answers none of their searches before all searches without a slot are refused."""
    limits = {
        "searches": 2,
        "searches_per_organization": 1,
        "searches_waiting": 8,
        "searches_waiting_per_organization": 4,
    }
    go_on = threading.Event()

    def held(call: Call, answer: Answer) -> Answer:
        if any(str(organization).encode() in call.body for organization in (ONE, OTHER)):
            go_on.wait(WAIT_SECONDS)
        return answer

    with (
        Proxy(cluster.url) as proxy,
        ExitStack() as stack,
        limited(
            Cluster(cluster.settings, proxy.url), **limits, search_patience=PATIENCE, request_timeout=PATIENCE
        ) as api,
        ThreadPoolExecutor() as pool,
    ):
        path, ours, theirs = "/api/conversations?sort=subject", api.token(ONE), api.token(OTHER)
        refused = metric(api, "refused_total", "searches", reason="own")
        stack.enter_context(proxy.faulty(held, "_search"))
        try:
            first = pool.submit(at_once, api, [path], [theirs])  # so that no organization is alone
            wait_until(lambda: metric(api, "limit_in_use", "searches") == 1)
            flood = pool.submit(at_once, api, [path] * 40, [ours] * 40)
            wait_until(lambda: metric(api, "refused_total", "searches", reason="own") >= refused + 35)
            assert metric(api, "limit_in_use", "searches") == metric(api, "limit_size", "searches") == 2
        finally:
            go_on.set()
        assert [one.status_code for one in (*first.result(), *at_once(api, [path], [theirs]))] == [200, 200]
        statuses = Counter(one.status_code for one in flood.result())
        assert 1 <= statuses[200] <= 5  # those that waited may have been refused, too
        assert statuses[200] + statuses[429] == 40
        answer = next(one for one in flood.result() if one.status_code == 429)
        assert answer.headers["retry-after"] == "1"
        assert "at most 1 searches of an organization" in error(answer, 429, "too_many_requests")["message"]
        wait_until(lambda: metric(api, "limit_in_use", "searches") == metric(api, "limit_waiting", "searches") == 0)


def test_an_export_is_503_if_others_use_all_slots(cluster: Cluster) -> None:
    with limited(cluster, exports=2, exports_per_organization=1) as api:
        held = [Unread(api, organization) for organization in ORGANIZATIONS[:2]]
        try:
            for one in held:
                one.begin()
            other = ORGANIZATIONS[2]
            answer = api.get("/api/conversations/export", token_of(api, other))
            assert "all 2 exports" in error(answer, 503, "busy")["message"]
            assert answer.elapsed >= timedelta(seconds=HOLD_SECONDS), "else clients come again at once"
            assert answer.headers["retry-after"] == "1"
        finally:
            for one in held:
                one.close()


def token_of(api: Api, organization: UUID) -> str:
    """A token of a caller of this organization only, because a caller may run half of the exports."""
    return Tokens(api.settings).mint(str(organization), [organization])


class Unread:
    """An export whose client reads only its beginning."""

    def __init__(self, api: Api, organization: Any, *, buffer: int = 4_096) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self._socket.settimeout(60)
        address = urlsplit(api.address)
        self._socket.connect((address.hostname, address.port))
        self._head = f"GET /api/conversations/export HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token_of(api, organization)}\r\n\r\n"

    def begin(self) -> None:
        self._socket.sendall(self._head.encode())
        assert self._socket.recv(100).startswith(b"HTTP/1.1 200 ")

    def read(self, size: int) -> None:
        """Reads `size` bytes, or up to the end."""
        while size > 0 and (more := self._socket.recv(min(size, 4_096))):
            size -= len(more)

    def rest(self) -> bytes:
        """Everything up to the end of the connection."""
        found = b""
        with suppress(ConnectionError):
            while more := self._socket.recv(1_000_000):
                found += more
        return found

    def close(self) -> None:
        self._socket.close()


@pytest.fixture(scope="module")
def large(settings: Settings, opensearch_url: str) -> Iterator[Cluster]:
    """For each of two organizations, 80 conversations of 100 kB: more than the buffers on the way hold."""
    rng = random.Random(1)
    made: list[Conversation] = []
    for organization in (ONE, OTHER):
        for _ in range(80):
            one = conversation(rng, organization)
            made.append(one.model_copy(update={"metadata": one.metadata.model_copy(update={"snippet": "x" * 100_000})}))
    with own_alias(settings, opensearch_url) as cluster:
        cluster.load(made)
        yield cluster


def test_exports_that_nobody_reads_end_and_hold_back_no_other_organization(large: Cluster) -> None:
    with limited(large, exports=3, exports_per_organization=2, unread_seconds=2.0) as api:
        cut_off = metric(api, "refused_total", "unread_seconds")
        held = [Unread(api, ONE) for _ in range(2)]
        for one in held:
            one.begin()
        error(api.get("/api/conversations/export", token_of(api, ONE)), 429, "too_many_requests")
        whole = api.get("/api/conversations/export", token_of(api, OTHER))
        assert '"complete":true' in whole.text[-300:]
        wait_until(lambda: metric(api, "limit_in_use", "exports") == 0)
        assert metric(api, "refused_total", "unread_seconds") - cut_off == 2
        assert all(b'"complete":true' not in one.rest() for one in held)
        for one in held:
            one.close()
        assert '"complete":true' in api.get("/api/conversations/export", token_of(api, ONE)).text[-300:]
    large.await_no_points_in_time()


def test_an_export_that_is_read_very_slowly_is_cut_off_too(large: Cluster) -> None:
    """A client that reads 400 kB a second is not cut off, one that reads 4 kB a second is."""
    with limited(large, unread_seconds=2.0) as api:
        with reading(Unread(api, ONE, buffer=65_536), 40_000):
            until = time.monotonic() + 6
            while time.monotonic() < until:
                assert metric(api, "limit_in_use", "exports") == 1
        wait_until(lambda: metric(api, "limit_in_use", "exports") == 0)
        with reading(Unread(api, ONE, buffer=65_536), 400):
            wait_until(lambda: metric(api, "limit_in_use", "exports") == 0)


@contextmanager
def reading(reader: Unread, size: int) -> Iterator[None]:
    """Reads `size` bytes ten times a second, in a thread, while the block runs."""
    ended = threading.Event()

    def read() -> None:
        with suppress(OSError):
            while not ended.wait(0.1):
                reader.read(size)

    reader.begin()
    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        reader.close()


def test_bodies_beyond_the_limit_of_bytes_wait_and_are_then_refused(cluster: Cluster) -> None:
    """The first three bodies never end. All are of different callers."""
    with limited(cluster, bulk_bytes=3_000, bulk_bytes_per_organization=2_000, body_seconds=30.0) as api:
        address = urlsplit(api.address)
        mint = Tokens(api.settings).mint
        token, *colleagues = (mint(f"user {number}", [ONE], scopes=WRITE) for number in range(3))
        slow = []
        for bearer in (api.token(OTHER, scopes=WRITE), *colleagues):
            connection = socket.create_connection((address.hostname, address.port))
            connection.sendall(
                f"POST {BULK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n"
                f"Content-Type: application/x-ndjson\r\nContent-Length: 1000\r\n\r\n{{".encode()
            )
            slow.append(connection)
        wait_until(lambda: metric(api, "limit_in_use", "bulk_bytes") == 3_000)
        headers = {"Authorization": f"Bearer {token}"}
        refused = api.http.post(f"{api.address}{BULK}", headers=headers, content=b" " * 999)
        assert "at most 2,000 bytes of bulk writes" in error(refused, 429, "too_many_requests")["message"]
        assert metric(api, "refused_total", "bulk_bytes", reason="own") >= 1
        waiting = ThreadPoolExecutor(1).submit(
            api.http.post, f"{api.address}{BULK}", headers=headers, content=b"\n" * 999, timeout=30
        )
        wait_until(lambda: metric(api, "limit_waiting", "bulk_bytes") == 1)
        for connection in slow:
            connection.close()
        assert waiting.result().status_code == 200
        wait_until(lambda: metric(api, "limit_in_use", "bulk_bytes") == 0)


def test_a_body_above_the_setting_is_413_however_it_comes(cluster: Cluster) -> None:
    with limited(cluster, body_bytes=1_000) as api:
        headers = {"Authorization": f"Bearer {api.token(ONE, scopes=WRITE)}"}
        for content in (b" " * 1_001, (b" " * 300 for _ in range(4))):
            answer = api.http.post(f"{api.address}{BULK}", headers=headers, content=content)
            assert "at most 1,000 bytes" in error(answer, 413, "too_large")["message"]
        assert api.http.post(f"{api.address}{BULK}", headers=headers, content=b"\n" * 1_000).status_code == 200


def test_more_deep_pages_than_the_cluster_allows_points_in_time_are_answered(
    settings: Settings, distribution: Distribution, conversations: list[Conversation], tmp_path: Path
) -> None:
    """A node of its own allows 8 points in time; the service uses at most 6, and lets the other pages wait."""
    with LocalNode(tmp_path, distribution, options={"search.max_open_pit_context": "8"}) as node:
        own = Cluster(settings, node.url)
        own.load(conversations[SIZES[0] - 100 : SIZES[0] + 100])  # of both organizations
        with limited(
            own, points_in_time=6, points_in_time_per_organization=4, search_patience=PATIENCE, request_timeout=PATIENCE,
            searches=60, searches_per_organization=60,  # so that none is refused before it asks for a point in time
        ) as api:  # fmt: skip
            tokens = [api.token(organization) for organization in (ONE, OTHER) for _ in range(30)]
            paths = [f"/api/conversations?page={20_000 + at}&per_page=1&sort=subject" for at in range(60)]
            answers = at_once(api, paths, tokens)
            assert Counter(one.status_code for one in answers) == {200: 60}
            wait_until(lambda: metric(api, "limit_in_use", "points_in_time") == 0)
        own.await_no_points_in_time()
        assert own.points_in_time()[1] >= 60


def test_operators_have_an_address_of_their_own(cluster: Cluster) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = f"127.0.0.1:{port}"
    with serve_process(cluster, CONVERSATIONS_OPERATIONS_ADDRESS=own) as (_process, address, _log):
        for path in ("/metrics", "/health/ready"):
            assert httpx.get(f"http://{own}{path}").status_code == 200
            error(httpx.get(f"{address}{path}"), 404, "not_found")
        for base in (f"http://{own}", address):
            assert httpx.get(f"{base}/health/live").status_code == 200
        assert httpx.get(f"{address}/api/conversations").status_code == 401
        error(httpx.get(f"http://{own}/api/conversations"), 404, "not_found")


def test_many_scrapes_of_the_metrics_ask_the_cluster_once(cluster: Cluster) -> None:
    with limited(cluster) as api:
        before = _looks(cluster)
        with ThreadPoolExecutor(8) as pool:
            assert all(one.status_code == 200 for one in pool.map(lambda _: api.get("/metrics"), range(40)))
        assert _looks(cluster) - before <= 8  # those of one status: it asks each index


def _looks(cluster: Cluster) -> int:
    """How many searches the index has had."""
    stats = cluster.act(lambda client: client.indices.stats(index=cluster.settings.alias, metric="search"))
    return int(stats["_all"]["total"]["search"]["query_total"])


def test_a_client_that_hangs_up_ends_its_bulk_write(cluster: Cluster, settings: Settings, opensearch_url: str) -> None:
    """3,000 lines are several batches; the client hangs up while they are written."""
    rng = random.Random(2)
    lines = b"".join(conversation(rng, ONE).model_dump_json().encode() + b"\n" for _ in range(3_000))
    with own_alias(settings, opensearch_url) as own:
        own.load([])
        with limited(own) as api:
            address = urlsplit(api.address)
            head = (
                f"POST {BULK} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {api.token(ONE, scopes=WRITE)}\r\n"
                f"Content-Type: application/x-ndjson\r\nContent-Length: {len(lines)}\r\n\r\n"
            ).encode()
            with socket.create_connection((address.hostname, address.port)) as connection:
                connection.sendall(head + lines)
                wait_until(lambda: metric(api, "limit_in_use", "bulk_bytes") > 0)
            wait_until(lambda: metric(api, "limit_in_use", "bulk_bytes") == 0)
            own.act(lambda client: client.indices.refresh(index=own.settings.alias))
            found = api.conversations(api.token(ONE))["data"]["pagination"]["total"]
            assert found < 3_000
