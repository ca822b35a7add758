"""The HTTP/1.1 protocol of the server: uvicorn's httptools protocol with limits on bytes, connections and time.

uvicorn limits neither the size of the request line and headers nor the time that a client may take to send them. These
limits must hold before a token is verified. A request over a limit gets an error response in the API's format, if one
can still be sent, and the connection is closed.
"""

from __future__ import annotations

import asyncio
import math
import socket
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.server import ServerState

from service import telemetry
from service.api import responses
from service.api.limits import ON_CALLER_KNOWN
from service.api.reading_protocol import ReadingProtocol
from service.api.unread_answers import Unread
from service.limit_settings import LimitSettings, body_time

MAX_HEADERS = 100  # like Apache's LimitRequestFields
MAX_FRAMING_BYTES = 65_536  # which chunk sizes and extensions may add to the body itself
MAX_PIPELINED = 16  # requests that may wait on one connection while an earlier one is answered
UNREAD_BODY_SECONDS = 5.0  # for which a body that no handler reads is discarded; then the connection is closed
BODY_GRACE_SECONDS = 10.0  # added to the time for a body, so that the middleware Deadline can refuse it first
KEEP_ALIVE_SECONDS = 75  # longer than the idle timeouts of common load balancers, so that these close first
UNSENT_BYTES = 65_536  # in the kernel. By default, it buffers megabytes, so a slow reader would seem not to read
SLICE_BYTES = 65_536  # of received data, after which the limits are checked
MOST_CLOSING = 100  # connections that may send the rest of their answers; further ones are closed at once


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """What one connection may do, and how many there may be. The times are in seconds.

    `head_bytes` limits the request line, all headers and trailers. `head_seconds` is from the connection, or the first
    byte of a later request, to the end of the headers; `body_seconds` from there to the end of the body, which must
    keep a minimum speed (`body_time`). A client may leave an answer unread for `unread_seconds`, and gets one second
    back for each `read_speed` bytes that it reads. All connections together may have `unread_bytes` unread bytes.
    """

    connections: int = 3_000
    head_bytes: int = 65_536
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    unread_seconds: float = 30.0
    read_speed: int = 20_000
    unread_bytes: int = 64_000_000

    @classmethod
    def of(cls, settings: LimitSettings) -> ConnectionLimits:
        return cls(**{name: getattr(settings, name) for name in cls.__slots__})

    def refusal(self, status: int) -> tuple[str, str]:
        """The code and the message of an error."""
        code, message = _REFUSALS[status]
        return code, message.format(limits=self, headers=MAX_HEADERS)


_REFUSALS: dict[int, tuple[str, str]] = {
    400: ("bad_request", "the request is not valid HTTP/1.1"),
    408: ("request_timeout", "the request line and headers must arrive within {limits.head_seconds:g} seconds"),
    414: ("uri_too_long", "the request line must have at most {limits.head_bytes:,} bytes"),
    431: (
        "headers_too_large",
        "the request line and headers must have at most {limits.head_bytes:,} bytes and {headers} headers",
    ),
    501: (
        "not_implemented",
        "a body must be sent with Content-Length or Transfer-Encoding: chunked, without any other transfer coding and "
        "without the header Upgrade",
    ),
    503: (
        "too_many_connections",
        "the server allows at most {limits.connections:,} connections: try again shortly",
    ),
}
_LIMIT_OF = {408: "head_seconds", 414: "head_bytes", 431: "head_bytes", 503: "connections"}  # in the metrics


class _Refused(Exception):
    """Raised in a callback to stop the parser."""


