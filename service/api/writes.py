"""Writes over HTTP: lines of NDJSON -> upserts and deletions, and what became of each line, in order.

The version is `updated_on`, or `deleted_on`: late and duplicate deliveries are harmless. A request that is answered
with an error may have been written in part; to send all of it again is right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from pydantic import ValidationError

from service.conversation import Conversation, Tombstone, parse_time, reason
from service.errors import TooBusy, TooLarge
from service.index import bulk
from service.index.bulk import Write, Writer
from service.search.searcher import Searcher

WRITE_SCOPE = "conversations:write"
MAX_BODY_BYTES = 10_000_000
MAX_LINES = 5_000
OUTCOMES = ("written", "unchanged", "rejected")
DELETE_ATTEMPTS = 5
BATCH = 500


@dataclass(frozen=True, slots=True)
class Line:
    """One line that is not blank: what it writes, or why it writes nothing."""

    number: int
    uid: str | None
    write: Write | None
    reason: str | None = None


def parse_lines(body: bytes, organizations: frozenset[UUID]) -> list[Line]:
    """Each line of the body. Raises TooLarge where there are too many."""
    texts = [(number, text) for number, text in enumerate(body.split(b"\n"), start=1) if text.strip()]
    if len(texts) > MAX_LINES:
        raise TooLarge(f"a request may have at most {MAX_LINES:,} lines, this one has {len(texts):,}: send it in parts")
    return [_line(number, text, organizations) for number, text in texts]


def _line(number: int, text: bytes, organizations: frozenset[UUID]) -> Line:
    kind = Tombstone if b'"deleted_on"' in text and b'"updated_on"' not in text else Conversation
    try:
        found = kind.model_validate_json(text)
    except ValidationError as error:
        return Line(number, _uid(text), None, reason(error))
    if found.organization_uid not in organizations:
        return Line(number, str(found.uid), None, "the token does not cover this organization")
    if isinstance(found, Tombstone):
        return Line(number, str(found.uid), bulk.deletion_of(found.organization_uid, found.uid, found.deleted_on))
    return Line(number, str(found.uid), bulk.write_of(found))


def _uid(text: bytes) -> str | None:
    """The uid of a line that is wrong otherwise, so that the answer can name it."""
    try:
        found = msgspec.json.decode(text, type=_Named).uid
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    return found[:100] if found is not None else None


class _Named(msgspec.Struct):
    uid: str | None = None


class Writes:
    """Writes for callers: what the handlers use of the index."""

    def __init__(self, writer: Writer, searcher: Searcher) -> None:
        self._writer = writer
        self._searcher = searcher

    async def write(self, lines: Sequence[Line], *, refresh: str = "false") -> list[dict[str, Any]]:
        """What became of each line, in order. Raises PushedBack, WriteFailed."""
        writes = [line.write for line in lines if line.write is not None]
        results = []
        for start in range(0, len(writes), BATCH):
            results += await self._writer.write(writes[start : start + BATCH], refresh=refresh)
        done = iter(results)
        return [self._result(line, next(done) if line.write is not None else None) for line in lines]

    @staticmethod
    def _result(line: Line, result: bulk.Result | None) -> dict[str, Any]:
        outcome = result.outcome if result is not None else "rejected"
        reason = result.reason if result is not None else line.reason
        return {"line": line.number, "uid": line.uid, "outcome": outcome, **({"reason": reason} if reason else {})}

    async def delete(
        self, organization_uid: UUID, uid: UUID, *, deleted_on: datetime | None = None, refresh: str = "false"
    ) -> str:
        """Deletes as of `deleted_on`; without it, whatever is there now. Raises NotFound where nothing is."""
        for _attempt in range(DELETE_ATTEMPTS):
            when = deleted_on or await self._now_or_later(organization_uid, uid)
            result, *_ = await self._writer.write([bulk.deletion_of(organization_uid, uid, when)], refresh=refresh)
            if result.outcome == "written" or deleted_on is not None:
                return result.outcome
        raise TooBusy("the conversation is being written all the while: try again")

    async def _now_or_later(self, organization_uid: UUID, uid: UUID) -> datetime:
        """Now, or a millisecond after the conversation's own time where that lies ahead."""
        there = msgspec.json.decode(await self._searcher.one(organization_uid, uid))
        return max(parse_time(datetime.now(UTC)), parse_time(there["updated_on"]) + timedelta(milliseconds=1))
