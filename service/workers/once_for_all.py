"""A cached text, which one of several processes makes and all of them use for some seconds."""

from __future__ import annotations

import asyncio
import fcntl
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LOOK_SECONDS = 0.02


class OnceForAll:
    """The text is in a file, with the time at which it was made. `clock` must be the same in all processes."""

    def __init__(self, file: Path, *, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._file = file
        self._seconds = seconds
        self._clock = clock

    async def text(self, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """The text if it is younger than `seconds`. Else one process makes a new one, and the others wait for it."""
        while (found := self._found()) is None:
            with self._mine() as is_mine:
                if is_mine:
                    return self._found() or await self._made(make)
            await asyncio.sleep(LOOK_SECONDS)
        return found

    def _found(self) -> bytes | None:
        try:
            made_at, _, text = self._file.read_bytes().partition(b"\n")
        except FileNotFoundError:
            return None
        return text if 0 <= self._clock() - float(made_at) <= self._seconds else None

    async def _made(self, make: Callable[[], Awaitable[bytes]]) -> bytes:
        text = await make()
        new = self._file.with_suffix(".new")  # only one process at a time is here
        new.write_bytes(f"{self._clock()}\n".encode() + text)
        new.replace(self._file)
        return text

    @contextmanager
    def _mine(self) -> Iterator[bool]:
        """Whether this process may make the text. If it dies, another one may."""
        with self._file.with_suffix(".lock").open("wb") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
            else:
                yield True
