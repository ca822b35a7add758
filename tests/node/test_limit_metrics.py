"""Each limit that has a metric in docs/limits.md: its refusals are counted, with the right reason."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from service import telemetry
from service.api.http_protocol import MAX_PIPELINED
from service.api.limits import Limits
from service.errors import Saturated, TooBusy
from service.limits.fair_semaphore import FairSemaphore
from service.settings import Settings
from tests import virtual_time
from tests.corpus import ORGANIZATIONS
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving
from tests.processes import wait_until

PAGE = (Path(__file__).parents[2] / "docs/limits.md").read_text("utf-8")
NAMED = {*re.findall(r"\| `(\w+)` \|$", PAGE, re.MULTILINE), *re.findall(r'`limit="(\w+)"` in the metric', PAGE)}
ANSWERED_AT_ONCE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
CONNECTIONS = 5
SHARED: dict[str, Callable[[Limits], FairSemaphore]] = {
    "searches": lambda limits: limits.searches,
    "points_in_time": lambda limits: limits.points,
    "writes": lambda limits: limits.writes.organizations,
    "writes_per_caller": lambda limits: limits.writes.callers,
    "bulk_bytes": lambda limits: limits.bodies.organizations,
    "bulk_bytes_per_caller": lambda limits: limits.bodies.callers,
    "answer_bytes": lambda limits: limits.answers.organizations,
    "answer_bytes_per_caller": lambda limits: limits.answers.callers,
    "exports": lambda limits: limits.exports.organizations,
    "exports_per_caller": lambda limits: limits.exports.callers,
}


class Client:
    """Connections to a service, which stay open until the test ends."""

    def __init__(self, api: Api, stack: ExitStack) -> None:
        self.api, self._stack = api, stack

    def send(self, sent: bytes, *, buffer: int | None = None) -> socket.socket:
        address = urlsplit(self.api.address)
        connection = self._stack.enter_context(socket.socket())
        connection.settimeout(60)
        if buffer is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        connection.connect((address.hostname, address.port))
        connection.sendall(sent)
        return connection

    def bulk(self, size: int) -> bytes:
        """The head of a bulk write and the first byte of its body."""
        token = self.api.token(ORGANIZATIONS[0], scopes=("conversations:write",))
        return (
            f"POST /api/conversations/bulk HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n"
            f"Content-Type: application/x-ndjson\r\nContent-Length: {size}\r\n\r\n{{"
        ).encode()


def refused(limit: str, reason: str) -> float:
    labels = {"limit": limit, "reason": reason}
    return telemetry.REGISTRY.get_sample_value("conversations_refused_total", labels) or 0.0


def too_long_a_head(client: Client) -> None:
    client.send(b"GET /?" + b"a" * 70_000 + b" HTTP/1.1\r\n\r\n")


def no_request(client: Client) -> None:
    client.send(b"nonsense\r\n\r\n")


def too_many_in_a_row(client: Client) -> None:
    client.send(ANSWERED_AT_ONCE * (MAX_PIPELINED * 20))


def half_a_head(client: Client) -> None:
    client.send(b"GET /health")


def half_a_body(client: Client) -> None:
    client.send(client.bulk(100))


def too_long_a_body(client: Client) -> None:
    client.send(client.bulk(1_001))


def answers_that_nobody_reads(client: Client) -> None:
    wanted = b"GET /docs/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
    for _ in range(20):
        client.send(wanted * MAX_PIPELINED, buffer=4_096)


def answers_beyond_the_bytes(client: Client) -> None:
    wanted = b"GET /docs/openapi.json HTTP/1.1\r\nHost: x\r\nAccept-Encoding: identity\r\n\r\n"
    for _ in range(100):
        client.send(wanted * MAX_PIPELINED, buffer=4_096)


def idle_connections(client: Client) -> None:
    for _ in range(CONNECTIONS + 1):
        client.send(b"")


def busy_connections(client: Client) -> None:
    for _ in range(CONNECTIONS):
        client.send(client.bulk(100))
    in_use = {"limit": "bulk_bytes"}
    wait_until(lambda: telemetry.REGISTRY.get_sample_value("conversations_limit_in_use", in_use) == 100 * CONNECTIONS)
    client.send(ANSWERED_AT_ONCE)


def no_token(client: Client) -> None:
    for _ in range(2):
        client.send(b"GET /nowhere HTTP/1.1\r\nHost: x\r\n\r\n")


def one_caller(client: Client) -> None:
    token = client.api.token(ORGANIZATIONS[0])
    for _ in range(2):
        client.api.get("/api/caller", token)


BREAKING: list[tuple[str, str, Callable[[Client], None], dict[str, Any]]] = [
    ("head_bytes", "own", too_long_a_head, {}),
    ("http", "own", no_request, {}),
    ("http", "own", too_many_in_a_row, {}),
    ("head_seconds", "own", half_a_head, {"head_seconds": 1.0}),
    ("body_seconds", "own", half_a_body, {"body_seconds": 1.0}),
    ("body_bytes", "own", too_long_a_body, {"body_bytes": 1_000}),
    ("unread_seconds", "own", answers_that_nobody_reads, {"unread_seconds": 1.0}),
    ("unread_bytes", "own", answers_beyond_the_bytes, {"answer_bytes": 1}),
    ("connections", "idle", idle_connections, {"connections": CONNECTIONS}),
    ("connections", "all", busy_connections, {"connections": CONNECTIONS}),
    ("address", "own", no_token, {"address_rate": 0.01, "address_burst": 1}),
    ("rate", "own", one_caller, {"caller_rate": 0.01, "caller_burst": 1}),
]


def test_each_limit_of_the_page_with_a_metric_is_tested() -> None:
    assert len(NAMED) > 10
    assert {*(limit for limit, *_ in BREAKING), *SHARED} == NAMED


@pytest.mark.parametrize(
    ("limit", "reason", "breaks", "options"),
    BREAKING,
    ids=[f"{limit} {reason} {breaks.__name__}" for limit, reason, breaks, _options in BREAKING],
)
def test_refusals_of_a_limit_on_connections_or_callers_are_counted(
    limit: str,
    reason: str,
    breaks: Callable[[Client], None],
    options: dict[str, Any],
    cluster: Cluster,
) -> None:
    with contextmanager(serving)(cluster.settings.but(**options), cluster.url) as api, ExitStack() as stack:
        before = refused(limit, reason)
        breaks(Client(api, stack))
        wait_until(lambda: refused(limit, reason) > before)


@pytest.mark.parametrize("limit", SHARED)
def test_refusals_of_a_limit_on_organizations_are_counted(limit: str, bare_settings: Settings) -> None:
    """Two organizations (or callers) use their whole shares. One of them asks for more, then a third one for its first.

    The third is an organization: the units of all callers together are not limited, so a third caller gets its own.
    """
    what = limit.removesuffix("_per_caller")
    options: dict[str, Any] = {what: 2, f"{what}_per_organization": 1}
    limits = Limits.of(bare_settings.but(**options))
    shared = SHARED[limit](limits)
    before = {reason: refused(limit, reason) for reason in ("own", "all")}

    async def ask() -> None:
        async with shared.slot(b"one"), shared.slot(b"other"):
            with pytest.raises(TooBusy):
                async with shared.slot(b"one"):
                    pass
            assert refused(limit, "own") == before["own"] + 1
            if what != limit:
                return
            with pytest.raises(Saturated):
                async with shared.slot(b"third"):
                    pass
            assert refused(limit, "all") == before["all"] + 1

    virtual_time.run(ask())