class BoundedProtocol(ReadingProtocol):
    """One connection. For `uvicorn.Config(http=bounded(limits), ws="none")`.

    All connections share two collections: `idle` has those without a running request, the longest idle first, and
    `closing` those that are being closed. So making room takes constant time, even with thousands of connections.
    A connection also counts as idle while its only request waits for its body, unless that request has a valid token.
    It also counts as idle while its requests wait for the client to read, unless one of them had a valid token.
    """

    limits: ClassVar[ConnectionLimits] = ConnectionLimits()
    idle: ClassVar[dict[BoundedProtocol, float]] = {}  # since when
    closing: ClassVar[set[BoundedProtocol]] = set()

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._head_bytes = 0  # of the current message: its request line, headers and trailers
        self._raw_bytes = 0  # received since the current head or body began
        self._body_bytes = 0
        self._body_since = 0.0
        self._in_body = False  # between the end of the headers and the end of the message
        self._is_over = False  # no further request is read from this connection
        self._refusal = 400
        self._timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if (connection := transport.get_extra_info("socket")) is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
        if self._has_room():
            self.idle.setdefault(self, self.loop.time())
            self._start_timer(self.limits.head_seconds, self._head_timed_out)
        else:
            self._refuse(503)

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave_idle()
        self.closing.discard(self)
        self._stop_timer()
        super().connection_lost(exc)
        self.pipeline.clear()
        self._forget()

    def _forget(self) -> None:
        """Removes references to this object. Otherwise, its buffers would stay until a garbage collection."""
        if self.scope is not None:
            self.scope["state"].pop(ON_CALLER_KNOWN, None)
        if self.cycle is not None:
            self.cycle.on_response = lambda: None

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        if len(data) <= SLICE_BYTES:
            self._feed(data)
            return
        for start in range(0, len(data), SLICE_BYTES):
            self._feed(data[start : start + SLICE_BYTES])

    def _feed(self, data: bytes) -> None:
        if self._is_over or self.parser is None or self.transport.is_closing():
            return
        self._raw_bytes += len(data)
        try:
            self._parse(data)
        except httptools.HttpParserError:
            self._refuse(self._refusal)
        else:
            self._check_incomplete()

    def _parse(self, data: bytes) -> None:
        """Parses received bytes. An Upgrade header is ignored (RFC 9110, 7.8): the connection stays HTTP/1.1."""
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = data[upgrade.args[0] or len(data) :]
            else:
                return

    def _check_incomplete(self) -> None:
        """Applies the limits to a request that is not complete yet: its bytes so far and its time."""
        if self._in_body:
            if self._raw_bytes > 2 * self._body_bytes + MAX_FRAMING_BYTES:
                self._refuse(400)
            elif self._timer is None:
                self._start_timer(self._body_seconds(), self._body_timed_out)
        elif self._raw_bytes > self.limits.head_bytes:
            self._refuse(431)
        elif self._timer is None and self.is_idle:
            self._start_timer(self.limits.head_seconds, self._head_timed_out)

    # Callbacks of the parser. An exception in one stops the parser, which then raises HttpParserError.

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise _Refused
        super().on_message_begin()
        self._head_bytes = self._raw_bytes = self._body_bytes = 0

    def on_url(self, url: bytes) -> None:
        self._count(len(url), refusal=414)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value) + len(b": \r\n"), refusal=431)
        if self._in_body:
            return  # a trailer: the service reads none, and it must not be mistaken for a header
        if len(self.headers) >= MAX_HEADERS:
            self._refusal = 431
            raise _Refused
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if not self._is_body_readable():
            self._refusal = 501
            raise _Refused
        if not self._has_one_host():
            raise _Refused
        super().on_headers_complete()
        self._stop_timer()
        self._in_body, self._raw_bytes, self._body_since = True, 0, self.loop.time()
        self.scope["state"][ON_CALLER_KNOWN] = self._token_was_valid
        self._leave_idle()
        self._join_idle()

    def _is_body_readable(self) -> bool:
        """Whether the parser can read the body. It skips a body after Upgrade, and decodes only the coding chunked."""
        codings = [value.strip().lower() for name, value in self.headers if name == b"transfer-encoding"]
        lengths = [value.strip(b" \t0") for name, value in self.headers if name == b"content-length"]
        has_body = bool(codings) or any(lengths)
        return codings in ([], [b"chunked"]) and not (has_body and self.parser.should_upgrade())

    def _has_one_host(self) -> bool:
        """Whether there is one Host header, or none before HTTP/1.1 (RFC 9112, 3.2)."""
        count = sum(name == b"host" for name, _value in self.headers)
        return count == 1 or (count == 0 and self.parser.get_http_version() in ("0.9", "1.0"))

    def on_body(self, body: bytes) -> None:
        self._body_bytes += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._stop_timer()
        self._in_body, self._raw_bytes = False, 0
        super().on_message_complete()
        self._leave_idle_if_busy()

    def client_is_slow(self) -> None:
        super().client_is_slow()
        if not self.is_idle:
            self._join_idle()

    def client_has_read(self) -> None:
        super().client_has_read()  # may start the request that was postponed
        self._leave_idle_if_busy()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._join_idle()
        if not self._in_body or not self.is_idle:
            return
        self._stop_timer()
        if self.expect_100_continue and not self._body_bytes:
            self._close()  # the next bytes may be the body or a new request (RFC 9110, 10.1.1)
        else:
            self._start_timer(UNREAD_BODY_SECONDS, self._close)

    def _count(self, size: int, *, refusal: int) -> None:
        self._head_bytes += size
        if self._head_bytes > self.limits.head_bytes:
            self._refusal = refusal
            raise _Refused

    # Connections

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    @property
    def _counts_as_idle(self) -> bool:
        """Whether no request runs, the only one waits for its body, or a client without a valid token does not read."""
        if self.is_idle or (self._in_body and not self.pipeline):
            return True
        return self.flow.write_paused and self.caller is None

    def _join_idle(self) -> None:
        if self._counts_as_idle and not self.transport.is_closing():
            self.idle.setdefault(self, self.loop.time())

    def _leave_idle_if_busy(self) -> None:
        if not self._counts_as_idle:
            self._leave_idle()

    def _leave_idle(self) -> None:
        self.idle.pop(self, None)

    def _token_was_valid(self, caller: str) -> None:
        """Called when the token of the current request was found to be valid. `caller` identifies its caller."""
        self.caller = caller
        self._leave_idle()

    def announce_end(self) -> None:
        """Makes the current answer say that the connection will be closed after it."""
        if not self.is_idle:
            self.cycle.keep_alive = False

    def _has_room(self) -> bool:
        """Whether this connection may stay. At the limit, the longest idle connection is closed to make room."""
        if len(self.connections) - len(self.closing) <= self.limits.connections:
            return True
        return self.close_longest_idle()

    @classmethod
    def close_longest_idle(cls, *, before: float = math.inf) -> bool:
        """Closes the longest idle connection if it was idle before that time. Returns whether there was one."""
        connection, since = next(iter(cls.idle.items()), (None, math.inf))
        if connection is None or since > before:
            return False
        telemetry.refused.labels("connections", "idle").inc()
        connection._close(at_once=len(cls.closing) >= MOST_CLOSING)
        return True

    def _refuse(self, status: int) -> None:
        """Sends the error response for the request that exceeded a limit, and closes the connection.

        If earlier requests of the connection are still being answered, it is closed after their responses, and the
        error response is not sent.
        """
        self._is_over = True
        telemetry.refused.labels(_LIMIT_OF.get(status, "http"), "all" if status == 503 else "own").inc()
        if self._in_body and (self.is_idle or self.pipeline):
            self._close()
        elif self.is_idle or (self._in_body and not self.cycle.response_started):
            self.transport.write(_refusal(status, self.limits))
            self._close()
        else:
            self.cycle.keep_alive = False

    def _head_timed_out(self) -> None:
        if self._raw_bytes or self._head_bytes:
            self._refuse(408)
        else:
            self._close()

    def _body_seconds(self) -> float:
        """The seconds until the connection is closed, unless the body is complete before."""
        most = body_time(self.limits.body_seconds, self._body_bytes) + BODY_GRACE_SECONDS
        return self._body_since + most - self.loop.time()

    def _body_timed_out(self) -> None:
        if (left := self._body_seconds()) > 0:
            self._start_timer(left, self._body_timed_out)
        else:
            self._close()

    def _close(self, *, at_once: bool = False) -> None:
        self._leave_idle()
        if not self.transport.is_closing():
            self.closing.add(self)
            self._postponed = None  # its answer could not be sent
            self.transport.close()
            self.watch_the_end()
        if at_once:
            self.transport.abort()

    def _start_timer(self, seconds: float, then: Callable[[], None]) -> None:
        self._timer = self.loop.call_later(seconds, then)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded(limits: ConnectionLimits) -> type[BoundedProtocol]:
    """The protocol of one server with these limits."""
    unread = Unread(limits.unread_bytes, seconds=limits.unread_seconds, speed=limits.read_speed)
    shared = {"limits": limits, "idle": {}, "closing": set(), "unread": unread}
    return type("BoundedProtocol", (BoundedProtocol,), shared)


def _refusal(status: int, limits: ConnectionLimits) -> bytes:
    code, message = limits.refusal(status)
    request_id = uuid.uuid4().hex
    body = responses.error(code, message, request_id, [])
    headers = [
        "content-type: application/json",
        f"content-length: {len(body)}",
        f"x-request-id: {request_id}",
        "x-content-type-options: nosniff",
        "cache-control: no-store",
        "connection: close",
        *(["retry-after: 1"] if status == 503 else []),
    ]
    return STATUS_LINE[status] + "\r\n".join([*headers, "", ""]).encode() + body
