"""Deletes one conversation at a version that wins: now, or just after the conversation's own time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from service.errors import TooBusy
from service.index.writer import Writer, deletion_of
from service.search.searcher import Searcher
from service.times import LAST, parse_time

ATTEMPTS = 5


async def delete(
    writer: Writer,
    searcher: Searcher,
    organization_uid: UUID,
    uid: UUID,
    *,
    deleted_on: datetime | None = None,
    refresh: str = "false",
) -> str:
    """The outcome: written, or unchanged. Deletes as of `deleted_on`; without it, whatever is there now.

    Raises NotFound where nothing is there, and TooBusy where it is written again and again meanwhile.
    """
    for _attempt in range(ATTEMPTS):
        when = deleted_on or await _now_or_later(searcher, organization_uid, uid)
        result, *_ = await writer.write([deletion_of(organization_uid, uid, when)], refresh=refresh)
        if result.outcome == "written" or deleted_on is not None:
            return result.outcome
    raise TooBusy("the conversation is being written all the while: try again")


async def _now_or_later(searcher: Searcher, organization_uid: UUID, uid: UUID) -> datetime:
    """Now, or a millisecond after the conversation's own time where that lies ahead; at the end of time, that."""
    there = msgspec.json.decode(await searcher.one(organization_uid, uid))
    updated_on = parse_time(there["updated_on"])
    if updated_on >= LAST:
        return LAST
    return max(parse_time(datetime.now(UTC)), updated_on + timedelta(milliseconds=1))
