"""What a reindex is doing, kept in the cluster: one document, which is its lock too.

Whoever owns the lock beats: it rewrites the document every few seconds, always on condition that nobody else did
(compare and set by sequence number). Who wants the lock watches the document; one that stands still for longer than
its owner would let it is dead, and the lock is taken over. No clocks are compared, and an owner that was only asleep
finds its next beat refused.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, get_type_hints
from uuid import uuid4

import msgspec
from opensearchpy.exceptions import ConflictError, NotFoundError, RequestError, TransportError

from service import progress
from service.client import Client, translated
from service.errors import ConversationsError, ReindexFailed, SearchTimeout, SearchUnavailable, UnderWay

BEAT_SECONDS = 1.0
DEAD_AFTER_SECONDS = 6.0
READY_SECONDS = 10.0  # for the shard of a new index
DOCUMENT = "reindex"
NOTHING_TO_RESUME = "there is no reindex to go on with or to abandon"
GO_ON = "go on with 'conversations reindex --resume', or undo it with 'conversations reindex --abandon'"


def state_index(alias: str) -> str:
    return f"{alias}_state"


@dataclass(frozen=True, slots=True)
class State:
    """One reindex (or rollback, prune, repair or creation) and how far it came.

    `files` are absolute paths, `stamps` what tells whether they changed. `refresh` is the refresh interval of an index
    before it was changed, None where the index had none of its own. `removing` are the indices that a prune removes.
    `index_settings` are the settings of the new index that were chosen; the others are those of the old index.
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
    owner: str = ""
    beat: int = 0


LOOK = "look"
"""The first step of every action: it holds the lock, looks at the indices, and has changed nothing yet."""


