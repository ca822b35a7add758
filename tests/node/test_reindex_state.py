"""The lock of a reindex on a real node, and the states and loads that another version of the service left behind."""

from __future__ import annotations

import asyncio
import json
import random
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from service.client import Client
from service.errors import ReindexFailed
from service.index import mapping, state_documents, writer
from service.index.writer import Write
from service.operations import load_progress
from service.reindex import commands
from service.reindex import lock as reindex_lock
from service.reindex.context import Job
from service.reindex.lock import LOOK, Lock, State, holding
from tests.node.clusters import Cluster
from tests.node.reindexing import (
    FIRST,
    LEASE,
    command,
    of,
)

pytestmark = pytest.mark.usefixtures("dead_owners_are_known_sooner")


def test_the_lock_is_kept_alive_while_files_are_read(fresh: Cluster) -> None:
    """Reading waits until the lock has sent heartbeats: if it blocked the event loop, it would wait forever."""
    mine = of(FIRST, 5)
    fresh.load(mine)
    go_on = threading.Event()
    came = []

    def read(files: tuple[str, ...], **_options: Any) -> Iterator[Write]:
        for one in mine:
            came.append(go_on.wait(60))
            yield writer.write_of(one)

    async def act(client: Client) -> None:
        async def watch() -> None:
            seen: set[int] = set()
            while len(seen) < 4:
                found = await reindex_lock.read(client, fresh.settings.alias)
                if found is not None and found.step == "backfill":
                    seen.add(found.beat)
                await asyncio.sleep(0.05)
            go_on.set()

        work = Job(client, fresh.settings.alias, mapping.load(), lease=LEASE, read_files=read)
        watching = asyncio.create_task(watch())
        await commands.begin(work, files=(__file__,))
        await watching

    fresh.act(act)
    assert all(came)


@pytest.mark.parametrize("end", ["error", "cancelled"])
def test_work_ends_when_its_heartbeat_does(end: str, fresh: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_self: Lock) -> None:
        raise RuntimeError("no beat") if end == "error" else asyncio.CancelledError

    monkeypatch.setattr(Lock, "send_heartbeats", fail)

    async def act(client: Client) -> None:
        async with holding(client, fresh.settings.alias, State("repair", LOOK, "", "")):
            await asyncio.sleep(60)

    with pytest.raises(ReindexFailed, match="could not be kept alive"):
        fresh.act(act)
    assert fresh.act(lambda client: reindex_lock.read(client, fresh.settings.alias)) is None


@pytest.mark.parametrize(
    "source",
    [
        {}, {"owner": 5}, {"said_at": "yesterday", "owner": "x"}, {"said_at": 7, "bytes": None, "written": "many"},
        {"said_at": "2999-01-01T00:00:00.000Z", "written": -1, "news": True},
    ],
)  # fmt: skip
def test_a_load_of_another_version_is_no_error(source: dict[str, Any], fresh: Cluster) -> None:
    fresh.load([])

    async def act(client: Client) -> Any:
        await state_documents.ensure_index(client, fresh.settings.alias)
        await client.index(
            index=state_documents.state_index(fresh.settings.alias),
            id="load-x",
            body=source,
            params={"refresh": "true"},
        )
        return await load_progress.loads(client, fresh.settings.alias)

    loads = fresh.act(act)
    assert [load.owner for load in loads] == (["x"] if "news" in source else [])
    assert command(fresh, "status").returncode == 0


@pytest.mark.parametrize(
    "source",
    [
        {}, {"action": "reindex"}, {"action": "reindex", "step": "backfill", "old": "a", "new": 5},
        {"action": "reindex", "step": "dance", "old": "a", "new": "b"},
        {"action": "reindex", "step": "backfill", "old": "a", "new": "b", "news": 1},
    ],
)  # fmt: skip
def test_a_state_of_another_version_is_reported_and_kept(source: dict[str, Any], fresh: Cluster) -> None:
    fresh.load([])

    async def put(client: Client) -> None:
        await state_documents.ensure_index(client, fresh.settings.alias)
        index = state_documents.state_index(fresh.settings.alias)
        await client.index(index=index, id=reindex_lock.DOCUMENT, body=source, params={"refresh": "true"})

    fresh.act(put)
    shown = command(fresh, "status")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["reindex"]["action"] == source.get("action", "unknown")
    resumed = command(fresh, "reindex", "--resume")
    assert resumed.returncode == 1
    assert "another version" in resumed.stderr
    assert "Traceback" not in resumed.stderr


def test_a_lock_is_released_even_if_a_heartbeat_was_cancelled_before_its_answer(fresh: Cluster) -> None:
    """The end of every reindex cancels the heartbeats."""
    rng = random.Random(5)

    async def beat_and_release(client: Client) -> None:
        for _ in range(15):
            lock = await Lock.acquire(client, fresh.settings.alias, State("reindex", "swap", "old", "new"))
            beat = asyncio.create_task(lock.save())
            await asyncio.sleep(rng.random() * 0.02)  # a random moment
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            await lock.release()
            assert await reindex_lock.read(client, fresh.settings.alias) is None

    fresh.act(beat_and_release)
