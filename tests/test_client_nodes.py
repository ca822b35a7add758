"""A client whose nodes do not listen: its errors, and that nothing is left after its end."""

from __future__ import annotations

import asyncio
import socket
from contextlib import ExitStack
from typing import cast

import aiohttp
import pytest
from opensearchpy.exceptions import ConnectionError as Unreachable
from yarl import URL

from service import telemetry
from service.client import Client, answering, connect
from service.client.connection import Connection
from service.client.error_types import failure_of, is_lost
from service.client.node_health import Answering, Failure
from service.errors import CircuitOpen
from service.settings import Settings


def closed_ports(stack: ExitStack, count: int) -> str:
    """Addresses that refuse connections: their ports are taken, and nothing listens."""
    ports = []
    for _port in range(count):
        taken = stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))
        ports.append(taken.getsockname()[1])
    return ",".join(f"http://127.0.0.1:{port}" for port in ports)


async def failures_of(client: Client, calls: int) -> list[Unreachable]:
    found = []
    for call in range(calls):
        with pytest.raises(Unreachable) as raised:
            await (client.info() if call % 2 else client.bulk(body=b"{}\n"))
        found.append(raised.value)
    return found


@pytest.mark.parametrize(
    ("nodes", "told"), [(1, "OpenSearch cannot be reached"), (3, "none of the 3 nodes of OpenSearch")]
)
def test_a_cluster_that_is_down_is_not_asked_again_and_again(bare_settings: Settings, nodes: int, told: str) -> None:
    before = telemetry.REGISTRY.get_sample_value("conversations_opensearch_nodes", {"state": "dead"}) or 0.0

    async def run() -> None:
        with ExitStack() as stack:
            settings = bare_settings.but(opensearch_probe_seconds=60.0)
            client = connect(settings, closed_ports(stack, nodes))
            first, second, third = await failures_of(client, 3)
            assert {failure_of(error) for error in (first, second, third)} == {Failure.DOWN}
            (opened,) = await failures_of(client, 1)
            assert isinstance(opened.info, CircuitOpen)
            assert str(opened.info).startswith(told)
            assert failure_of(opened) is None
            assert not is_lost(opened)
            dead = telemetry.REGISTRY.get_sample_value("conversations_opensearch_nodes", {"state": "dead"})
            assert dead == before + nodes
            assert answering(client) == Answering(0, nodes)
            assert all(isinstance(error.info, CircuitOpen) for error in await failures_of(client, 20))
            await client.close()
            kept = [cast(Connection, one) for one, _host in client.transport.connection_pool.connection_opts]
            assert [one.session for one in kept] == [None] * nodes

    asyncio.run(run())
    assert telemetry.REGISTRY.get_sample_value("conversations_opensearch_nodes", {"state": "dead"}) == before


def test_two_clients_of_a_cluster_share_the_states_of_its_nodes(bare_settings: Settings) -> None:
    async def run() -> None:
        with ExitStack() as stack:
            url = closed_ports(stack, 2)
            settings = bare_settings.but(opensearch_failures=1, opensearch_probe_seconds=60.0)
            first = connect(settings, url)
            second = connect(settings, url, same_cluster_as=first)
            await failures_of(first, 1)
            (opened,) = await failures_of(second, 1)
            assert isinstance(opened.info, CircuitOpen)
            await second.close()
            (opened,) = await failures_of(first, 1)
            assert str(opened.info).startswith("none of the 2 nodes of OpenSearch")
            await first.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "asked"),
    [
        ("http://[::1]:9200", "http://[::1]:9200/"),
        ("https://[2001:db8::7]", "https://[2001:db8::7]/"),
        ("http://search:9200/a", "http://search:9200/a/"),
    ],
)
def test_a_node_is_asked_at_its_url(
    bare_settings: Settings, url: str, asked: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str] = []

    def request(_session: aiohttp.ClientSession, _method: str, url: URL, **_options: object) -> None:
        found.append(str(url))
        raise OSError

    monkeypatch.setattr(aiohttp.ClientSession, "request", request)

    async def action() -> None:
        client = connect(bare_settings, url)
        with pytest.raises(Unreachable):
            await client.info()
        await client.close()

    asyncio.run(action())
    assert found[0] == asked
