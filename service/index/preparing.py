"""Turns lines into writes in other processes, because validating and deriving uses a whole processor."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import asynccontextmanager
from datetime import timedelta
from itertools import islice

from service.index.writer import Write, deletion_of, write_of
from service.sources import ndjson
from service.sources.ndjson import Line

CHUNK_LINES = 500
CHUNKS_AHEAD = 2  # of each process

Prepared = Write | Line
"""A write, or the line with the reason why there is none."""


def write_or_reason(line: Line, max_ahead: timedelta) -> Prepared:
    """Parses a line of `ndjson.texts`."""
    line = line if line.reason is not None else ndjson.parsed(line, max_ahead)
    if line.conversation is not None:
        return write_of(line.conversation)
    if (gone := line.deletion) is not None:
        return deletion_of(gone.organization_uid, gone.uid, gone.deleted_on)
    return line


@asynccontextmanager
async def in_processes(
    lines: Iterable[Line], *, workers: int, max_ahead: timedelta, reject: Callable[[Line], None]
) -> AsyncIterator[AsyncIterator[list[tuple[Line, Write]]]]:
    """Yields the writes of the lines in their order, some hundred at a time, and calls `reject` for the others.

    The processes end with the block, and also when this process is killed.
    """
    pool = ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn"), initializer=_begin)
    try:
        yield _pairs(lines, pool, workers * CHUNKS_AHEAD, max_ahead, reject)
    finally:
        pool.shutdown(cancel_futures=True)


async def _pairs(
    lines: Iterable[Line], pool: ProcessPoolExecutor, ahead: int, max_ahead: timedelta, reject: Callable[[Line], None]
) -> AsyncIterator[list[tuple[Line, Write]]]:
    rest = iter(lines)
    waiting: deque[tuple[list[Line], Future[list[Prepared]]]] = deque()
    while True:
        chunk = list(islice(rest, CHUNK_LINES))
        if chunk:
            waiting.append((chunk, pool.submit(_prepare, chunk, max_ahead)))
        if not waiting:
            return
        if chunk and len(waiting) < ahead:
            continue
        first, future = waiting.popleft()
        found: list[tuple[Line, Write]] = []
        done = await asyncio.wrap_future(future)
        for line, prepared in zip(first, done, strict=True):
            if isinstance(prepared, Write):
                found.append((line, prepared))
            else:
                reject(prepared)
        yield found


def _prepare(chunk: list[Line], max_ahead: timedelta) -> list[Prepared]:
    return [write_or_reason(line, max_ahead) for line in chunk]


def _begin() -> None:
    """In a new process: ctrl-C is for the first process, and the end of that is the end of this one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_first, daemon=True).start()


def _end_with_the_first() -> None:
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os._exit(1)
