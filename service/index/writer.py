"""Versioned bulk writes. Each document is reported as written, as unchanged, or as rejected with the reason.

The version is external (`updated_on` in milliseconds). A document may be sent any number of times and in any order,
because an older copy never replaces a newer one. So it is safe to send a document again after a lost connection.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from datetime import datetime
from uuid import UUID

from service import deadline, telemetry
from service.client import Client
from service.conversation import Conversation, ImportRecord
from service.errors import PushedBack, SearchTimeout, SearchUnavailable, WriteFailed
from service.index import refreshing
from service.index.bulk_requests import LEAST_SECONDS, TIME_IS_UP, Delivery, Write, lines
from service.index.disk_space import unless_full
from service.index.item_outcomes import GONE, Again, Outcome, Result
from service.index.write_targets import Only, Targets
from service.stored_documents import document_id, import_record, record_id, stored, tombstone
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
# A write that has not ended after this time, or this share of its patience, checks whether the disk is full.
DISK_SECONDS = 10.0
DISK_SHARE = 0.7


def deletion_of(organization_uid: UUID, uid: UUID, deleted_on: datetime) -> Write:
    """The write of a tombstone. Its version is `deleted_on`, so it never replaces a newer document."""
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
    """The write of a conversation. `parts` is the same as in stored_documents.stored."""
    return Write(
        id=document_id(conversation.organization_uid, conversation.uid),
        routing=str(conversation.organization_uid),
        version=conversation.version,
        source=stored(conversation, parts),
    )


async def write(
    client: Client, alias: str, writes: Sequence[Write], *, patience: float = PATIENCE_SECONDS
) -> list[Result]:
    """Writes the documents with a new Writer. For callers that write only once."""
    return await Writer(client, alias, patience=patience).write(writes)


class Writer:
    """Writes to all indices that must receive writes (write_targets.py).

    A write is acknowledged once it is in all of them.
    """

    def __init__(
        self,
        client: Client,
        alias: str,
        *,
        lease: float = LEASE_SECONDS,
        patience: float = PATIENCE_SECONDS,
        pushed_back: Callable[[], None] = lambda: None,
        targets: Targets | Only | None = None,
        awaits_dead: bool = True,
    ) -> None:
        """`lease` and `patience` are in seconds. `pushed_back` is called before each pause.

        `awaits_dead`: whether a write waits for a cluster of which no node answers, as long as for a busy one.
        """
        self.client = client
        self.alias = alias
        self.targets = targets or Targets(client, alias, lease=lease)
        self._patience = patience
        self._pushed_back = pushed_back
        self._awaits_dead = awaits_dead

    async def write(
        self, writes: Sequence[Write], *, refresh: str = "false", patience: float | None = None
    ) -> list[Result]:
        """Writes all documents and returns a result for each, in the same order.

        A write that an overloaded cluster refused (429, 503), or whose connection was lost, is sent again after a
        random pause, for at most `patience` seconds (the writer's own by default). After that, WriteFailed is raised.
        It is raised at once for a cluster that blocks writes, for a closed index and, unless the writer `awaits_dead`,
        while all nodes are dead. Its message names a full disk if that is the cause, whatever OpenSearch reported. If
        one document makes a whole request fail, only that document is rejected (bulk_requests.py). `refresh` has the
        values of OpenSearch: false, true or wait_for.
        """
        patience = deadline.remaining(self._patience if patience is None else patience)
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
                    await self._await_refresh(delivery)
                    return [
                        _summary([delivery.settled[at, name] for name in looked.names]) for at in range(len(writes))
                    ]
            except (SearchUnavailable, SearchTimeout) as error:
                why = Again.after(error)
            if why is not None:
                if why.is_dead and not self._awaits_dead:
                    raise WriteFailed(f"{why.reason} (no acknowledged write is lost)")
                await self._wait(why, pause, left=delivery.deadline - loop.time(), patience=patience)
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    async def _await_refresh(self, delivery: Delivery) -> None:
        """Refreshes the indices if `refresh` is wait_for and OpenSearch has not waited for the next refresh.

        Even an unchanged document may be new: a write is often sent again because the first one had no answer.
        """
        if names := sorted(delivery.unrefreshed):
            left = max(LEAST_SECONDS, delivery.deadline - asyncio.get_running_loop().time())
            await refreshing.refresh(self.client, ",".join(names), alias=self.alias, may_lack=True, seconds=left)

    async def _wait(self, why: Again, pause: float, *, left: float, patience: float) -> None:
        """Waits before another attempt. Raises PushedBack or WriteFailed if no time is left for one."""
        if left <= 0:
            raise (PushedBack if why.is_busy else WriteFailed)(
                f"OpenSearch accepted no more writes for {patience:.0f} s ({why.reason}): no acknowledged write is lost"
            )
        (telemetry.pushed_back if why.is_busy else telemetry.sent_again).inc()
        self._pushed_back()
        await asyncio.sleep(min(random.uniform(0, pause), left))  # noqa: S311


def _summary(results: list[Result]) -> Result:
    """The result of a write to several indices: rejected if one rejected it, else that of the index that is read."""
    return next((result for result in results if result.outcome == "rejected"), results[0])
