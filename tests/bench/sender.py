"""A client that costs little, so that what is measured is the service: kept connections, and of an answer the status only."""

from __future__ import annotations

import asyncio
import re
from typing import cast
from urllib.parse import urlsplit

_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_END = b"\r\n\r\n"
FAILED = 0  # the status of a request without an answer


class _Connection(asyncio.Protocol):
    """One request at a time. `answered` gets the status."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self.is_open = True
        self._answered: asyncio.Future[int] | None = None
        self._head = b""
        self._missing = -1  # bytes of the body; -1 while the head is incomplete, -2 while a chunked body is

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's transports inherit from no class of asyncio

    def send(self, request: bytes) -> asyncio.Future[int]:
        assert self.transport is not None
        self._answered = asyncio.get_running_loop().create_future()
        self._head, self._missing = b"", -1
        self.transport.write(request)
        return self._answered

    def data_received(self, data: bytes) -> None:
        if self._missing == -1:
            self._head += data
            head, end, body = self._head.partition(_END)
            if not end:
                return
            length = _LENGTH.search(head)
            self._missing = int(length[1]) - len(body) if length else -2
            data = body
        elif self._missing > 0:
            self._missing -= len(data)
        if self._missing == 0 or (self._missing == -2 and data.endswith(b"0" + _END)):
            if b"\r\nconnection: close" in self._head.lower():
                self.close()
            self._answer(int(self._head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._answer(FAILED)

    def _answer(self, status: int) -> None:
        if self._answered is not None and not self._answered.done():
            self._answered.set_result(status)

    def close(self) -> None:
        self.is_open = False
        if self.transport is not None:
            self.transport.close()


class Sender:
    """Sends requests over as many connections as are needed at once."""

    def __init__(self, address: str) -> None:
        url = urlsplit(address)
        assert url.hostname is not None
        assert url.port is not None
        self._host, self._port = url.hostname, url.port
        self._free: list[_Connection] = []

    async def get(self, path: str, token: str) -> int:
        """The status of the answer once all of it is there; FAILED if none comes. Cancelling closes the connection."""
        try:
            connection = await self._connection()
        except OSError:
            return FAILED
        request = f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\nAuthorization: Bearer {token}\r\n\r\n"
        try:
            status = await connection.send(request.encode())
        except asyncio.CancelledError:
            connection.close()
            raise
        if connection.is_open:
            self._free.append(connection)
        return status

    async def _connection(self) -> _Connection:
        while self._free:
            if (kept := self._free.pop()).is_open:
                return kept
        _transport, made = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        return made

    def close(self) -> None:
        """Closes what no request uses."""
        for one in self._free:
            one.close()
        self._free.clear()
