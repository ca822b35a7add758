"""Versioned bulk writes: each document is reported as written, as unchanged, or as rejected with the reason.

The version is external (`updated_on` in milliseconds), so a document may be sent any number of times and in any order:
an older copy never replaces a newer one. That is what makes it right to send again after a lost connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from service import telemetry
from service.client import Client
from service.conversation import (
    Conversation,
    ImportRecord,
    document_id,
    import_record,
    record_id,
    stored,
    tombstone,
)
from service.errors import Overloaded, PushedBack, SearchTimeout, SearchUnavailable, WriteFailed
from service.index.bulk_requests import TIME_IS_UP, Delivery, Write, lines
from service.index.disk_space import unless_full
from service.index.item_outcomes import GONE, Again, Outcome, Result
from service.index.write_targets import Only, Targets
from service.times import epoch_milliseconds

__all__ = (
    "Outcome",
    "Result",
    "Write",
    "Writer",
    "deletion_of",
    "lines",
    "record_of",
    "write",
    "write_of",
)

PATIENCE_SECONDS = 300.0
LEASE_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
DISK_SECONDS = 10.0  # of a write that has not ended, at most, after which a full disk is looked for
DISK_SHARE = 0.7  # of the patience, at most, for the same


def deletion_of(organization_uid: UUID, uid: UUID, deleted_on: datetime) -> Write:
    """The write that leaves a tombstone: `deleted_on` is its version, so it loses against what is newer."""
    return Write(
        id=document_id(organization_uid, uid),
        routing=str(organization_uid),
        version=epoch_milliseconds(deleted_on),
        source=tombstone(organization_uid, uid, deleted_on),
    )


def record_of(record: ImportRecord) -> Write:
    """The write of an import record."""
    return Write(
        id=record_id(record.organization_uid, record.uid),
        routing=str(record.organization_uid),
        version=record.version,
        source=import_record(record),
    )


def write_of(conversation: Conversation, parts: str = "") -> Write:
    """The write of a conversation. `parts` as in conversation.stored."""
    return Write(
        id=document_id(conversation.organization_uid, conversation.uid),
        routing=str(conversation.organization_uid),
        version=conversation.version,
        source=stored(conversation, parts),
    )


async def write(
    client: Client, alias: str, writes: Sequence[Write], *, patience: float = PATIENCE_SECONDS
) -> list[Result]:
    """One Writer's `write`, for who writes once."""
    return await Writer(client, alias, patience=patience).write(writes)


class Writer:
    """Writes to all indices that must be written (write_targets.py), and acknowledges what is in all of them."""

    def __init__(
        self,
        client: Client,
        alias: str,
        *,
        lease: float = LEASE_SECONDS,
        patience: float = PATIENCE_SECONDS,
        pushed_back: Callable[[], None] = lambda: None,
        targets: Targets | Only | None = None,
    ) -> None:
        self.client = client
        self.alias = alias
        self.targets = targets or Targets(client, alias, lease=lease)
        self._patience = patience
        self._pushed_back = pushed_back

    async def write(
        self, writes: Sequence[Write], *, refresh: str = "false", patience: float | None = None
    ) -> list[Result]:
        """Writes them all and returns a result for each, in their order.

        What is refused for want of room (429, 503) or lost with its connection is sent again, with a pause of full
        jitter, as long as the patience lasts (in seconds; the writer's own unless given); then WriteFailed. So is a
        cluster that blocks writes, and a closed index, at once. A document that fails a request as a whole is found and
        rejected alone (bulk_requests.py). `refresh` is OpenSearch's: false, true or wait_for.
        A WriteFailed names a full disk where one is behind it, whatever OpenSearch reported.
        """
        patience = self._patience if patience is None else patience
        work = self._write(writes, refresh, patience)
        return await unless_full(work, self.client, seconds=min(DISK_SECONDS, patience * DISK_SHARE))

    async def _write(self, writes: Sequence[Write], refresh: str, patience: float) -> list[Result]:
        loop = asyncio.get_running_loop()
        delivery = Delivery(self.client, self.alias, writes, refresh, patience, loop.time() + patience)
        pause = FIRST_PAUSE_SECONDS
        why: Again | None = None
        while True:
            try:
                looked = await self.targets.look(again=why is not None and why.reason == GONE)
                places = [
                    (at, name)
                    for at in range(len(writes))
                    for name in looked.names
                    if (at, name) not in delivery.settled
                ]
                found = await delivery.send(places) if places else None
                why = why if why and found and found.reason == TIME_IS_UP else found
                if why is None and self.targets.is_current(looked):
                    return [
                        _summary([delivery.settled[at, name] for name in looked.names]) for at in range(len(writes))
                    ]
            except (SearchUnavailable, SearchTimeout) as error:
                why = Again(str(error), is_busy=isinstance(error, Overloaded))
            if why is not None:
                await self._wait(why, pause, left=delivery.deadline - loop.time(), patience=patience)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _wait(self, why: Again, pause: float, *, left: float, patience: float) -> None:
        """Waits before another try. Raises PushedBack or WriteFailed where there is no time for one."""
        if left <= 0:
            raise (PushedBack if why.is_busy else WriteFailed)(
                f"OpenSearch took no more writes for {patience:.0f} s ({why.reason}): nothing told is lost"
            )
        (telemetry.pushed_back if why.is_busy else telemetry.sent_again).inc()
        self._pushed_back()
        await asyncio.sleep(min(random.uniform(0, pause), left))  # noqa: S311


def _summary(results: list[Result]) -> Result:
    """What becomes of a write to several indices: refused by one is refused; else the index that is read tells."""
    return next((result for result in results if result.outcome == "rejected"), results[0])
