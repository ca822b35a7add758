"""Accepts TLS connections. From the start of the handshake, they count as connections and have a time limit.

asyncio and uvloop make the protocol of a TLS connection only after the handshake, and wait for that up to a minute. So
clients that connect and begin no handshake could use up all descriptors of the process, and no limit would count them.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Collection
from contextlib import suppress

from service import telemetry
from service.api.http_protocol import BoundedProtocol

# The time for a client to read the last 80 kB, at the minimum speed of ConnectionLimits, and to end TLS.
END_SECONDS = 8.0
PAUSE_SECONDS = 1.0  # after a connection could not be accepted, such as because no descriptor was left
AT_ONCE = 20  # connections that are accepted before other tasks run
MOST_ENDING = 20  # handshakes that were ended and are not closed yet; while there are so many, nothing is accepted


class TlsListener:
    """Listens at sockets, in place of `loop.create_server`. `make` makes the protocol of a connection.

    `connections` are those of the server that have completed their handshake.
    """

    def __init__(
        self,
        sockets: Collection[socket.socket],
        make: Callable[[], BoundedProtocol],
        *,
        http: type[BoundedProtocol],
        context: ssl.SSLContext,
        connections: Collection[object],
    ) -> None:
        self._sockets = sockets
        self._make = make
        self._http = http
        self._context = context
        self._connections = connections
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[socket.socket, float] = {}  # those in their handshake, and when it began; the oldest first
        self._handshakes: set[asyncio.Task[None]] = set()  # also those that are being ended
        self._is_closed = False

    def start(self, *, backlog: int) -> None:
        for listener in self._sockets:
            listener.setblocking(False)
            listener.listen(backlog)
            self._listen(listener)

    def close(self) -> None:
        """Stops accepting, and ends the handshakes. Connections that have completed theirs stay."""
        self._is_closed = True
        for listener in self._sockets:
            self._loop.remove_reader(listener)
        while self._waiting:
            self._end_oldest()

    async def wait_closed(self) -> None:
        """Waits until all handshakes have ended."""
        await asyncio.gather(*self._handshakes)

    def _listen(self, listener: socket.socket) -> None:
        if not self._is_closed:
            self._loop.add_reader(listener, self._accept, listener)

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(AT_ONCE):
            if len(self._handshakes) - len(self._waiting) >= MOST_ENDING:
                return
            try:
                connection, _address = listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):  # another process may have taken it
                return
            except OSError:
                self._loop.remove_reader(listener)
                self._loop.call_later(PAUSE_SECONDS, self._listen, listener)
                return
            connection.setblocking(False)
            self._waiting[connection] = self._loop.time()
            handshake = self._loop.create_task(self._shake_hands(connection))
            self._handshakes.add(handshake)
            handshake.add_done_callback(self._handshakes.discard)
            self._make_room()

    def _make_room(self) -> None:
        """Above the limit, closes the connection that has been idle, or in its handshake, for longest."""
        count = len(self._connections) - len(self._http.closing) + len(self._waiting)
        if count <= self._http.limits.connections:
            return
        if not self._http.close_longest_idle(before=next(iter(self._waiting.values()))) and len(self._waiting) > 1:
            telemetry.refused.labels("connections", "idle").inc()
            self._end_oldest()

    async def _shake_hands(self, connection: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(
                self._make,
                connection,
                ssl=self._context,
                ssl_handshake_timeout=self._http.limits.head_seconds,
                ssl_shutdown_timeout=END_SECONDS,
            )
        except ConnectionAbortedError:  # the client was too slow
            telemetry.refused.labels("head_seconds", "own").inc()
        except OSError:  # also ssl.SSLError: the client does not speak TLS, or is gone
            pass
        finally:
            self._waiting.pop(connection, None)

    def _end_oldest(self) -> None:
        """Makes the oldest handshake fail at once."""
        connection = next(iter(self._waiting))
        del self._waiting[connection]
        with suppress(OSError):
            connection.shutdown(socket.SHUT_RDWR)
