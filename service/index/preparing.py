"""Turns lines into writes in other processes, because validating and deriving takes a whole processor core."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import asynccontextmanager
from datetime import timedelta
from functools import partial
from itertools import islice

from service import processes
from service.index.writer import Write, deletion_of, write_of
from service.processes import Worker
from service.sources import ndjson
from service.sources.ndjson import Line

CHUNK_LINES = 500

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
    """Yields the writes of the lines in their order, up to CHUNK_LINES at a time. Calls `reject` for the other lines.

    The processes end with the block, and also when this process is killed.
    """
    with processes.started(partial(_prepare, max_ahead=max_ahead), workers) as others:
        yield _pairs(lines, others, reject)


async def _pairs(
    lines: Iterable[Line], others: Sequence[Worker[list[Line], list[Prepared]]], reject: Callable[[Line], None]
) -> AsyncIterator[list[tuple[Line, Write]]]:
    for chunk, worker in processes.handed_out(others, _chunks(lines)):
        found: list[tuple[Line, Write]] = []
        done = await asyncio.to_thread(worker.result)
        for line, prepared in zip(chunk, done, strict=True):
            if isinstance(prepared, Write):
                found.append((line, prepared))
            else:
                reject(prepared)
        yield found


def _chunks(lines: Iterable[Line]) -> Iterator[list[Line]]:
    rest = iter(lines)
    while chunk := list(islice(rest, CHUNK_LINES)):
        yield chunk


def _prepare(chunk: list[Line], max_ahead: timedelta) -> list[Prepared]:
    return [write_or_reason(line, max_ahead) for line in chunk]
