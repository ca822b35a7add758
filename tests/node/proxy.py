"""An HTTP proxy between the service and its node, in threads, which can change the node's answers."""

from __future__ import annotations

import http.client
import socket
import socketserver
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from io import BufferedIOBase
from urllib.parse import urlsplit

from service.client.responses import kind_of


@dataclass(frozen=True)
class Call:
    """A request as it came from the service."""

    method: str
    path: str
    body: bytes

    @property
    def kind(self) -> str:
        """What is asked for, such as _search; see service.client.responses.kind_of."""
        return kind_of(self.path.partition("?")[0])


Send = Callable[[socket.socket, bytes, threading.Event], None]


@dataclass(frozen=True)
class Answer:
    """An answer on its way to the service, and how it is sent. `length` is what Content-Length says."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    send: Send | None = None

    def but(self, **changes: object) -> Answer:
        return replace(self, **changes)  # type: ignore[arg-type]

    @property
    def bytes(self) -> bytes:
        headers = {"content-type": "application/json", "connection": "close", **self.headers}
        if "transfer-encoding" not in headers:
            headers["content-length"] = str(len(self.body) if self.length is None else self.length)
        lines = [f"HTTP/1.1 {self.status} Answer", *(f"{name}: {value}" for name, value in headers.items())]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + self.body


Fault = Callable[[Call, Answer], Answer]


class Proxy:
    """Forwards to the node at `node_url`; use as a context manager. Each connection carries one call."""

    def __init__(self, node_url: str) -> None:
        self.move_to(node_url)
        self._fault: Fault | None = None
        self._kinds: frozenset[str] = frozenset()
        self._instead: Callable[[Call], Answer | None] = lambda _call: None
        self._ended = threading.Event()
        self.met = 0

    def __enter__(self) -> Proxy:
        serve = self._serve

        class Connection(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    serve(self.rfile, self.connection)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Connection)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._server.shutdown()
        self._server.server_close()  # waits for the threads of the connections
        self._thread.join(10)

    def move_to(self, node_url: str) -> None:
        """Forwards to this node from now on."""
        node = urlsplit(node_url)
        self._node = (node.hostname or "", node.port or 80)

    @contextmanager
    def faulty(self, fault: Fault, *kinds: str) -> Iterator[None]:
        """Applies `fault` to every answer to a call of these kinds, or to every answer. `met` counts these answers."""
        self._fault, self._kinds, self.met = fault, frozenset(kinds), 0
        try:
            yield
        finally:
            self._fault = None

    @contextmanager
    def answering(self, instead: Callable[[Call], Answer | None]) -> Iterator[None]:
        """Calls that `instead` has an answer for never reach the node."""
        before, self._instead = self._instead, instead
        try:
            yield
        finally:
            self._instead = before

    def _serve(self, reader: BufferedIOBase, connection: socket.socket) -> None:
        first = reader.readline().decode("latin-1").split(" ")
        if len(first) != 3:
            return  # a connection that was opened and not used
        headers = http.client.parse_headers(reader)
        call = Call(first[0], first[1], reader.read(int(headers.get("content-length", 0))))
        fault, answer = self._fault, self._instead(call) or self._ask(call, dict(headers))
        if fault is not None and (call.kind in self._kinds or not self._kinds):
            self.met += 1
            answer = fault(call, answer)
        if answer.send is None:
            connection.sendall(answer.bytes)
        else:
            answer.send(connection, answer.bytes, self._ended)

    def _ask(self, call: Call, headers: dict[str, str]) -> Answer:
        """The node's own answer."""
        node = http.client.HTTPConnection(*self._node, timeout=30)
        try:
            node.request(call.method, call.path, call.body or None, headers)
            answer = node.getresponse()
            length = int(answer.headers.get("content-length", 0)) if call.method == "HEAD" else None
            return Answer(answer.status, answer.read(), length=length)
        finally:
            node.close()


def reset(connection: socket.socket, _sent: bytes, _ended: threading.Event) -> None:
    """Resets the connection at once, before anything is sent."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def partly(share: float) -> Send:
    """Sends the first part of the answer and ends the connection."""
    return lambda connection, sent, _ended: connection.sendall(sent[: int(len(sent) * share)])


def exactly(data: bytes) -> Send:
    """Sends these bytes in place of an answer."""
    return lambda connection, _sent, _ended: connection.sendall(data)


def silent(connection: socket.socket, _sent: bytes, ended: threading.Event) -> None:
    """Never answers: until the service goes away, or the proxy ends."""
    connection.settimeout(0.1)
    while not ended.is_set():
        with suppress(TimeoutError):
            if not connection.recv(1):
                return


def head_only(connection: socket.socket, sent: bytes, ended: threading.Event) -> None:
    """Sends the headers, and then nothing more."""
    connection.sendall(sent.partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
    silent(connection, sent, ended)


def late(seconds: float) -> Send:
    """Sends the whole answer after `seconds`."""

    def send(connection: socket.socket, sent: bytes, ended: threading.Event) -> None:
        if not ended.wait(seconds):
            connection.sendall(sent)

    return send


def dripping(connection: socket.socket, sent: bytes, ended: threading.Event) -> None:
    """Sends a byte at a time, and never the last one."""
    for byte in sent[:-1]:
        connection.sendall(bytes([byte]))
        if ended.wait(0.1):
            return
