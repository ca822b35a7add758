"""A lock in the cluster that lets one import at a time unite the conversations of an organization.

External versions do not show whether somebody else wrote between reading and writing, so importers take turns. The lock
is a document with a heartbeat, like that of a reindex: a process that waits takes it over if it sees no heartbeat for
DEAD_AFTER_SECONDS. The holder stops writing earlier: after VALID_SECONDS without a heartbeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from opensearchpy.exceptions import ConflictError, NotFoundError

from service import progress
from service.client import Client, translated
from service.errors import SearchTimeout, SearchUnavailable
from service.reindex.lock import ensure_index, process_name, state_index

BEAT_SECONDS = 1.0
VALID_SECONDS = 10.0
DEAD_AFTER_SECONDS = 20.0
LOOK_SECONDS = 0.25
PREFIX = "import-"


class LeaseLost(Exception):
    """Another import has taken over the lock, or its heartbeats failed: the import must be done again."""


class Lease:
    """The right to unite the conversations of one organization. Made by `holding`."""

    def __init__(self, client: Client, alias: str, organization_uid: UUID) -> None:
        self._client = client
        self._index = state_index(alias)
        self.name = f"{PREFIX}{organization_uid}"
        self._owner = process_name()
        self._place: dict[str, int] | None = None
        self._at = 0.0
        self._beat = 0

    def require(self) -> None:
        """Raises LeaseLost unless it is certain that the lock is still held."""
        if self._place is None or asyncio.get_running_loop().time() - self._at > VALID_SECONDS:
            raise LeaseLost

    async def acquire(self) -> None:
        """Waits until the lock is free, or its holder is dead."""
        has_said = False
        seen: dict[str, int] | None = None
        since = 0.0
        while not await self._put({"op_type": "create"}):
            place, owner = await self._read()
            now = asyncio.get_running_loop().time()
            if place is None:
                continue
            if place != seen:
                seen, since = place, now
            elif now - since > DEAD_AFTER_SECONDS and await self._put(place):
                return
            if not has_said:
                progress.say(f"waiting for another import into this organization, which holds the lock ({owner})")
                has_said = True
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self) -> None:
        """Sends heartbeats until it is cancelled or the lock is lost."""
        while self._place is not None:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(SearchUnavailable, SearchTimeout):
                if not await self._put(self._place):
                    await self._own_place()

    async def release(self) -> None:
        """Releases the lock, even if a heartbeat was cancelled before its answer arrived."""
        while self._place is not None:
            with translated(alias=self._index):
                try:
                    await self._client.delete(index=self._index, id=self.name, params=dict(self._place))
                except ConflictError:
                    await self._own_place()
                    continue
                except NotFoundError:
                    pass
            self._place = None

    async def _put(self, condition: Mapping[str, object]) -> bool:
        """Writes the document if the condition holds. Returns whether it did."""
        began = asyncio.get_running_loop().time()
        self._beat += 1
        body = {"owner": self._owner, "beat": self._beat}
        with translated(alias=self._index):
            try:
                done = await self._client.index(index=self._index, id=self.name, body=body, params=dict(condition))
            except ConflictError:
                return False
        self._place = {"if_seq_no": done["_seq_no"], "if_primary_term": done["_primary_term"]}
        self._at = began
        return True

    async def _own_place(self) -> None:
        """After a refused heartbeat, the lock is lost, unless the document is its own and the answer was lost."""
        place, owner = await self._read()
        self._place = place if owner == self._owner else None

    async def _read(self) -> tuple[dict[str, int] | None, str]:
        with translated(alias=self._index):
            try:
                found = await self._client.get(index=self._index, id=self.name)
            except NotFoundError:
                return None, ""
        place = {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}
        return place, str(found["_source"].get("owner", "another"))


@asynccontextmanager
async def holding(client: Client, alias: str, organization_uid: UUID) -> AsyncIterator[Lease]:
    """Holds the lock while the block runs."""
    await ensure_index(client, alias)
    lease = Lease(client, alias, organization_uid)
    await lease.acquire()
    beats = asyncio.create_task(lease.keep())
    try:
        yield lease
    finally:
        beats.cancel()
        await asyncio.wait([beats])
        with suppress(SearchUnavailable, SearchTimeout):
            await lease.release()
