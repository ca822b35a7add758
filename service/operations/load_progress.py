"""Publishes the progress of running loads in the cluster, so that every service's /metrics can show it.

Each load has one document, in the index that also holds the state of a reindex. It updates the document every
SAY_SECONDS and deletes it at its end. The document of a killed load is ignored once it is older than OLD, and deleted
when the next load begins.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from opensearchpy.exceptions import NotFoundError, TransportError

from service.client import Client, translated
from service.errors import ConversationsError
from service.index.state_documents import ensure_index, process_name, state_index
from service.times import format_time, parse_time

SAY_SECONDS = 5.0
OLD = timedelta(seconds=60)
PREFIX = "load-"
MOST = 1000


@dataclass(frozen=True, slots=True)
class Load:
    """The progress of a load. `bytes` is the size of its input (0 if unknown), `bytes_done` how much of it was read."""

    owner: str
    said_at: str
    bytes_done: int
    bytes: int
    written: int
    unchanged: int
    rejected: int


@asynccontextmanager
async def published(client: Client, alias: str, now: Callable[[], dict[str, int]]) -> AsyncIterator[None]:
    """Publishes the progress of the load in the block. `now()` returns the numeric fields of a Load.

    Errors of OpenSearch while publishing are ignored, so that they do not stop the load.
    """
    owner = process_name()

    async def say() -> None:
        with suppress(TransportError, ConversationsError):
            said = Load(owner=owner, said_at=format_time(datetime.now(UTC)), **now())
            await client.index(index=state_index(alias), id=PREFIX + owner, body=asdict(said))

    async def say_for_ever() -> None:
        while True:
            await say()
            await asyncio.sleep(SAY_SECONDS)

    with suppress(TransportError, ConversationsError):
        await ensure_index(client, alias)
        for load in await _all(client, alias):
            if not _is_fresh(load):
                await _forget(client, alias, load.owner)
    saying = asyncio.create_task(say_for_ever())
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)
        await _forget(client, alias, owner)


async def loads(client: Client, alias: str) -> list[Load]:
    """The running loads, of all machines."""
    return [load for load in await _all(client, alias) if _is_fresh(load)]


def _is_fresh(load: Load) -> bool:
    try:
        return datetime.now(UTC) - parse_time(load.said_at) < OLD
    except ValueError:
        return False


async def _all(client: Client, alias: str) -> list[Load]:
    with translated(alias=state_index(alias)):
        try:
            answer = await client.search(index=state_index(alias), body={"size": MOST})
        except NotFoundError:
            return []
    hits = (hit for hit in answer["hits"]["hits"] if str(hit["_id"]).startswith(PREFIX))
    return [_load(str(hit["_id"]).removeprefix(PREFIX), hit.get("_source") or {}) for hit in hits]


def _load(owner: str, source: dict[str, object]) -> Load:
    """The load in a document. Another version of the service may have written it, so any number may be missing."""
    numbers = {name: _number(source.get(name)) for name in _NUMBERS}
    return Load(owner=owner, said_at=str(source.get("said_at", "")), **numbers)


def _number(value: object) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else 0


_NUMBERS = ("bytes_done", "bytes", "written", "unchanged", "rejected")


async def _forget(client: Client, alias: str, owner: str) -> None:
    with suppress(TransportError, ConversationsError):
        await client.delete(index=state_index(alias), id=PREFIX + owner, params={"refresh": "true"})
