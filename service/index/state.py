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
from dataclasses import asdict, dataclass, replace
from typing import Any
from uuid import uuid4

from opensearchpy.exceptions import ConflictError, NotFoundError, RequestError

from service.client import Client, translated
from service.errors import ReindexFailed

BEAT_SECONDS = 1.0
DEAD_AFTER_SECONDS = 6.0
DOCUMENT = "reindex"


def state_index(alias: str) -> str:
    return f"{alias}_state"


@dataclass(frozen=True, slots=True)
class State:
    """One reindex (or rollback, or prune) and how far it came."""

    action: str
    step: str
    old: str
    new: str
    files: tuple[str, ...] = ()
    from_index: bool = True
    ranges_done: int = 0
    owner: str = ""
    beat: int = 0


def process_name() -> str:
    """Tells one piece of work of one process from all others: host, process id, and eight digits by chance."""
    return f"{socket.gethostname()}:{os.getpid()}:{uuid4().hex[:8]}"


class Lock:
    """The state document and the right to change it. Made by `acquire`; `beating` keeps it alive."""

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
        found = await _read(client, alias)
        if found is None:
            if wanted is None:
                raise ReindexFailed("there is no reindex to go on with or to abandon")
            return await cls._write(client, alias, replace(wanted, owner=me), {"op_type": "create"})
        state, place = found
        if await _is_alive(client, alias, place):
            raise ReindexFailed(f"a {state.action} is under way ({state.step}, by {state.owner}): wait until it ends")
        if wanted is not None:
            raise ReindexFailed(
                f"a {state.action} was interrupted ({state.step}): "
                "go on with 'conversations reindex --resume', or undo it with 'conversations reindex --abandon'"
            )
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
                if found[0].owner != self.state.owner:
                    raise ReindexFailed("another process has taken over: this one stops")
                self._place = found[1]  # our own beat, which was cancelled before its answer came back

    async def beat_for_ever(self) -> None:
        """Beats until it is cancelled. Raises ReindexFailed where the lock was lost."""
        while True:
            await asyncio.sleep(BEAT_SECONDS)
            await self.save()


async def read(client: Client, alias: str) -> State | None:
    """What is under way, or was interrupted."""
    found = await _read(client, alias)
    return None if found is None else found[0]


async def _read(client: Client, alias: str) -> tuple[State, dict[str, int]] | None:
    with translated(alias=state_index(alias)):
        try:
            found = await client.get(index=state_index(alias), id=DOCUMENT)
        except NotFoundError:
            return None
    known = {name: value for name, value in found["_source"].items() if name in State.__slots__}
    state = State(**{**known, "files": tuple(known.get("files", ()))})
    return state, {"if_seq_no": found["_seq_no"], "if_primary_term": found["_primary_term"]}


async def _put(client: Client, alias: str, state: State, condition: dict[str, Any]) -> dict[str, int]:
    with translated(alias=state_index(alias)):
        try:
            done = await client.index(
                index=state_index(alias), id=DOCUMENT, body=asdict(state), params={**condition, "refresh": "true"}
            )
        except ConflictError:
            found = await _read(client, alias)
            if found is not None and found[0].owner == state.owner and "if_seq_no" in condition:
                return await _put(client, alias, state, found[1])  # our own beat, of which no answer came back
            raise ReindexFailed("another process has taken over: this one stops") from None
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
    """The hidden index for what is under way; it is made once."""
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