def process_name() -> str:
    """Tells one piece of work of one process from all others: host, process id, and eight digits by chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


class Lock:
    """The state document and the right to change it. Made by `acquire`; `holding` keeps it alive."""

    def __init__(self, client: Client, alias: str, state: State, place: dict[str, int]) -> None:
        self._client = client
        self._alias = alias
        self._place = place
        self.state = state
        self._turn = asyncio.Lock()

    @classmethod
    async def acquire(cls, client: Client, alias: str, wanted: State | None) -> Lock:
        """With `wanted`, begins something new; without, goes on with what a dead owner left.

        Raises ReindexFailed where another process is at work, where something must be ended first, or nothing is there.
        """
        await ensure_index(client, alias)
        me = process_name()
        found = await _read_new(client, alias)
        if found is None:
            if wanted is None:
                raise ReindexFailed(NOTHING_TO_RESUME)
            return await cls._write(client, alias, replace(wanted, owner=me), {"op_type": "create"})
        source, place = found
        shown = _shown(source)
        if await _is_alive(client, alias, place):
            raise UnderWay(f"a {shown.action} is under way ({shown.step}, by {shown.owner}): wait until it ends")
        if shown.step == LOOK:  # it changed nothing, so there is nothing to go on with
            if wanted is None:
                await _removed(client, alias, place)
                raise ReindexFailed(NOTHING_TO_RESUME)
            return await cls._write(client, alias, replace(wanted, owner=me), place)
        if wanted is not None:
            raise ReindexFailed(f"a {shown.action} was interrupted ({shown.step}): {GO_ON}")
        state = _understood(source, alias)
        return await cls._write(client, alias, replace(state, owner=me, beat=state.beat + 1), place)

    @classmethod
    async def _write(cls, client: Client, alias: str, state: State, condition: dict[str, Any]) -> Lock:
        return cls(client, alias, state, await _put(client, alias, state, condition))

    async def save(self, **changes: Any) -> None:
        """Changes the state; also proves that the lock is still ours. Raises ReindexFailed where it is not."""
        async with self._turn:
            state = replace(self.state, beat=self.state.beat + 1, **changes)
            self._place = await _put(self._client, self._alias, state, self._place)
            self.state = state

    async def release(self) -> None:
        """Ends it: the state is gone. Raises ReindexFailed where the lock was lost."""
        async with self._turn:
            while not await _removed(self._client, self._alias, self._place):
                found = await _read(self._client, self._alias)
                if found is None:
                    return
                if found[0].get("owner") != self.state.owner:
                    raise UnderWay("another process has taken over: this one stops")
                self._place = found[1]  # our own beat, which was cancelled before its answer came back

    async def beat_for_ever(self) -> None:
        """Beats until it is cancelled. Raises UnderWay where the lock was lost, and what else a beat raises.

        A cluster that is away for a while ends no beat: nobody can take the lock then either.
        """
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            with suppress(SearchUnavailable, SearchTimeout):
                await self.save()


@asynccontextmanager
async def holding(client: Client, alias: str, wanted: State | None) -> AsyncIterator[Lock]:
    """The lock for as long as the block runs; see `Lock.acquire`. It is released when the block ends well.

    A block that fails while it only looked releases it too; else the state stays, and it is said how to go on.
    """
    lock = await Lock.acquire(client, alias, wanted)
    try:
        async with _beating(lock):
            yield lock
    except UnderWay:
        raise  # the lock is another's now
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
    """Keeps the lock alive while the block runs, and ends the block when the beats end, for whatever reason."""
    work = asyncio.current_task()
    assert work is not None
    beats = asyncio.create_task(lock.beat_for_ever())
    lost: list[ConversationsError] = []

    def ended(task: asyncio.Task[None]) -> None:
        lost.append(_why(task))
        work.cancel()

    beats.add_done_callback(ended)
    try:
        yield
        await asyncio.sleep(0)  # where the beats ended at this moment, the cancellation arrives here
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
    """What is under way, or was interrupted, as far as this version can tell."""
    found = await _read(client, alias)
    return None if found is None else _shown(found[0])


async def _read(client: Client, alias: str) -> tuple[dict[str, Any], dict[str, int]] | None:
    with translated(alias=state_index(alias)):
        try:
            found = await client.get(index=state_index(alias), id=DOCUMENT)
        except NotFoundError:
            return None
    source = found["_source"]
    return source, {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}


async def _read_new(client: Client, alias: str) -> tuple[dict[str, Any], dict[str, int]] | None:
    """As `_read`, where another process may have made the index at this moment: its shard is waited for."""
    ends = asyncio.get_running_loop().time() + READY_SECONDS
    while True:
        try:
            return await _read(client, alias)
        except SearchUnavailable:
            if asyncio.get_running_loop().time() > ends:
                raise
            await asyncio.sleep(BEAT_SECONDS / 4)


def _shown(source: dict[str, Any]) -> State:
    """The state for people to read. What another version wrote may lack anything, or hold it in another form."""
    known: dict[str, Any] = {}
    for one in fields(State):
        with suppress(msgspec.ValidationError):
            if one.name in source:
                known[one.name] = msgspec.convert(source[one.name], _TYPES[one.name])
    return State(**{**dict.fromkeys(_REQUIRED, "unknown"), **known})


def _understood(source: dict[str, Any], alias: str) -> State:
    """The state to go on with. Raises ReindexFailed where another version wrote what this one does not know."""
    try:
        if source.keys() <= _TYPES.keys():
            return msgspec.convert(source, State)
    except msgspec.ValidationError:
        pass
    raise ReindexFailed(
        f"what was interrupted was begun by another version of this service: go on with that version, "
        f"or delete the document {DOCUMENT} of the index {state_index(alias)} to give it up"
    )


_REQUIRED = ("action", "step", "old", "new")
_TYPES = get_type_hints(State)


async def _put(client: Client, alias: str, state: State, condition: dict[str, Any]) -> dict[str, int]:
    with translated(alias=state_index(alias)):
        try:
            done = await client.index(
                index=state_index(alias), id=DOCUMENT, body=asdict(state), params={**condition, "refresh": "true"}
            )
        except ConflictError:
            found = await _read(client, alias)
            if found is not None and found[0].get("owner") == state.owner and "if_seq_no" in condition:
                return await _put(client, alias, state, found[1])  # our own beat, of which no answer came back
            raise UnderWay("another process has taken over: this one stops") from None
    return {"if_seq_no": done["_seq_no"], "if_primary_term": done["_primary_term"]}


async def _removed(client: Client, alias: str, place: dict[str, int]) -> bool:
    """Whether the document was removed: not where it is not as it was at this place."""
    with translated(alias=state_index(alias)):
        try:
            await client.delete(index=state_index(alias), id=DOCUMENT, params={**place, "refresh": "true"})
        except (ConflictError, NotFoundError):
            return False
    return True


async def _is_alive(client: Client, alias: str, place: dict[str, int]) -> bool:
    """Whether the document changes while it is watched for as long as a living owner would let it stand."""
    ends = asyncio.get_running_loop().time() + DEAD_AFTER_SECONDS
    while asyncio.get_running_loop().time() < ends:
        await asyncio.sleep(BEAT_SECONDS / 4)
        found = await _read(client, alias)
        if found is None or found[1] != place:
            return True
    return False


async def ensure_index(client: Client, alias: str) -> None:
    """The hidden index for what is under way, made once."""
    body = {
        "settings": {"index": {"number_of_shards": 1, "auto_expand_replicas": "0-1", "hidden": True}},
        "mappings": {"dynamic": False},
    }
    with translated(alias=state_index(alias)):
        try:
            await client.indices.create(index=state_index(alias), body=body)
        except RequestError as error:
            if error.error != "resource_already_exists_exception":
                raise
