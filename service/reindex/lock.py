"""The state of a reindex: one document in the cluster, which is also its lock.

The owner of the lock sends heartbeats: it rewrites the document every BEAT_SECONDS, on the condition that no other
process changed it (compare-and-set by sequence number). A process that wants the lock watches the document. If it does
not change for DEAD_AFTER_SECONDS, its owner is considered dead and the lock is taken over. No clocks are compared. If
the owner was only suspended, its next heartbeat is refused.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, get_type_hints

import msgspec
from opensearchpy.exceptions import TransportError

from service import progress
from service.client import Client
from service.errors import ConversationsError, ReindexFailed, SearchTimeout, SearchUnavailable, UnderWay
from service.index.state_documents import ABSENT, Revision, StateDocument, ensure_index, process_name, state_index

BEAT_SECONDS = 1.0
DEAD_AFTER_SECONDS = 6.0
SIGN_OF_LIFE_SECONDS = 4.0  # for `status`: a heartbeat of a running process is seen within this time
READY_SECONDS = 10.0  # for the shard of a new index to start
DOCUMENT = "reindex"
TAKEN_OVER = "another process has taken over the lock: this one stops"
NOTHING_TO_RESUME = "there is no reindex to resume or to abandon"
GO_ON = "resume it with 'conversations reindex --resume', or undo it with 'conversations reindex --abandon'"


@dataclass(frozen=True, slots=True)
class State:
    """The progress of one reindex, rollback, prune, repair or creation.

    `files` are absolute paths, and `stamps` their sizes and times of modification. `refresh` has the original refresh
    interval of each index whose interval was changed (None for the default). `removing` are the indices that a prune
    removes. After them, it removes the tombstones of deletions before the time `tombstones_before`, if it is set.
    `index_settings` are settings chosen for the new index; it takes the others from the old one. `throttle` is in
    documents a second, and None for no limit.
    """

    action: str
    step: str
    old: str
    new: str
    files: tuple[str, ...] = ()
    stamps: tuple[str, ...] = ()
    from_index: bool = True
    ranges_done: int = 0
    refresh: dict[str, str | None] = field(default_factory=dict)
    removing: tuple[str, ...] = ()
    index_settings: dict[str, int | str] = field(default_factory=dict)
    throttle: float | None = None
    skip_invalid: bool = False
    tombstones_before: str | None = None
    owner: str = ""
    beat: int = 0


LOOK = "look"
"""The first step of every action: it has the lock, reads which indices exist, and has changed nothing yet."""


class Lock:
    """The state document, and the right to change it. Made by `acquire` and kept alive by `holding`."""

    def __init__(self, document: StateDocument, state: State, revision: Revision) -> None:
        self._document = document
        self._revision = revision
        self.state = state
        self._changing = asyncio.Lock()

    @classmethod
    async def acquire(cls, client: Client, alias: str, wanted: State | None) -> Lock:
        """Acquires the lock. With `wanted`, begins a new action; with None, resumes the action of a dead owner.

        Raises UnderWay if another process is running, and ReindexFailed if an interrupted action must be resumed or
        abandoned first, or if there is none to resume.
        """
        await ensure_index(client, alias)
        document = _document(client, alias)
        me = process_name()
        current = await _read_new(document)
        if current is None:
            if wanted is None:
                raise ReindexFailed(NOTHING_TO_RESUME)
            return await cls._write(document, replace(wanted, owner=me), ABSENT)
        source, revision = current
        shown = _shown(source)
        if await _is_alive(document, revision):
            raise UnderWay(f"a {shown.action} is running ({shown.step}, by {shown.owner}): wait until it ends")
        if shown.step == LOOK:  # it changed nothing, so there is nothing to resume
            if wanted is None:
                await document.remove(revision)
                raise ReindexFailed(NOTHING_TO_RESUME)
            return await cls._write(document, replace(wanted, owner=me), revision)
        if wanted is not None:
            raise ReindexFailed(f"a {shown.action} was interrupted ({shown.step}): {GO_ON}")
        state = _understood(source, alias)
        return await cls._write(document, replace(state, owner=me, beat=state.beat + 1), revision)

    @classmethod
    async def _write(cls, document: StateDocument, state: State, unchanged: Revision) -> Lock:
        return cls(document, state, await _put(document, state, unchanged))

    async def save(self, **changes: Any) -> None:
        """Changes the state. Raises UnderWay if the lock was lost."""
        async with self._changing:
            state = replace(self.state, beat=self.state.beat + 1, **changes)
            self._revision = await _put(self._document, state, self._revision)
            self.state = state

    async def release(self) -> None:
        """Releases the lock and deletes the state. Raises UnderWay if the lock was lost."""
        async with self._changing:
            while not await self._document.remove(self._revision):
                current = await self._document.read()
                if current is None:
                    return
                if current[0].get("owner") != self.state.owner:
                    raise UnderWay(TAKEN_OVER)
                self._revision = current[1]  # an own heartbeat, which was cancelled before its response arrived

    async def send_heartbeats(self) -> None:
        """Sends heartbeats until it is cancelled. Raises UnderWay if the lock was lost.

        An unavailable cluster is ignored, because no other process can acquire the lock then either.
        """
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(SearchUnavailable, SearchTimeout):
                await self.save()


@asynccontextmanager
async def holding(client: Client, alias: str, wanted: State | None) -> AsyncIterator[Lock]:
    """Holds the lock while the block runs, and releases it when the block succeeds. See `Lock.acquire`.

    A block that fails in its first step (LOOK) releases it too. After any other failure, the state stays so that the
    action can be resumed, and a message says how.
    """
    lock = await Lock.acquire(client, alias, wanted)
    try:
        async with _beating(lock):
            yield lock
    except UnderWay:
        raise  # another process has the lock now
    except BaseException:
        if lock.state.step == LOOK:
            with suppress(ConversationsError, TransportError):
                await lock.release()
        else:
            progress.complain(f"The {lock.state.action} was interrupted ({lock.state.step}): {GO_ON}")
        raise
    await lock.release()


@asynccontextmanager
async def _beating(lock: Lock) -> AsyncIterator[None]:
    """Sends heartbeats while the block runs. If they stop for any reason, the block is cancelled with that error."""
    work = asyncio.current_task()
    assert work is not None
    beats = asyncio.create_task(lock.send_heartbeats())
    lost: list[ConversationsError] = []

    def ended(task: asyncio.Task[None]) -> None:
        lost.append(_why(task))
        work.cancel()

    beats.add_done_callback(ended)
    try:
        yield
        await asyncio.sleep(0)  # if the heartbeats stopped just now, the cancellation arrives here
    except asyncio.CancelledError:
        if lost and work.uncancel() == 0:
            raise lost[0] from None
        raise
    finally:
        beats.remove_done_callback(ended)
        beats.cancel()
        await asyncio.wait([beats])


def _why(task: asyncio.Task[None]) -> ConversationsError:
    error = None if task.cancelled() else task.exception()
    if isinstance(error, ConversationsError):
        return error
    return ReindexFailed(f"the lock could not be kept alive ({error or 'its heartbeat was cancelled'}): try again")


async def read(client: Client, alias: str) -> State | None:
    """The state of the running or interrupted action, or None. `action`, `step`, `old` and `new` may be `unknown`."""
    current = await _document(client, alias).read()
    return None if current is None else _shown(current[0])


async def is_running(client: Client, alias: str, seen: State, *, seconds: float = SIGN_OF_LIFE_SECONDS) -> bool:
    """Whether the owner of this state sends heartbeats, or ends, within this time."""
    ends = asyncio.get_running_loop().time() + seconds
    while asyncio.get_running_loop().time() < ends:
        current = await read(client, alias)
        if current is None or (current.owner, current.beat) != (seen.owner, seen.beat):
            return True
        await asyncio.sleep(BEAT_SECONDS / 4)
    return False


def _document(client: Client, alias: str) -> StateDocument:
    return StateDocument(client, alias, DOCUMENT, refresh=True)


async def _read_new(document: StateDocument) -> tuple[dict[str, object], Revision] | None:
    """Reads the document. Waits for the shard of the state index, which another process may be creating right now."""
    ends = asyncio.get_running_loop().time() + READY_SECONDS
    while True:
        try:
            return await document.read()
        except SearchUnavailable:
            if asyncio.get_running_loop().time() > ends:
                raise
            await asyncio.sleep(BEAT_SECONDS / 4)


def _shown(source: dict[str, object]) -> State:
    """The state for display. Another version may have written it, so any field may be missing or of another type."""
    known: dict[str, Any] = {}
    for state_field in fields(State):
        with suppress(msgspec.ValidationError):
            if state_field.name in source:
                known[state_field.name] = msgspec.convert(source[state_field.name], _TYPES[state_field.name])
    return State(**{**dict.fromkeys(_REQUIRED, "unknown"), **known})


def _understood(source: dict[str, object], alias: str) -> State:
    """The state for resuming. Raises ReindexFailed if another version wrote it and this one cannot read all of it."""
    try:
        if source.keys() <= _TYPES.keys():
            return msgspec.convert(source, State)
    except msgspec.ValidationError:
        pass
    raise ReindexFailed(
        f"another version of this service began the interrupted action: resume it with that version, "
        f"or delete the document {DOCUMENT} of the index {state_index(alias)} to abandon it"
    )


def require_step(state: State, known: Sequence[str]) -> None:
    """Raises ReindexFailed if this version does not know the step of an interrupted action."""
    if state.step not in known:
        raise of_another_version(state)


def of_another_version(state: State) -> ReindexFailed:
    return ReindexFailed(
        f"this {state.action} was begun by another version of the service (step {state.step}): "
        "use that version for --resume"
    )


_REQUIRED = ("action", "step", "old", "new")
_TYPES = get_type_hints(State)


async def _put(document: StateDocument, state: State, unchanged: Revision) -> Revision:
    """Writes the state. Raises UnderWay if another process has changed the document."""
    written = await document.write(asdict(state), unchanged)
    if written is not None:
        return written
    current = await document.read()
    if current is not None and current[0].get("owner") == state.owner and "if_seq_no" in unchanged:
        return await _put(document, state, current[1])  # an own heartbeat without a response
    raise UnderWay(TAKEN_OVER)


async def _is_alive(document: StateDocument, revision: Revision) -> bool:
    """Watches the document for DEAD_AFTER_SECONDS. Returns whether its owner changed it."""
    ends = asyncio.get_running_loop().time() + DEAD_AFTER_SECONDS
    while asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(BEAT_SECONDS / 4)
        current = await document.read()
        if current is None or current[1] != revision:
            return True
    return False
