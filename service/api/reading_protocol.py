"""The part of the HTTP/1.1 protocol that watches whether the client reads its answers."""

from __future__ import annotations

import asyncio
from collections.abc import Hashable
from typing import ClassVar, cast

from uvicorn._types import ASGI3Application
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from service.api.tls_writer import TlsWriter
from service.api.unread_answers import Reader, Unread

WAITING_BYTES = 16_384  # in the write buffer of a connection; if there are more, they count as unread


class ReadingProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with limits on what a client leaves unread.

    While the client does not read an answer, its next request is not started. So a connection holds one answer at most.
    """

    unread: ClassVar[Unread]

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, object],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.caller: str | None = None  # of the last request that had a valid token
        self._postponed: tuple[RequestResponseCycle, ASGI3Application] | None = None  # until the client reads
        self._reader = Reader(self.unread)
        self._tls: TlsWriter | None = None

    @property
    def owner(self) -> Hashable:
        """Who leaves the bytes unread: the caller, or the client's address if it sent no valid token."""
        return self.caller or (self.client and self.client[0])

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        if self.scheme == "https":
            self._tls = TlsWriter(self.transport, self, high=WAITING_BYTES)
            self.transport = cast(asyncio.Transport, self._tls)
            self._tls.begin()
        else:
            self.transport.set_write_buffer_limits(high=WAITING_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        self._postponed = None
        self.client_has_read()
        super().connection_lost(exc)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        self._reader.renew()
        self.watch_the_end()

    def timeout_keep_alive_handler(self) -> None:
        super().timeout_keep_alive_handler()
        self.watch_the_end()

    def watch_the_end(self) -> None:
        """Limits the time for the rest of the last answer, however small: a connection sends it before it is closed."""
        if self.transport.is_closing() and self.transport.get_write_buffer_size():
            self._reader.begin(self)

    def pause_writing(self) -> None:
        """Called when the transport's buffer is full."""
        if self._tls is None:
            self.client_is_slow()

    def resume_writing(self) -> None:
        """Called when the transport's buffer is nearly empty."""
        if self._tls is None:
            self.client_has_read()
        else:
            self._tls.send_more()

    def client_is_slow(self) -> None:
        """Called when more than WAITING_BYTES wait; with TLS, again after each further write."""
        super().pause_writing()
        self._reader.begin(self)
        self._reader.grow()

    def client_has_read(self) -> None:
        """Called when the client has read most of the buffer. The buffer may hold 250 kB of a large answer."""
        self._reader.end()
        super().resume_writing()
        if self._postponed is not None:
            (cycle, app), self._postponed = self._postponed, None
            super()._start_asgi_task(cycle, app)

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: ASGI3Application) -> None:
        if self.flow.write_paused:
            self._postponed = (cycle, app)
        else:
            super()._start_asgi_task(cycle, app)
