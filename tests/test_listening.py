"""The port of the service is its own from the start, and free again as soon as it ends."""

from __future__ import annotations

import asyncio
import contextlib
import resource
import socket
from typing import Any

import pytest
import uvicorn

from service.errors import Misconfigured
from service.server import Server, allow_open_files, listening
from service.settings import Settings


def test_a_port_is_refused_to_a_second_start_before_the_first_listens() -> None:
    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        with pytest.raises(Misconfigured, match="Address already in use"), listening("127.0.0.1", port):
            pass


@pytest.mark.parametrize("host", ["no-such-host.invalid", "192.0.2.1"])
def test_an_address_of_another_machine_is_reported_as_a_wrong_host(host: str) -> None:
    with pytest.raises(Misconfigured, match="choose an address of this machine with --host"), listening(host, 0):
        pass


@pytest.mark.parametrize(
    ("hard", "raised", "connections"),
    [
        (resource.RLIM_INFINITY, 4_096, 3_000),
        (1_048_576, 4_096, 3_000),
        (4_096, 4_096, 3_000),
        (1_024, 1_024, 624),
        (100, 100, 1),
    ],
)
def test_no_more_connections_are_taken_than_files_may_be_open(
    bare_settings: Settings, monkeypatch: pytest.MonkeyPatch, hard: int, raised: int, connections: int
) -> None:
    allowed: list[tuple[int, int]] = [(min(512, hard) if hard > 0 else 512, hard)]
    monkeypatch.setattr(resource, "getrlimit", lambda _what: allowed[-1])
    monkeypatch.setattr(resource, "setrlimit", lambda _what, limits: allowed.append(limits))
    assert allow_open_files(bare_settings.but(opensearch_connections=100)) == connections
    assert allowed[-1] == (raised, hard)


async def _answer(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})


def test_the_port_is_free_again_at_once_after_connections() -> None:
    """A connection that the service closes stays in TIME_WAIT for a minute."""

    async def serve_once(listener: socket.socket) -> None:
        ready = asyncio.Event()
        server = Server(uvicorn.Config(_answer, log_config=None, lifespan="off"), ready.set)
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await asyncio.wait_for(ready.wait(), 60)
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert await asyncio.wait_for(reader.read(), 60)  # until the server has closed
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()
        server.should_exit = True
        await serving

    with listening("127.0.0.1", 0) as first:
        port = first.getsockname()[1]
        asyncio.run(serve_once(first))
    with listening("127.0.0.1", port) as again:
        asyncio.run(serve_once(again))
