"""Answers that nobody reads, over real sockets to a separate process: its memory, and how others are served."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from service.api.http_protocol import MOST_CLOSING
from service.api.unread_answers import Reader, Unread
from tests import logged, virtual_time
from tests.processes import wait_until
from tests.served import Served, received, self_signed, trusting
from tests.slow_reader import assert_cut_off_after_30_seconds, made

SIZE = 900_000  # just too small to count as a large answer
LIMIT = 64_000_000
BUFFERS = 16_384  # in the kernel, so that the answers are in the process
CROWD = 400
PIPELINED = 3
END_SECONDS = 1.0
NOT_COUNTED = 200_000  # in the kernel, and below TLS
SLOW_BYTES, SLOW_PAUSE = 20_000, 0.1  # of a client that needs several times END_SECONDS for an answer

PROGRAM = f"""
import json, socket, sys, uvicorn
from service import telemetry
from service.api.http_protocol import ConnectionLimits, bounded
from service.api import tls_listener
from service.api.limits import ON_CALLER_KNOWN
from service.server import Server

began = 0
tls_listener.END_SECONDS = {END_SECONDS}

async def app(scope, receive, send):
    global began
    headers = dict(scope["headers"])
    if scope["path"] == "/state":
        value = telemetry.REGISTRY.get_sample_value
        closed = {{reason: value("conversations_refused_total", {{"limit": "unread_bytes", "reason": reason}}) for reason in ("own", "all")}}
        body = json.dumps({{"began": began, "held": value("conversations_limit_in_use", {{"limit": "unread_bytes"}}), **closed}}).encode()
    else:
        began += 1
        if scope["path"] != "/stranger":
            scope["state"][ON_CALLER_KNOWN](headers[b"who"].decode())
        body = b"x" * {SIZE}
    start = {{"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]}}
    await send(start)
    await send({{"type": "http.response.body", "body": body}})

listener = socket.socket()
listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, {BUFFERS})
listener.bind(("127.0.0.1", 0))
listener.listen(1000)
print(listener.getsockname()[1], flush=True)
tls = dict(zip(("ssl_certfile", "ssl_keyfile"), sys.argv[2:]))
config = uvicorn.Config(app, http=bounded(ConnectionLimits(**json.loads(sys.argv[1]))), ws="none", lifespan="off", log_config=None, **tls)
Server(config).run(sockets=[listener])
"""


class Client:
    """Connections to the server, which stay open until the test ends."""

    def __init__(self, served: Served, stack: ExitStack, tls: ssl.SSLContext | None) -> None:
        self.served, self._stack, self._tls = served, stack, tls

    def ask(self, who: str, path: str = "/", *, line: str = "", times: int = 1, more: str = "") -> socket.socket:
        connection: socket.socket = self._stack.enter_context(socket.socket())
        connection.settimeout(60)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFERS)
        connection.connect(("127.0.0.1", self.served.port))
        if self._tls is not None:
            connection = self._stack.enter_context(self._tls.wrap_socket(connection))
        line = line or f"GET {path} HTTP/1.1"
        connection.sendall(f"{line}\r\nHost: x\r\nWho: {who}\r\n{more}\r\n".encode() * times)
        return connection

    @property
    def state(self) -> dict[str, int]:
        connection = self.ask("nobody", "/state", more="Connection: close\r\n")
        found: dict[str, int] = json.loads(received(connection).partition(b"\r\n\r\n")[2])
        connection.close()
        return found


def body(connection: socket.socket) -> int:
    """The bytes of one whole answer, or of what comes before the connection is closed."""
    found = 0
    try:
        while found < SIZE and (more := connection.recv(65_536)):
            found += len(more.rpartition(b"\r\n\r\n")[2])
    except ConnectionError:
        pass
    return found


@contextmanager
def client(*files: Path, **limits: int) -> Iterator[Client]:
    tls = trusting() if files else None
    with logged.new_file("unread").open("wb") as stderr, ExitStack() as stack:
        command = [sys.executable, "-c", PROGRAM, json.dumps(limits), *map(str, files)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr)
        stack.callback(process.wait)
        stack.callback(process.kill)
        assert process.stdout is not None
        stack.callback(process.stdout.close)
        yield Client(Served(process.pid, int(process.stdout.readline())), stack, tls)


@pytest.mark.slow
@pytest.mark.parametrize("over", ["http", "https"])
def test_many_connections_that_do_not_read_fill_no_memory_and_hold_nobody_up(over: str, tmp_path: Path) -> None:
    with client(*(self_signed(tmp_path) if over == "https" else ()), unread_seconds=600) as one:
        assert body(one.ask("reader")) == SIZE
        before = one.served.megabytes
        slow = one.ask("slow")
        crowd = []
        longest = 0.0
        for number in range(CROWD):
            crowd.append(one.ask("flood", times=PIPELINED))
            if number % 20 == 0:
                since = time.monotonic()
                assert body(one.ask("reader")) == SIZE
                longest = max(longest, time.monotonic() - since)
        wait_until(lambda: one.state["own"] > 0)
        assert one.state["held"] <= LIMIT
        grown = one.served.megabytes - before
        # A TLS connection has some 150 kB of its own. Without a limit, these answers take 1,100 MB.
        assert grown < 4 * LIMIT / 1e6
        assert longest < 5
        assert body(slow) == SIZE, "the caller that leaves little unread keeps its connection"
        assert one.state["all"] == 0


@pytest.mark.slow
def test_the_next_answer_is_not_begun_while_the_client_does_not_read() -> None:
    with client() as one:
        connection = one.ask("reader", times=PIPELINED)
        later = one.ask("reader")
        wait_until(lambda: one.state["began"] == 2)
        later.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nWho: reader\r\n\r\n")
        wait_until(lambda: one.state["held"] > SIZE)
        assert one.state["began"] == 2
        for asked, times in ((connection, PIPELINED), (later, 2)):
            asked.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nWho: reader\r\nConnection: close\r\n\r\n")
            assert len(received(asked)) > SIZE * (times + 1)
        wait_until(lambda: one.state["held"] == 0)
        assert one.state["began"] == PIPELINED + 4


@pytest.mark.slow
@pytest.mark.parametrize("over", ["http", "https"])
@pytest.mark.parametrize("times", [2, 5])
def test_unauthenticated_connections_whose_next_answer_waits_give_way(over: str, times: int, tmp_path: Path) -> None:
    with client(*(self_signed(tmp_path) if over == "https" else ()), connections=20) as one:
        for _ in range(30):  # more than the limit
            one.ask("x", "/stranger", times=times)
        wait_until(lambda: one.state["began"] == 30)
        for _ in range(25):
            assert body(one.ask("reader")) == SIZE
        assert one.state["began"] == 55, "the answers that were put off are not begun when their connections end"


@pytest.mark.slow
def test_an_unauthenticated_client_that_reads_gets_all_of_its_answers() -> None:
    with client(connections=10) as one:
        connection = one.ask("x", "/stranger", times=PIPELINED)
        wait_until(lambda: one.state["began"] == 1)
        connection.sendall(b"GET /stranger HTTP/1.1\r\nHost: x\r\nWho: x\r\nConnection: close\r\n\r\n")
        assert len(received(connection)) > SIZE * (PIPELINED + 1)


@pytest.mark.slow
def test_callers_whose_next_answer_waits_do_not_give_way() -> None:
    with client(connections=10) as one:
        asked: list[socket.socket] = []

        def is_refused() -> bool:
            asked.append(one.ask("reader", times=2))
            return asked[-1].recv(12) == b"HTTP/1.1 503"

        wait_until(is_refused)
        assert len(asked) >= 11


@pytest.mark.slow
def test_connections_that_give_way_but_do_not_read_are_not_kept_open_without_end() -> None:
    """Each new connection replaces an older one, which may send the rest of its answer for a while."""
    with client(connections=20, unread_bytes=1_000_000_000) as one:
        for _ in range(MOST_CLOSING + 100):
            one.ask("flood")
        wait_until(lambda: one.state["began"] == MOST_CLOSING + 100)
        files = len([*Path(f"/proc/{one.served.pid}/fd").iterdir()])
        assert files <= 20 + MOST_CLOSING + 20


@pytest.mark.slow
@pytest.mark.parametrize("over", ["http", "https"])
def test_what_is_left_unread_counts_also_after_a_part_was_read(over: str, tmp_path: Path) -> None:
    with client(*(self_signed(tmp_path) if over == "https" else ())) as one:
        connection = one.ask("reader")
        for part in range(1, 4):
            missing = SIZE // 4
            while missing > 0:
                missing -= len(connection.recv(min(missing, 65_536)))
            assert one.state["held"] > SIZE - part * SIZE // 4 - NOT_COUNTED


@pytest.mark.slow
@pytest.mark.parametrize("over", ["http", "https"])
@pytest.mark.parametrize("request_line", ["GET / HTTP/1.1", "GET / HTTP/1.0", "SIGTERM"])
def test_a_slow_client_gets_all_of_an_answer_after_which_its_connection_is_closed(
    over: str, request_line: str, tmp_path: Path
) -> None:
    with client(*(self_signed(tmp_path) if over == "https" else ())) as one:
        if request_line == "SIGTERM":
            connection = one.ask("slow")
            wait_until(lambda: one.state["began"] == 1)
            os.kill(one.served.pid, signal.SIGTERM)
        else:
            connection = one.ask("slow", line=request_line, more="Connection: close\r\n")
        found, began = 0, time.monotonic()
        while more := connection.recv(SLOW_BYTES):
            found += len(more)
            time.sleep(SLOW_PAUSE * len(more) / SLOW_BYTES)
        assert found > SIZE
        assert time.monotonic() - began > 3 * END_SECONDS


class Connection:
    """A connection of `who`, with so many unread bytes."""

    def __init__(self, who: str, size: int) -> None:
        self.owner, self.size, self.is_gone = who, size, False
        self.transport: Any = SimpleNamespace(get_write_buffer_size=lambda: self.size, abort=self.abort)

    def abort(self) -> None:
        self.is_gone = True


def gone(kind: Callable[[], list[tuple[str, int]]]) -> set[int]:
    """The numbers of the connections that are closed. Each begins one second after the one before."""

    async def work() -> set[int]:
        everybody = Unread(1_000, seconds=100.0, speed=10)
        connections = [Connection(*one) for one in kind()]
        for connection in connections:
            Reader(everybody).begin(connection)
            await asyncio.sleep(1)
        assert everybody.held <= 1_000
        return {number for number, connection in enumerate(connections) if connection.is_gone}

    return virtual_time.run(work())


def test_the_one_that_leaves_most_unread_gives_way_and_the_longest_unread_first() -> None:
    assert gone(lambda: [("quiet", 300), *[("flood", 100)] * 5]) == set()
    assert gone(lambda: [("quiet", 300), *[("flood", 100)] * 8]) == {1, 2, 3, 4}
    assert gone(lambda: [("flood", 100), ("flood", 100), ("other", 700), ("flood", 200)]) == {2}


def test_what_was_read_meanwhile_does_not_count() -> None:
    async def work() -> None:
        everybody = Unread(1_000, seconds=100.0, speed=10)
        first, second, third = (Connection("one", 500) for _ in range(3))
        for connection in (first, second):
            Reader(everybody).begin(connection)
        first.size = 10
        Reader(everybody).begin(third)
        await asyncio.sleep(1)
        assert not first.is_gone
        assert everybody.held == second.size * (not second.is_gone) + third.size * (not third.is_gone) + 10

    virtual_time.run(work())


def test_the_end_of_an_answer_is_not_kept_for_ever_however_little_it_is() -> None:
    """The rest is too small to pause the transport, but has a time limit once the connection is to be closed."""

    async def work() -> None:
        protocol, reader = made(0)
        reader.write(5_000)
        cast(Any, reader).is_closing = lambda: True
        protocol.watch_the_end()
        await assert_cut_off_after_30_seconds(reader)

    virtual_time.run(work())
