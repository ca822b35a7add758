"""TLS connections count, and are cut off, before their handshake is complete as after it."""

from __future__ import annotations

import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from service.api.http_protocol import MOST_CLOSING
from tests import logged
from tests.processes import wait_until
from tests.served import received, self_signed, trusting

CONNECTIONS = 20
HEAD_SECONDS = 5.0
MANY = 300  # connections, with which others would have none left
OTHER_FILES = 60  # of the process: its libraries, its event loop, and connections that are being closed
PROGRAM = f"""
import socket, sys, uvicorn
from service import telemetry
from service.api.http_protocol import ConnectionLimits, bounded
from service.server import Server

async def app(scope, receive, send):
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    counted = {{f"{{limit}} {{reason}}": telemetry.REGISTRY.get_sample_value("conversations_refused_total", {{"limit": limit, "reason": reason}})
               for limit, reason in (("connections", "idle"), ("head_seconds", "own"))}}
    body = f"{{scope['scheme']}} {{size}} {{counted}}".encode()
    await send({{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}})
    await send({{"type": "http.response.body", "body": body}})

listener = socket.create_server(("127.0.0.1", 0), backlog=1000)
print(listener.getsockname()[1], flush=True)
limits = ConnectionLimits(connections={CONNECTIONS}, head_seconds={HEAD_SECONDS})
config = uvicorn.Config(app, http=bounded(limits), ws="none", lifespan="off", log_config=None, loop=sys.argv[1],
                        ssl_certfile=sys.argv[2], ssl_keyfile=sys.argv[3], timeout_graceful_shutdown=30)
Server(config).run(sockets=[listener])
"""

pytestmark = pytest.mark.slow


@dataclass
class Tls:
    """A server with TLS, and connections to it that stay open until the test ends."""

    process: subprocess.Popen[bytes]
    port: int
    stack: ExitStack

    def connect(self, *, encrypted: bool) -> socket.socket:
        connection = self.stack.enter_context(socket.create_connection(("127.0.0.1", self.port), timeout=30))
        return self.stack.enter_context(trusting().wrap_socket(connection)) if encrypted else connection

    def ask(self, body: bytes = b"") -> str:
        connection = self.connect(encrypted=True)
        head = f"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        connection.sendall(head.encode() + body)
        return received(connection).decode()

    @property
    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    def counted(self, name: str) -> float:
        found = re.search(rf"'{name}': ([0-9.]+)", self.ask())
        return float(found[1]) if found else 0.0


@pytest.fixture(params=["asyncio", "uvloop"])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Tls]:
    with logged.new_file("tls").open("wb") as stderr, ExitStack() as stack:
        command = [sys.executable, "-c", PROGRAM, request.param, *map(str, self_signed(tmp_path))]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        yield Tls(process, int(process.stdout.readline()), stack)


def test_requests_arrive_whole_also_with_the_end_of_the_handshake(served: Tls) -> None:
    for size in (0, 1, 70_000, 3_000_000):
        assert f"https {size} " in served.ask(b"x" * size)
    wait_until(lambda: served.files < OTHER_FILES)


@pytest.mark.parametrize("encrypted", [False, True], ids=["before the handshake", "after it"])
def test_clients_that_send_nothing_keep_nobody_out(served: Tls, encrypted: bool) -> None:
    idle = []
    for _ in range(MANY):
        with suppress(ConnectionError, ssl.SSLError):  # closed during its handshake, to make room
            idle.append(served.connect(encrypted=encrypted))
        assert served.files <= CONNECTIONS + OTHER_FILES + MOST_CLOSING
    assert "https 5 " in served.ask(b"hello")
    assert served.counted("connections idle") > 0
    began = time.monotonic()
    for connection in idle:
        assert received(connection) == b""  # each is closed, the last ones for their time
    assert time.monotonic() - began < 10 * HEAD_SECONDS
    wait_until(lambda: served.files < OTHER_FILES)


def test_idle_connections_give_way_before_handshakes_that_take_a_moment(served: Tls) -> None:
    for _ in range(CONNECTIONS):
        idle = served.connect(encrypted=True)
        idle.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert idle.recv(65_536).startswith(b"HTTP/1.1 200")
    waiting = [served.connect(encrypted=False) for _ in range(CONNECTIONS // 2)]  # their ClientHello is on its way
    wait_until(lambda: served.counted("connections idle") >= CONNECTIONS // 2)
    for connection in waiting:
        encrypted = served.stack.enter_context(trusting().wrap_socket(connection))
        encrypted.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        assert b"https 0 " in received(encrypted)


def test_a_client_that_is_slow_or_speaks_no_tls_is_cut_off(served: Tls) -> None:
    silent, plain = served.connect(encrypted=False), served.connect(encrypted=False)
    plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"HTTP/1.1" not in received(plain)
    assert received(silent) == b""
    wait_until(lambda: served.counted("head_seconds own") >= 1)


def test_an_unfinished_handshake_does_not_delay_the_stop(served: Tls) -> None:
    waiting = served.connect(encrypted=False)
    assert "https 0 " in served.ask()
    began = time.monotonic()
    served.process.send_signal(signal.SIGTERM)
    served.process.wait(timeout=20)
    assert time.monotonic() - began < HEAD_SECONDS + 10
    assert received(waiting) == b""
