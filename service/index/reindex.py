"""A new index made under a running service: create -> write to both -> backfill -> verify -> swap.

Each step is one function, may be killed anywhere, and done again. The state in the cluster (state.py) tells which step
was under way. Readers see the old index until the swap, which is one call; writers learn of the new one by themselves
(targets.py). After the swap both go on being written, so that `rollback` loses nothing, until `prune`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta

from service import progress
from service.errors import IndexUnusable, ReindexFailed, SearchTimeout, SearchUnavailable
from service.index import lifecycle, proof, steps
from service.index.job import Job
from service.index.state import Lock, State
from service.index.targets import holders, writes_alias


async def begin(job: Job, *, files: tuple[str, ...] = (), from_index: bool = True) -> str:
    """A reindex from the running index, from files, or from both. Returns the new index's name."""
    old = await lifecycle.current_index(job.client, job.alias)
    if old is None:
        raise IndexUnusable(f"{job.alias} does not exist in OpenSearch: create it with 'conversations create'")
    new = lifecycle.index_name(job.alias, job.mapping, datetime.now(UTC))
    state = State("reindex", "create", old, new, files=files, from_index=from_index)
    return await _go(job, await Lock.acquire(job.client, job.alias, state))


async def resume(job: Job) -> str:
    """Goes on with what was interrupted. Returns the name of the index that is then read."""
    return await _go(job, await Lock.acquire(job.client, job.alias, None))


async def abandon(job: Job) -> str:
    """Undoes what was interrupted: the index that was read stays, the new one goes. Returns the name of that one."""
    lock = await Lock.acquire(job.client, job.alias, None)
    async with _beating(lock):
        current = await lifecycle.current_index(job.client, job.alias)
        other = lock.state.new if current == lock.state.old else lock.state.old
        await steps.restore_refresh(job, lock.state.old)
        if lock.state.action == "reindex" and current == lock.state.old:
            await steps.remove(job, [other])
    await lock.release()
    return other


async def rollback(job: Job) -> str:
    """Returns to the index that was read before, which has been written all the while. Returns its name."""
    current = await lifecycle.current_index(job.client, job.alias)
    written = await holders(job.client, writes_alias(job.alias))
    previous = sorted(name for name in written if name != current)
    if current is None or not previous:
        raise ReindexFailed("there is no previous index that has been written all the while: nothing to return to")
    state = State("rollback", "verify", current, previous[-1])
    return await _go(job, await Lock.acquire(job.client, job.alias, state))


async def prune(job: Job, *, keep: int, tombstones: timedelta | None = None) -> list[str]:
    """Removes indices that are not read, but for the newest `keep` of them. Returns the names of those removed.

    With `tombstones`, also those older than this: an older copy that arrives after that brings its conversation back.
    """
    current = await lifecycle.current_index(job.client, job.alias)
    if current is None:
        raise IndexUnusable(f"{job.alias} does not exist in OpenSearch: nothing is pruned")
    lock = await Lock.acquire(job.client, job.alias, State("prune", "remove", current, current))
    async with _beating(lock):
        others = [name for name in await lifecycle.all_indices(job.client, job.alias) if name != current]
        gone = others[: max(0, len(others) - keep)]
        await steps.remove(job, gone)
        if tombstones is not None:
            await steps.purge(job, datetime.now(UTC) - tombstones)
    await lock.release()
    return gone


async def _go(job: Job, lock: Lock) -> str:
    """Does the step that the state names and all that follow."""
    names = [step for step, _function in STEPS]
    at = names.index(lock.state.step) if lock.state.action != "prune" else len(STEPS)
    async with _beating(lock):
        for step, function in STEPS[at:]:
            await lock.save(step=step)
            progress.say(f"{lock.state.action}: {step}")
            await function(job, lock)
    await lock.release()
    return lock.state.new


STEPS: tuple[tuple[str, Callable[[Job, Lock], Awaitable[None]]], ...] = (
    ("create", steps.create),
    ("write to both", steps.write_to_both),
    ("backfill", steps.backfill),
    ("verify", proof.verify),
    ("swap", steps.swap),
)


@asynccontextmanager
async def _beating(lock: Lock) -> AsyncIterator[None]:
    """Keeps the lock alive while the block runs, and ends the block where the lock is lost."""
    work = asyncio.current_task()
    assert work is not None
    lost: list[BaseException] = []

    async def beat() -> None:
        while True:
            try:
                await lock.beat_for_ever()
            except (SearchUnavailable, SearchTimeout):
                continue  # the cluster is away: nobody can take the lock either
            except ReindexFailed as error:
                lost.append(error)
                work.cancel()
                return

    beats = asyncio.create_task(beat())
    try:
        yield
    except asyncio.CancelledError:
        if lost:
            work.uncancel()
            raise lost[0] from None
        raise
    finally:
        beats.cancel()
