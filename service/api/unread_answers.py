"""Limits answers that clients leave unread: how long each client may take, and how many bytes all of them may leave.

The bytes that a client does not read stay in the write buffer of its connection. One buffer is small, but the buffers
of thousands of connections could fill the memory.
"""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from collections.abc import Hashable
from typing import Protocol

import structlog

from service import telemetry

MOMENT_SECONDS = 0.01  # with so little patience left, no further timer is set: the connection is closed
KEPT = 0.75  # of the limit: beyond the limit, connections are closed until at most this much is unread
LOG_SECONDS = 10.0  # between two lines of the log
LIMIT = "unread_bytes"  # in the metrics

logger = structlog.get_logger("conversations.connections")


class Unread:
    """The unread bytes of all connections of a server. Beyond the limit, it closes connections until there is room.

    It always takes the caller with the most unread bytes, and closes its connection with the least patience. The
    patience is the number of seconds for which a client may still leave its answer unread.
    """

    def __init__(self, limit: int, *, seconds: float, speed: int) -> None:
        """A client may leave an answer unread for `seconds`, and gets a second back for each `speed` bytes it reads."""
        self.limit = limit
        self.seconds = seconds
        self.speed = speed
        self.held = 0
        self._sizes: dict[Reader, int] = {}
        self._is_due = False
        self._closed, self._closed_bytes, self._logged_at = 0, 0, -LOG_SECONDS
        self._shows_held = telemetry.limit_in_use.labels(LIMIT)
        telemetry.limit_size.labels(LIMIT).set(limit)
        telemetry.refuses(LIMIT)

    def add(self, reader: Reader, size: int) -> None:
        """Sets the number of unread bytes of a connection. If all connections have too many, makes room soon."""
        self._count(reader, size)
        if self.held > self.limit and not self._is_due:
            self._is_due = True
            asyncio.get_running_loop().call_soon(self._make_room)  # not now, in the middle of a write

    def remove(self, reader: Reader) -> None:
        if reader in self._sizes:
            self._count(reader, 0)

    def _count(self, reader: Reader, size: int) -> None:
        self.held += size - self._sizes.pop(reader, 0)
        if size:
            self._sizes[reader] = size
        self._shows_held.set(self.held)

    def _make_room(self) -> None:
        self._is_due = False
        for reader in [*self._sizes]:
            self._count(reader, reader.look())  # clients may have read meanwhile
        if self.held <= self.limit:
            return
        readers: dict[Hashable, list[Reader]] = defaultdict(list)
        held: dict[Hashable, int] = defaultdict(int)
        for reader in sorted(self._sizes, key=lambda one: one.patience, reverse=True):
            owner = reader.owner()
            readers[owner].append(reader)
            held[owner] += self._sizes[reader]
        by_size = [(-size, number, owner) for number, (owner, size) in enumerate(held.items())]
        heapq.heapify(by_size)
        while self.held > self.limit * KEPT:
            size, number, owner = heapq.heappop(by_size)
            reader = readers[owner].pop()
            freed = self._sizes[reader]
            telemetry.refused.labels(LIMIT, "own" if -size > self.limit / 2 else "all").inc()
            self._closed, self._closed_bytes = self._closed + 1, self._closed_bytes + freed
            self.remove(reader)
            reader.cut_off()
            if readers[owner]:
                heapq.heappush(by_size, (size + freed, number, owner))
        self._log()

    def _log(self) -> None:
        now = asyncio.get_running_loop().time()
        if now - self._logged_at >= LOG_SECONDS:
            logger.warning("unread_answers_closed", connections=self._closed, bytes=self._closed_bytes)
            self._closed, self._closed_bytes, self._logged_at = 0, 0, now


class Connection(Protocol):
    """The part of a connection that is needed here. `owner` is the caller, or the address if there is none."""

    transport: asyncio.Transport

    @property
    def owner(self) -> Hashable: ...


class Reader:
    """Measures how fast the client of one connection reads. Between `begin` and `end`, bytes wait for the client."""

    def __init__(self, unread: Unread) -> None:
        self.patience = unread.seconds
        self._unread = unread
        self._connection: Connection | None = None
        self._looked = (0.0, 0)  # when the buffer was looked at, and the bytes in it
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, connection: Connection) -> None:
        """Called when bytes wait for a client that does not read."""
        if self._connection is None:
            self._connection = connection
            self._looked = (asyncio.get_running_loop().time(), self._size())
            self._start_timer()
            self._unread.add(self, self._looked[1])

    def grow(self) -> None:
        """Called after a further write."""
        if self._connection is not None:
            self._looked = (self._looked[0], self._size())
            self._unread.add(self, self._looked[1])

    def end(self) -> None:
        """Called when the client has read most of the bytes, or has gone."""
        if self._connection is not None:
            self.look()
            self._connection = None
            self._unread.remove(self)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def renew(self) -> None:
        """Gives the client all of its patience for the next answer."""
        self.patience = self._unread.seconds

    def look(self) -> int:
        """The unread bytes. Time since the last look reduces the patience, and bytes read since then increase it."""
        since, before = self._looked
        self._looked = (asyncio.get_running_loop().time(), self._size())
        earned = (before - self._looked[1]) / self._unread.speed
        left = self.patience - (self._looked[0] - since) + earned
        self.patience = max(0.0, min(self._unread.seconds, left))
        return self._looked[1]

    def owner(self) -> Hashable:
        return None if self._connection is None else self._connection.owner

    def cut_off(self) -> None:
        if self._connection is not None:
            self._connection.transport.abort()

    def _size(self) -> int:
        return 0 if self._connection is None else self._connection.transport.get_write_buffer_size()

    def _start_timer(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(self.patience, self._time_is_up)

    def _time_is_up(self) -> None:
        self.look()
        if self.patience > MOMENT_SECONDS:
            self._start_timer()
        else:
            telemetry.refused.labels("unread_seconds", "own").inc()
            self.cut_off()
