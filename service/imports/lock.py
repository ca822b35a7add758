"""A lock in the cluster that lets one import at a time unite the conversations of an organization.

External versions do not show whether somebody else wrote between reading and writing, so importers take turns. The lock
is a document with a heartbeat, like that of a reindex: a process that waits takes it over if it sees no heartbeat for
DEAD_AFTER_SECONDS. The holder stops writing earlier: after VALID_SECONDS without a heartbeat.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from uuid import UUID

from service import progress
from service.client import Client
from service.errors import SearchTimeout, SearchUnavailable
from service.index.state_documents import ABSENT, Revision, StateDocument, ensure_index, process_name

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
        self._document = StateDocument(client, alias, f"{PREFIX}{organization_uid}")
        self._owner = process_name()
        self._revision: Revision | None = None
        self._at = 0.0
        self._beat = 0

    def require(self) -> None:
        """Raises LeaseLost unless it is certain that the lock is still held."""
        if self._revision is None or asyncio.get_running_loop().time() - self._at > VALID_SECONDS:
            raise LeaseLost

    async def acquire(self) -> None:
        """Waits until the lock is free, or its holder is dead."""
        has_said = False
        seen: Revision | None = None
        since = 0.0
        while not await self._put(ABSENT):
            current = await self._document.read()
            now = asyncio.get_running_loop().time()
            if current is None:
                continue
            content, revision = current
            if revision != seen:
                seen, since = revision, now
            elif now - since > DEAD_AFTER_SECONDS and await self._put(revision):
                return
            if not has_said:
                owner = content.get("owner", "another")
                progress.say(f"waiting for another import into this organization, which holds the lock ({owner})")
                has_said = True
            await asyncio.sleep(LOOK_SECONDS)

    async def keep(self) -> None:
        """Sends heartbeats until it is cancelled or the lock is lost."""
        while self._revision is not None:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(SearchUnavailable, SearchTimeout):
                if not await self._put(self._revision):
                    await self._read_own_revision()

    async def release(self) -> None:
        """Releases the lock, even if a heartbeat was cancelled before its answer arrived."""
        while self._revision is not None:
            if await self._document.remove(self._revision):
                self._revision = None
            else:
                await self._read_own_revision()

    async def _put(self, unchanged: Revision) -> bool:
        """Writes the document if it is unchanged. Returns whether it did."""
        began = asyncio.get_running_loop().time()
        self._beat += 1
        written = await self._document.write({"owner": self._owner, "beat": self._beat}, unchanged)
        if written is None:
            return False
        self._revision = written
        self._at = began
        return True

    async def _read_own_revision(self) -> None:
        """Called after a refused heartbeat. The lock is lost, unless the document still names this owner."""
        current = await self._document.read()
        is_own = current is not None and current[0].get("owner") == self._owner
        self._revision = current[1] if current is not None and is_own else None


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
