"""Buffers what is written to a TLS connection until the client has read what was written before."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

SLICE_BYTES = 16_384  # given to TLS at once


class Waiter(Protocol):
    """The protocol of the connection. It is called when too many bytes wait, and when most of them have been sent."""

    def client_is_slow(self) -> None: ...
    def client_has_read(self) -> None: ...


class TlsWriter:
    """The transport of a TLS connection, in place of asyncio's own.

    asyncio's transport passes all of its bytes to the layer below as soon as that has a little room. No limit counts
    them there. So this class gives it the next slice only when it holds none. The layer below then holds about 80 kB at
    most.

    The close of asyncio's transport has a time limit, whether the client reads or not. So it begins when no bytes wait.
    """

    def __init__(self, transport: asyncio.Transport, waiter: Waiter, *, high: int) -> None:
        """With more than `high` waiting bytes, the client is slow, until at most a quarter of `high` waits."""
        self._transport = transport
        self._waiter = waiter
        self._high, self._low = high, high // 4
        self._slices: deque[bytes] = deque()
        self._size = 0
        self._is_slow = False
        self._is_ending = False

    def begin(self) -> None:
        """Makes asyncio's transport call `resume_writing` when its buffer becomes empty. That calls `send_more`."""
        self._transport.set_write_buffer_limits(high=1, low=0)

    def write(self, data: bytes) -> None:
        if self._is_ending:
            return
        for start in range(0, len(data), SLICE_BYTES):
            self._slices.append(data[start : start + SLICE_BYTES])
        self._size += len(data)
        self.send_more()
        if self.get_write_buffer_size() > self._high:
            self._is_slow = True
            self._waiter.client_is_slow()

    def send_more(self) -> None:
        """Writes the next slices while asyncio's transport holds none. Called after each write and each slice."""
        while self._slices and not self._transport.get_write_buffer_size():
            data = self._slices.popleft()
            self._size -= len(data)
            self._transport.write(data)
        if self._is_slow and self.get_write_buffer_size() <= self._low:
            self._is_slow = False
            self._waiter.client_has_read()
        if self._is_ending and not self.get_write_buffer_size():
            self._transport.close()

    def get_write_buffer_size(self) -> int:
        return self._size + self._transport.get_write_buffer_size()

    def close(self) -> None:
        self._is_ending = True
        self.send_more()

    def abort(self) -> None:
        self._slices.clear()
        self._size = 0
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._is_ending or self._transport.is_closing()

    def __getattr__(self, name: str) -> object:
        return getattr(self._transport, name)
