"""The calls that a request makes to OpenSearch, recorded by a proxy.

Their timeouts keep the request's deadline, they end when the client hangs up, and they reveal nothing about other
organizations.
"""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import httpx
import pytest

from service.conversation import Conversation
from tests.corpus import AGENTS, ORGANIZATIONS
from tests.node.asking import BULK, SCOPE, error
from tests.node.clusters import Cluster, own_alias
from tests.node.comparing import comparable
from tests.node.proxy import Answer, Call, Proxy, silent
from tests.node.serving import Api, serving
from tests.processes import wait_until

SECONDS = 100.0  # a request's deadline: longer than this file waits for anything
LATE_SECONDS = 1.0
MINE, OTHER = ORGANIZATIONS[:2]
PATH = "/api/conversations"
NOWHERE = UUID("00000000-0000-4000-8000-0000000000aa")
LINE = json.dumps(
    {"uid": str(NOWHERE), "organization_uid": str(MINE), "subject": "a", "updated_on": "2024-01-01T00:00:00Z"}
)
READS = {
    "list": f"{PATH}?search=invoice&sort=relevance", "walk": f"{PATH}?cursor=*", "facets": f"{PATH}?facets=status,category",
    "deep page": f"{PATH}?page=1500&per_page=1&sort=subject", "suggestions": f"{PATH}?search=nothinglikeit&suggest=true",
    "count": f"{PATH}/count?facets=status", "suggest": f"{PATH}/suggest?q=inv", "export": f"{PATH}/export",
}  # fmt: skip
SEVERAL = {"deep page", "suggestions"}  # each call of these needs the answer to the call before
REQUESTS = [*(("GET", path, "", "_search") for path in READS.values()), ("POST", BULK, LINE, "_bulk")]
NAMES = [*READS, "bulk"]


@dataclass
class Seen:
    """A service, the proxy before its OpenSearch, and the calls that went through, with the answers to them."""

    api: Api
    proxy: Proxy
    calls: list[tuple[Call, Answer]] = field(default_factory=list)

    def ask(self, method: str, path: str, body: str = "", agents: tuple[UUID, ...] = ()) -> httpx.Response:
        token = self.api.token(MINE, scopes=SCOPE[1:] if agents else SCOPE, agents=agents)
        headers = {"Authorization": f"Bearer {token}"}
        return self.api.http.request(method, f"{self.api.address}{path}", headers=headers, content=body or None)

    @contextmanager
    def recorded(self) -> Iterator[list[tuple[Call, Answer]]]:
        self.calls.clear()

        def record(call: Call, answer: Answer) -> Answer:
            self.calls.append((call, answer))
            return answer

        with self.proxy.faulty(record):
            yield self.calls


@pytest.fixture(scope="module")
def own(cluster: Cluster, conversations: list[Conversation]) -> Iterator[Cluster]:
    """The corpus in an alias that these tests may write to."""
    with own_alias(cluster.settings.but(request_timeout=SECONDS), cluster.url) as found:
        found.load(conversations)
        yield found


@pytest.fixture(scope="module")
def seen(own: Cluster) -> Iterator[Seen]:
    with Proxy(own.url) as proxy:
        for api in serving(own.settings, proxy.url):
            found = Seen(api, proxy)
            for method, path, body, _kind in REQUESTS:  # fills the caches
                assert found.ask(method, path, body).status_code == 200
            yield found


def timeouts_of(call: Call) -> list[float]:
    """The timeouts of a call, in seconds: in its URL and, if it is a search, in its body."""
    named = parse_qs(urlsplit(call.path).query)
    told = [named["cancel_after_time_interval" if call.kind == "_search" else "timeout"][0]]
    if call.kind == "_search":
        told.append(json.loads(call.body)["timeout"])
    assert all(re.fullmatch(r"\d+ms", one) for one in told), told
    return [int(one.removesuffix("ms")) / 1000 for one in told]


@pytest.mark.parametrize(("method", "path", "body", "kind"), REQUESTS, ids=NAMES)
def test_no_call_has_a_longer_timeout_than_its_request(
    seen: Seen, method: str, path: str, body: str, kind: str
) -> None:
    with seen.recorded() as calls:
        assert seen.ask(method, path, body).status_code == 200
    told = [timeouts_of(call) for call, _answer in calls if call.kind == kind]
    assert told
    assert all(0 < seconds <= SECONDS for one in told for seconds in one), told


@pytest.mark.parametrize("name", sorted(SEVERAL))
def test_a_later_call_has_only_the_rest_of_the_deadline_as_its_timeout(seen: Seen, name: str) -> None:
    """The first call of the request is slow."""
    calls: list[Call] = []

    def late(call: Call) -> None:
        """Delays the first search; ignores checks of the index, probes, and the closing of a point in time."""
        is_probe = "preference=_only_local" in call.path
        if not call.kind.startswith("_search") or is_probe or call.method == "DELETE":
            return
        calls.append(call)
        if len(calls) == 1:
            time.sleep(LATE_SECONDS)

    with seen.proxy.answering(late):
        assert seen.ask("GET", READS[name]).status_code == 200
    assert len(calls) > 1
    last = [call for call in calls[1:] if call.kind == "_search"][-1]
    assert max(timeouts_of(last)) <= SECONDS - LATE_SECONDS


@pytest.mark.parametrize(("method", "path", "body", "kind"), REQUESTS, ids=NAMES)
def test_a_client_that_hangs_up_ends_the_call_to_opensearch(
    seen: Seen, method: str, path: str, body: str, kind: str
) -> None:
    """OpenSearch cancels a search when its connection is closed. Here it never answers, so only the service closes it."""
    arrived, closed = threading.Event(), threading.Event()

    def wait_for_the_end(connection: socket.socket, sent: bytes, ended: threading.Event) -> None:
        arrived.set()
        with suppress(ConnectionError):
            silent(connection, sent, ended)
        if not ended.is_set():
            closed.set()

    address = urlsplit(seen.api.address)
    head = (
        f"{method} {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {seen.api.token(MINE, scopes=SCOPE)}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n{body}"
    )
    with seen.proxy.faulty(lambda _call, answer: replace(answer, send=wait_for_the_end), kind):
        with socket.create_connection((address.hostname, address.port)) as client:
            client.sendall(head.encode())
            wait_until(arrived.is_set)
            assert not closed.is_set()
        wait_until(closed.is_set, seconds=SECONDS / 4)


@pytest.mark.parametrize("agents", [(), (AGENTS[0],)], ids=["unrestricted", "restricted"])
def test_a_uid_of_another_organization_costs_the_same_calls_and_bytes_as_an_unknown_one(
    seen: Seen, conversations: list[Conversation], agents: tuple[UUID, ...]
) -> None:
    """So the response times can differ only by the time that OpenSearch takes for the same call."""
    elsewhere = [one.uid for one in conversations if one.organization_uid == OTHER][:5]
    found = []
    for uid in (UUID(int=9, version=4), *elsewhere):
        with seen.recorded() as calls:
            answer = seen.ask("GET", f"{PATH}/{uid}", agents=agents)
        error(answer, 404, "not_found")
        assert calls
        sent = [(one.method, one.path.replace(str(uid), "UID"), one.body, given.status) for one, given in calls]
        got = [given.body.replace(str(uid).encode(), b"UID") for _call, given in calls]
        found.append((sent, got, comparable(answer), len(answer.content)))
    assert all(one == found[0] for one in found)
