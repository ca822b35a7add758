"""The limit on writes over real HTTP and a real node: what one organization's flood leaves to another."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from uuid import UUID

import httpx
import pytest

from service.api.auth import Tokens
from service.settings import Settings
from tests.corpus import ORGANIZATIONS, conversation
from tests.node.asking import error
from tests.node.clusters import Cluster, own_alias
from tests.node.proxy import Answer, Call, Proxy
from tests.node.serving import Api, serving
from tests.processes import WAIT_SECONDS, wait_until

ONE, OTHER = ORGANIZATIONS[:2]
BULK = "/api/conversations/bulk"
FLOODING, SINGLES = 20, 30
HOLDING = "conversations_limit_in_use", "conversations_limit_waiting"


@pytest.fixture
def own(settings: Settings, opensearch_url: str) -> Iterator[Cluster]:
    with own_alias(settings, opensearch_url) as cluster:
        cluster.load([conversation(random.Random(3), organization) for organization in (ONE, OTHER)])
        yield cluster


class Organization:
    """A caller of one organization only, with connections of its own."""

    def __init__(self, api: Api, uid: UUID, user: str = "") -> None:
        self.uid, self._api = uid, api
        token = Tokens(api.settings).mint(user or str(uid), [uid], scopes=("conversations:write",))
        self._headers = {"Authorization": f"Bearer {token}"}
        self._rng = random.Random(uid.int)

    def lines(self, count: int) -> bytes:
        made = [conversation(self._rng, self.uid).model_dump_json().encode() + b"\n" for _ in range(count)]
        return b"".join(made)

    def write(self, lines: bytes) -> httpx.Response:
        return httpx.post(f"{self._api.address}{BULK}", headers=self._headers, content=lines, timeout=60)

    def delete(self, uid: UUID) -> httpx.Response:
        return httpx.delete(f"{self._api.address}/api/conversations/{uid}", headers=self._headers, timeout=60)

    def search(self) -> httpx.Response:
        return httpx.get(f"{self._api.address}/api/conversations", headers=self._headers, timeout=60)


def shown(api: Api, name: str) -> float:
    lines = api.get("/metrics").text.splitlines()
    return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f'{name}{{limit="writes"}}'))


def test_writes_beyond_the_share_wait_and_are_then_refused_and_others_go_on(own: Cluster) -> None:
    """While OpenSearch holds a bulk write, another write and a deletion of the same organization wait."""
    go_on = threading.Event()

    def held(call: Call, answer: Answer) -> Answer:
        if str(ONE).encode() in call.body:
            go_on.wait(WAIT_SECONDS)
        return answer

    limits = {"writes": 20, "writes_per_organization": 10, "request_timeout": 60.0}
    with (
        Proxy(own.url) as proxy,
        ThreadPoolExecutor() as pool,
        contextmanager(serving)(own.settings.but(**limits), proxy.url) as api,
    ):
        one, colleague, other = Organization(api, ONE), Organization(api, ONE, "colleague"), Organization(api, OTHER)
        large = one.lines(2) + b"\n" * 250_000
        with proxy.faulty(held, "_bulk"):
            try:
                first = pool.submit(one.write, large)
                wait_until(lambda: shown(api, HOLDING[0]) == 10)
                waiting = [pool.submit(colleague.write, one.lines(1)), pool.submit(colleague.delete, ONE)]
                wait_until(lambda: shown(api, HOLDING[1]) == 2)
                assert other.write(other.lines(1)).json()["data"]["written"] == 1
                assert other.delete(OTHER).status_code == 404
                assert other.search().status_code == one.search().status_code == 200
                for refused in waiting:
                    message = error(refused.result(), 429, "too_many_requests")["message"]
                    assert "at most 10 writes of an organization" in message
                    assert refused.result().headers["retry-after"] == "1"
            finally:
                go_on.set()
            assert first.result().json()["data"]["written"] == 2
        wait_until(lambda: shown(api, HOLDING[0]) == shown(api, HOLDING[1]) == 0)
        assert one.write(large).status_code == 200


@pytest.mark.slow
def test_a_flood_of_bulk_writes_leaves_another_organization_its_writes_and_searches(own: Cluster) -> None:
    """The flood is refused or waits. All requests of the other organization are faster than the slowest bulk write."""
    ended = threading.Event()
    took: dict[str, list[float]] = {"bulk": [], "single": [], "search": []}
    statuses: Counter[tuple[str, int]] = Counter()

    def timed(kind: str, answer: httpx.Response) -> None:
        statuses[kind, answer.status_code] += 1
        if answer.status_code == 200:
            took[kind].append(answer.elapsed.total_seconds())

    with contextmanager(serving)(own.settings.but(caller_rate=0, request_timeout=60.0), own.url) as api:
        flood, quiet = Organization(api, ONE), Organization(api, OTHER)
        bulks = [flood.lines(700) for _ in range(3)]

        def send() -> None:
            while not ended.is_set():
                timed("bulk", flood.write(random.choice(bulks)))

        with ThreadPoolExecutor(FLOODING) as pool:
            running = [pool.submit(send) for _ in range(FLOODING)]
            try:
                wait_until(lambda: len(took["bulk"]) > 0)
                for _ in range(SINGLES):
                    timed("single", quiet.write(quiet.lines(1)))
                    timed("search", quiet.search())
                    time.sleep(0.05)
                most = shown(api, HOLDING[0])
            finally:
                ended.set()
            for one in running:
                one.result()
        assert most <= 41
    assert statuses["single", 200] == statuses["search", 200] == SINGLES, statuses
    slowest = max(took["bulk"])
    assert max(took["single"]) < slowest, took
    assert max(took["search"]) < slowest, took
