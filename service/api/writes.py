"""Bulk writes over HTTP: parses NDJSON or a JSON array into upserts and deletions, and returns a result for each.

The version of a write is its `updated_on` or `deleted_on`, so late and duplicate deliveries are harmless. A request
that fails may have been written in part; it is safe to send all of it again.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from service.api import json_array
from service.api.response_models import WriteResult
from service.conversation import MAX_REASON_BYTES, Conversation, Tombstone, shortened
from service.errors import InvalidQuery, Problem, TooLarge
from service.index import writer as index_writer
from service.index.item_outcomes import Outcome
from service.index.writer import Write, Writer
from service.operations import deletion
from service.search.searcher import Searcher
from service.sources import lines
from service.times import MAX_AHEAD, check_not_ahead, format_time

MAX_LINES = 5_000
BATCH = 500
BATCH_BYTES = 250_000  # smaller than in a load, so that writes of other requests come between
STEP_SECONDS = 0.005
SEARCHED_BYTES = 250_000  # bytes of blank lines that are skipped in one step
REASONS_BYTES = 500_000  # bytes of all reasons in a response, which keeps it below about 1.5 MB
SHORT_REASON_BYTES = 100

_NOT_BLANK = re.compile(rb"\S")


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank. It has a `write`, or a `reason` why it was rejected.

    `uncovered` is its organization if the token does not cover that.
    """

    number: int
    uid: str | None
    write: Write | None
    reason: str | None = None
    uncovered: UUID | None = None


class Steps:
    """Yields to the event loop after every STEP_SECONDS of CPU work, so that other requests are served."""

    def __init__(self) -> None:
        self._until = time.monotonic() + STEP_SECONDS

    async def pause(self) -> None:
        if time.monotonic() >= self._until:
            for _round in range(2):  # in the first round, this task runs before tasks that became ready meanwhile
                await asyncio.sleep(0)
            self._until = time.monotonic() + STEP_SECONDS


async def parse_lines(
    body: bytes, organizations: frozenset[UUID], *, max_ahead: timedelta, is_json: bool = False
) -> list[Line]:
    """Parses each line of the body that is not blank. If `is_json` and the body is an array, parses each element.

    JSON that is not an array is read as NDJSON. Raises TooLarge for too many lines, and InvalidQuery for an array that
    is cut off, before any line is parsed.

    The work is done in steps, between which other requests are served. A thread would not help, because the parsers
    hold the interpreter's lock.
    """
    body = body.removeprefix(lines.BOM)
    steps = Steps()
    parsed: list[Line] = []
    for number, text in await (_elements if is_json and json_array.is_array(body) else _texts)(body, steps):
        found = _content(number, text, organizations, max_ahead)
        await steps.pause()
        parsed.append(found if isinstance(found, Line) else _line(number, found))
        await steps.pause()
    return parsed


async def _elements(body: bytes, steps: Steps) -> list[tuple[int, bytes]]:
    """The elements of a JSON array, numbered from 1."""
    return list(enumerate(await json_array.elements(body, MAX_LINES, steps.pause), 1))


async def _texts(body: bytes, steps: Steps) -> list[tuple[int, bytes]]:
    """The lines that are not blank, with their line numbers, from 1."""
    texts: list[tuple[int, bytes]] = []
    number, begin, at = 1, 0, 0
    while at < len(body):
        match = _NOT_BLANK.search(body, at, at + SEARCHED_BYTES)
        if match is None:
            at += SEARCHED_BYTES
        elif len(texts) == MAX_LINES:
            raise TooLarge(
                f"a request may have at most {MAX_LINES:,} lines, this one has {_count(body):,}: send it in parts"
            )
        else:
            number += body.count(b"\n", begin, match.start())
            begin = max(begin, body.rfind(b"\n", begin, match.start()) + 1)
            at = body.find(b"\n", match.start())
            at = len(body) if at < 0 else at
            texts.append((number, body[begin:at].rstrip(b"\r")))
            begin = at
        await steps.pause()
    return texts


def _count(body: bytes) -> int:
    """The number of lines, including blank ones, because finding these would slow the refusal down."""
    return body.count(b"\n") + (not body.endswith(b"\n"))


def _content(
    number: int, text: bytes, organizations: frozenset[UUID], max_ahead: timedelta
) -> Conversation | Tombstone | Line:
    """What the line holds, or the reason why it is not taken."""
    try:
        content = lines.parse(text, max_ahead=max_ahead)
    except lines.InvalidLine as error:
        return Line(number, error.uid, None, str(error))
    if content.organization_uid not in organizations:
        reason = "the token does not cover this organization"
        return Line(number, str(content.uid), None, reason, uncovered=content.organization_uid)
    return content


def _line(number: int, content: Conversation | Tombstone) -> Line:
    if isinstance(content, Tombstone):
        write = index_writer.deletion_of(content.organization_uid, content.uid, content.deleted_on)
    else:
        write = index_writer.write_of(content)
    return Line(number, str(content.uid), write)


def _batches(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Batches of at most BATCH writes. A batch ends once it has BATCH_BYTES.

    This keeps each request to OpenSearch small and quick to build.
    """
    batch: list[Write] = []
    size = 0
    for write in writes:
        batch.append(write)
        size += len(write.source)
        if len(batch) >= BATCH or size >= BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if batch:
        yield batch


class Writes:
    """The write operations of the API."""

    def __init__(self, writer: Writer, searcher: Searcher, *, max_ahead: timedelta = MAX_AHEAD) -> None:
        self._writer = writer
        self._searcher = searcher
        self.max_ahead = max_ahead

    async def write(self, parsed: Sequence[Line], *, refresh: str = "false") -> list[WriteResult]:
        """Writes the lines and returns the result of each, in order. Raises PushedBack and WriteFailed."""
        results: list[index_writer.Result] = []
        for batch in _batches([line.write for line in parsed if line.write is not None]):
            results += await self._writer.write(batch, refresh=refresh)
        return await _outcomes(parsed, results)

    async def delete(
        self, organization_uid: UUID, uid: UUID, *, deleted_on: datetime | None = None, refresh: str = "false"
    ) -> Outcome:
        """Deletes the conversation as of `deleted_on`, or its current version if that is None. Returns the outcome.

        Raises NotFound if there is no such conversation, and InvalidQuery if `deleted_on` is too far in the future.
        """
        if deleted_on is not None:
            self._check(deleted_on)
        return await deletion.delete(
            self._writer, self._searcher, organization_uid, uid, deleted_on=deleted_on, refresh=refresh
        )

    def _check(self, deleted_on: datetime) -> None:
        try:
            check_not_ahead(deleted_on, self.max_ahead)
        except ValueError as error:
            raise InvalidQuery([Problem("deleted_on", str(error), format_time(deleted_on))]) from None


async def _outcomes(parsed: Sequence[Line], results: Sequence[index_writer.Result]) -> list[WriteResult]:
    """The result of each line. Once all reasons together have REASONS_BYTES, further ones are cut short."""
    steps = Steps()
    done = iter(results)
    outcomes: list[WriteResult] = []
    left = REASONS_BYTES
    for line in parsed:
        result = next(done) if line.write is not None else index_writer.Result("rejected", line.reason)
        outcome = WriteResult(line=line.number, uid=line.uid, outcome=result.outcome)
        if result.reason:
            outcome.reason = shortened(result.reason, MAX_REASON_BYTES if left > 0 else SHORT_REASON_BYTES)
            left -= len(outcome.reason.encode("utf-8", "replace"))
        outcomes.append(outcome)
        await steps.pause()
    return outcomes
