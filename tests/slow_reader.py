"""A client that reads slowly, in virtual time, and the protocol that watches it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import uvicorn
from uvicorn.server import ServerState

from service.api.http_protocol import BoundedProtocol, ConnectionLimits, bounded


class Reader:
    """A client that reads `speed` bytes a second of what is written to it."""

    def __init__(self, speed: float) -> None:
        self.speed = speed
        self.size, self.since = 0.0, 0.0
        self.is_gone = False

    def write(self, size: int) -> None:
        self.size, self.since = self.get_write_buffer_size() + size, asyncio.get_running_loop().time()

    def get_write_buffer_size(self) -> float:
        return max(0.0, self.size - self.speed * (asyncio.get_running_loop().time() - self.since))

    def abort(self) -> None:
        self.is_gone = True

    def resume_reading(self) -> None:
        pass


def made(speed: float) -> tuple[BoundedProtocol, Reader]:
    loop = asyncio.get_running_loop()
    config = uvicorn.Config(cast(Any, SimpleNamespace()), log_config=None, http=bounded(ConnectionLimits()), ws="none")
    config.load()
    protocol = bounded(ConnectionLimits())(config, ServerState(), {}, loop)
    reader = Reader(speed)
    protocol.transport = cast(Any, reader)
    protocol.flow = cast(Any, SimpleNamespace(pause_writing=lambda: None, resume_writing=lambda: None))
    return protocol, reader


async def assert_cut_off_after_30_seconds(reader: Reader) -> None:
    await asyncio.sleep(29)
    assert not reader.is_gone
    await asyncio.sleep(2)
    assert reader.is_gone
