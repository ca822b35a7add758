"""Deletes one conversation with a version above its current one: now, or a millisecond after its `updated_on`."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import msgspec

from service.client import responses
from service.errors import TooBusy
from service.index.item_outcomes import Outcome
from service.index.writer import Writer, deletion_of
from service.search.searcher import Searcher
from service.times import LAST, parse_time

ATTEMPTS = 5


class _Versioned(msgspec.Struct):
    updated_on: str


async def delete(
    writer: Writer,
    searcher: Searcher,
    organization_uid: UUID,
    uid: UUID,
    *,
    deleted_on: datetime | None = None,
    refresh: str = "false",
) -> Outcome:
    """Deletes the conversation as of `deleted_on`, or its current version if that is None.

    Returns the outcome, `written` or `unchanged`. Without `deleted_on`, raises NotFound if there is no such
    conversation, and TooBusy if other writes keep changing it.
    """
    for _attempt in range(ATTEMPTS):
        when = deleted_on or await _now_or_later(searcher, organization_uid, uid)
        result, *_ = await writer.write([deletion_of(organization_uid, uid, when)], refresh=refresh)
        if result.outcome == "written" or deleted_on is not None:
            return result.outcome
    raise TooBusy("other requests keep changing the conversation: try again")


async def _now_or_later(searcher: Searcher, organization_uid: UUID, uid: UUID) -> datetime:
    """Now, or a millisecond after the conversation's `updated_on` if that is later; at most the last valid time."""
    one = responses.decode(msgspec.Raw(await searcher.one(organization_uid, uid)), _Versioned)
    updated_on = parse_time(one.updated_on)
    if updated_on >= LAST:
        return LAST
    return max(parse_time(datetime.now(UTC)), updated_on + timedelta(milliseconds=1))
