"""The parameters with which a worker starts, and how worker and supervisor notice that the other has ended."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from service.errors import Misconfigured

QUEUE = 2_048  # connections that wait to be accepted


class Shared(socket.socket):
    """A listening socket that all workers have. Each accepts a few connections at a time, so that all get some."""

    def listen(self, _backlog: int = QUEUE) -> None:
        """Lets QUEUE connections wait. asyncio's number is only how many a process accepts at once."""
        super().listen(QUEUE)


@dataclass(frozen=True, slots=True)
class Part:
    """A worker's part: one of `count`. It has inherited the descriptors; `folder` is common to all workers."""

    count: int
    control: int
    listeners: tuple[int, ...]
    folder: Path

    def text(self) -> str:
        """The value of the option with which the supervisor starts a worker."""
        return " ".join(map(str, (self.count, self.control, ",".join(map(str, self.listeners)), self.folder)))

    @classmethod
    def parse(cls, text: str) -> Part:
        """Raises Misconfigured unless `text` is one that `text()` returned."""
        try:
            count, control, listeners, folder = text.split(" ", 3)
            return cls(int(count), int(control), tuple(map(int, listeners.split(","))), Path(folder))
        except ValueError:
            raise Misconfigured("--as-worker is for the workers that `conversations serve --workers` starts") from None

    def sockets(self) -> list[socket.socket]:
        return [Shared(fileno=descriptor) for descriptor in self.listeners]

    def begin(self, orphaned: Callable[[], None]) -> None:
        """Tells the supervisor that this worker serves. Calls `orphaned` when the supervisor has ended."""
        control = socket.socket(fileno=self.control)
        control.setblocking(False)
        control.send(b"+")
        loop = asyncio.get_running_loop()

        def gone() -> None:
            loop.remove_reader(control)
            control.close()
            orphaned()

        loop.add_reader(control, gone)
