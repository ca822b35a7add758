"""What the server accepts from a connection before a request is complete. Raw sockets connect to a separate process."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from service.api import http_protocol as limits
from tests import logged
from tests.served import Served, await_address, received

GET = b"GET /health/live HTTP/1.1\r\nHost: x\r\n"
CLOSING = GET + b"Connection: close\r\n\r\n"
LAST_CHUNK = b"0\r\n\r\n"
PIECE = b"a" * 65_536
BULK = b"POST /api/conversations/bulk HTTP/1.1\r\nHost: x\r\n"

pytestmark = pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")


def statuses(answers: bytes) -> list[int]:
    return [int(found) for found in re.findall(rb"HTTP/1\.1 (\d{3}) ", answers)]


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    """A server with shorter timeouts, so the tests of these need not wait for long."""
    with serving(
        "limits.UNREAD_BODY_SECONDS = 1.5; limits.KEEP_ALIVE_SECONDS = 2",
        HEAD_SECONDS="1.5", BODY_SECONDS="1.5", UNREAD_SECONDS="2", CONNECTIONS="60",
    ) as found:  # fmt: skip
        yield found


@contextmanager
def serving(changes: str = "", **options: str) -> Iterator[Served]:
    program = f"from service.api import http_protocol as limits; {changes}\nfrom service.cli import main; main()"
    environment = {
        **os.environ,
        "OPENSEARCH_URL": "http://127.0.0.1:9",
        "CONVERSATIONS_TOKEN_SECRET": "s" * 40,
        "CONVERSATIONS_REQUEST_TIMEOUT": "2",
        **{f"CONVERSATIONS_{name}": value for name, value in options.items()},
    }
    log = logged.new_file("served")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "serve", "--port", "0"], env=environment, stderr=stderr
        )  # fmt: skip
    try:
        address = await_address(process, log)
        yield Served(process.pid, int(address.rpartition(":")[2]))
    finally:
        process.kill()
        process.wait()


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n"


def endless(start: bytes, piece: bytes = PIECE, times: int = 400) -> tuple[bytes, ...]:
    return (start, *[piece] * times)


@pytest.mark.parametrize(
    ("pieces", "status", "code"),
    [
        ((b"GET /health/live?" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",), 414, "uri_too_long"),
        (endless(b"GET /"), 414, "uri_too_long"),
        ((GET + b"X: " + b"a" * 70_000 + b"\r\n\r\n",), 431, "headers_too_large"),
        (endless(GET + b"X: "), 431, "headers_too_large"),
        (endless(GET), 431, "headers_too_large"),
        (endless(GET, b"a: b\r\n" * 1000), 431, "headers_too_large"),
        ((GET + b"a: b\r\n" * limits.MAX_HEADERS + b"\r\n",), 431, "headers_too_large"),
        ((GET + b"X: " + b"a" * 33_000 + b"\r\nY: " + b"a" * 33_000 + b"\r\n\r\n",), 431, "headers_too_large"),
        ((b"\x16\x03\x01\r\n\r\n",), 400, "bad_request"),
        ((b"GET http://[ HTTP/1.1\r\nHost: x\r\n\r\n",), 400, "bad_request"),
        ((BULK + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",), 501, "not_implemented"),
        ((BULK + UPGRADE % b"h2c" + b"Content-Length: 2\r\n\r\n{}",), 501, "not_implemented"),
        ((BULK + UPGRADE % b"websocket" + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",), 501, "not_implemented"),
        ((b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",), 400, "bad_request"),
        ((b"GET /health/live HTTP/1.1\r\n\r\n",), 400, "bad_request"),
        ((GET + b"Host: x\r\n\r\n",), 400, "bad_request"),
        ((b"GET /health/live HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",), 400, "bad_request"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_a_head_above_a_limit_is_refused_with_the_usual_error(
    pieces: tuple[bytes, ...], status: int, code: str, served: Served
) -> None:
    before = served.megabytes
    head, _, body = served.answer(*pieces).partition(b"\r\n\r\n")
    assert statuses(head) == [status]
    assert b"connection: close" in head
    error = json.loads(body)["error"]
    assert error["code"] == code
    assert error["request_id"] in head.decode()
    assert served.megabytes < before + 20


def test_a_request_before_http_1_1_needs_no_host(served: Served) -> None:
    assert statuses(served.answer(b"GET /health/live HTTP/1.0\r\n\r\n")) == [200]
    assert statuses(served.answer(b"GET /health/live HTTP/1.0\r\nHost: x\r\n\r\n")) == [200]


def test_a_head_just_below_the_limits_is_taken(served: Served) -> None:
    long = b"X: " + b"a" * 60_000 + b"\r\n"
    many = b"".join(b"a%d: b\r\n" % number for number in range(limits.MAX_HEADERS - 2))
    assert statuses(served.answer(GET + long + b"Connection: close\r\n\r\n")) == [200]
    assert statuses(served.answer(GET + many + b"Connection: close\r\n\r\n")) == [200]
    assert statuses(
        served.answer(b"GET /health/live?" + b"a" * 60_000 + b" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    ) == [400]


@pytest.mark.parametrize(
    "pieces",
    [
        endless(BULK + b"Transfer-Encoding: chunked\r\n\r\n0\r\n", b"a: " + b"b" * 1000 + b"\r\n", 20_000),
        endless(BULK + b"Transfer-Encoding: chunked\r\n\r\n0\r\na: "),
        endless(BULK + b"Transfer-Encoding: chunked\r\n\r\n1;"),
        endless(BULK + b"Transfer-Encoding: chunked\r\n\r\n", b"1;" + b"e" * 1000 + b"\r\na\r\n", 20_000),
        endless(b"\r\n" * 1000, b"\r\n" * 32_768),
    ],
    ids=["trailers", "a trailer", "an extension", "extensions", "empty lines"],
)
def test_what_is_neither_head_nor_body_is_bounded_too(pieces: tuple[bytes, ...], served: Served) -> None:
    """The server closes before all of it is sent: 20 MB and more fit into no buffer on the way."""
    before = served.megabytes
    with served.connect() as connection, pytest.raises(ConnectionError):  # noqa: PT012
        for piece in pieces:
            connection.sendall(piece)
    assert served.megabytes < before + 20


def test_a_trailer_is_not_a_header(served: Served) -> None:
    body = b"1\r\na\r\n0\r\nX-Request-ID: from-a-trailer\r\n\r\n"
    answer = served.answer(BULK + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n" + body)
    assert statuses(answer) == [401]
    assert b"from-a-trailer" not in answer


@pytest.mark.parametrize("target", [b"/nowhere", b"/api/conversations/bulk", b"/health/live"])
def test_a_body_that_nobody_reads_is_discarded_and_the_connection_goes_on(target: bytes, served: Served) -> None:
    before = served.megabytes
    head = b"POST " + target + b" HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % (160 * len(PIECE))
    answers = served.answer(head, *[PIECE] * 160, CLOSING)
    assert statuses(answers)[1:] == [200]
    assert statuses(answers)[0] in (401, 404, 405)
    assert served.megabytes < before + 5


@pytest.mark.slow
def test_a_body_without_an_end_is_read_for_a_limited_time(served: Served) -> None:
    chunk = b"10000\r\n" + PIECE + b"\r\n"
    before = served.megabytes
    with served.connect() as connection:
        connection.sendall(b"POST /nowhere HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        started = time.monotonic()
        with pytest.raises(ConnectionError):  # noqa: PT012
            while time.monotonic() < started + 60:
                connection.sendall(chunk)
                time.sleep(0.01)
    assert served.megabytes < before + 5


def test_no_100_continue_is_sent_if_the_request_is_refused(served: Served) -> None:
    head = BULK + b"Content-Length: 10000\r\nExpect: 100-continue\r\n\r\n"
    assert statuses(served.answer(head)) == [401]  # no 100, and the connection is closed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", []),
        (b"GET /health", [408]),
        (GET + b"X-Half: a", [408]),
        (b"\r\n", []),
        (GET + b"\r\nGET", [200]),
    ],
)
def test_a_slow_head_and_an_idle_connection_are_closed(sent: bytes, expected: list[int], served: Served) -> None:
    started = time.monotonic()
    found = statuses(served.answer(sent))
    assert found in (expected, [*expected, 408])
    assert time.monotonic() - started < 30


@pytest.mark.slow
def test_a_head_that_comes_byte_by_byte_gets_no_more_time(served: Served) -> None:
    with served.connect() as connection:
        started = time.monotonic()
        with pytest.raises(ConnectionError):  # noqa: PT012
            while time.monotonic() < started + 60:
                connection.sendall(b"X")
                time.sleep(0.1)
            pytest.fail("the server still reads")


@pytest.mark.slow
def test_a_body_is_not_awaited_if_the_cluster_is_unreachable(served: Served, slow_token: str) -> None:
    """With a cluster, a slow body gets 408: tests/node/test_deadlines.py."""
    head = BULK + f"Authorization: Bearer {slow_token}\r\nContent-Length: 100\r\n\r\n".encode()
    found = statuses(served.answer(head + b"{"))
    assert found == [503]


WITH_CODES = """
from service import server
from service.api.sign_in import SignInCodes
make = server.create_app
server.create_app = lambda *given, **named: make(*given, **{**named, "codes": SignInCodes()})
"""
SIGN_IN = b"POST /sign-in HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer x.y.z\r\nContent-Length: 500\r\n\r\n{"


@pytest.mark.slow
@pytest.mark.parametrize("before", [b"", GET + b"\r\n"], ids=["alone", "behind another request"])
def test_connections_that_wait_for_an_unauthenticated_body_give_way(before: bytes) -> None:
    """The bodies never end. Each new connection replaces the one that has waited longest."""
    with serving(WITH_CODES, HEAD_SECONDS="600", CONNECTIONS="10") as one, ExitStack() as closing:
        crowd: list[socket.socket] = []
        for _ in range(30):
            crowd.append(closing.enter_context(one.connect()))
            crowd[-1].sendall(before + SIGN_IN)
            assert not before or is_live(crowd[-1])
        assert statuses(one.answer(CLOSING)) == [200]
        assert received(crowd[0]) == b""


@pytest.mark.slow
def test_a_body_must_keep_a_minimum_speed() -> None:
    """A body that stops after one byte gets 408 after BODY_START_SECONDS, not after BODY_SECONDS."""
    quick = "from service import limit_settings; limit_settings.BODY_START_SECONDS = 1.0\n"
    with serving(quick + WITH_CODES, BODY_SECONDS="60") as one:
        started = time.monotonic()
        assert statuses(one.answer(SIGN_IN)) == [408]
        assert 0.9 < time.monotonic() - started < 20


@pytest.fixture
def slow_token() -> str:
    import uuid

    from pydantic import SecretStr

    from service.api.auth import Tokens
    from service.settings import Settings

    tokens = Tokens(Settings.load().but(token_secret=SecretStr("s" * 40)))
    return tokens.mint("tester", [uuid.uuid4()], scopes=("conversations:write",))


def test_pipelined_requests_are_answered_in_order_up_to_a_number(served: Served) -> None:
    few = served.answer(*[GET + b"\r\n"] * 5, CLOSING)
    assert statuses(few) == [200] * 6
    many = served.answer((GET + b"\r\n") * 5_000)
    assert set(statuses(many)) == {200}
    assert len(statuses(many)) <= limits.MAX_PIPELINED + 1
    assert b"connection: close" in many.rpartition(b"HTTP/1.1 200")[2]


def test_a_bad_request_behind_others_does_not_spoil_their_answers(served: Served) -> None:
    answers = served.answer((GET + b"\r\n") * 3 + b"nonsense\r\n\r\n")
    assert statuses(answers)[:3] == [200] * 3


@pytest.mark.parametrize("protocol", [b"h2c", b"websocket"])
def test_a_request_to_change_the_protocol_is_ignored(protocol: bytes, served: Served) -> None:
    upgrade = GET + b"Connection: Upgrade\r\nUpgrade: " + protocol + b"\r\n\r\n"
    assert statuses(served.answer(upgrade + CLOSING)) == [200, 200]
    assert statuses(served.answer(upgrade * 10 + CLOSING)) == [200] * 11


def test_others_are_answered_among_more_connections_than_the_server_holds(served: Served) -> None:
    crowd = [served.connect() for _ in range(100)]
    try:
        for connection in crowd:
            connection.sendall(b"GET /health")
        assert statuses(served.answer(CLOSING)) == [200]
    finally:
        for connection in crowd:
            connection.close()


@pytest.mark.slow
def test_the_connection_that_was_idle_the_longest_gives_way() -> None:
    """One that was used meanwhile is not that one, although it is older."""
    with serving(HEAD_SECONDS="600", CONNECTIONS="5") as one, ExitStack() as closing:
        used, *crowd = [closing.enter_context(one.connect()) for _ in range(5)]
        assert all(map(is_answered, (*crowd, used)))
        crowd += [closing.enter_context(one.connect()) for _ in range(2)]
        assert statuses(one.answer(CLOSING)) == [200]
        assert [connection.recv(1) for connection in crowd[:3]] == [b""] * 3
        assert all(map(is_answered, (used, *crowd[3:])))


def is_answered(connection: socket.socket) -> bool:
    connection.sendall(GET + b"\r\n")
    return is_live(connection)


def is_live(connection: socket.socket) -> bool:
    found = b""
    while not found.endswith(b'{"status":"live"}') and (more := connection.recv(65_536)):
        found += more
    return statuses(found) == [200]
