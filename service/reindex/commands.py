"""Reindexes while the service runs: create -> write to both -> backfill -> verify -> swap.

Each step is one function, which can be killed at any point and run again. The state in the cluster (lock.py) records
the current step. Every action acquires the lock before it reads which indices exist. Readers see the old index until
the swap, which is a single call; writers notice the new index by themselves (write_targets.py). After the swap, writes
still go to both indices until `prune` (pruning.py), so `rollback` loses nothing.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime

from service import progress
from service.errors import IndexMissing, Misconfigured, ReindexFailed
from service.index import aliases
from service.index.index_settings import for_opensearch, of_successor
from service.index.write_targets import holders, writes_alias
from service.reindex import pruning, steps, verification
from service.reindex.context import Job
from service.reindex.lock import LOOK, Lock, State, holding, require_step
from service.sources import ndjson


async def begin(job: Job, *, files: tuple[str, ...] = (), from_index: bool = True) -> dict[str, object]:
    """Reindexes from the running index (`from_index`), from `files`, or from both.

    Returns a record with the new index's name, and the number of skipped documents if there are any. Raises
    ReindexFailed, IndexUnusable if there is no index, and Misconfigured if a file cannot be read.
    """
    paths = tuple(map(os.path.abspath, files))
    stamps = tuple(map(_stamp, paths))
    async with holding(job.client, job.alias, State("reindex", LOOK, "", "")) as lock:
        old = await aliases.current_index(job.client, job.alias)
        if old is None:
            raise IndexMissing(f"{job.alias} does not exist in OpenSearch: create it with 'conversations create'")
        for_opensearch(of_successor(await steps.settings_of(job, old), job.index_settings))
        if not from_index:
            await verification.say_what_files_lack(job, paths, old)
        new = aliases.index_name(job.alias, job.mapping, datetime.now(UTC))
        await lock.save(
            step=FIRST,
            old=old,
            new=new,
            files=paths,
            stamps=stamps,
            from_index=from_index,
            index_settings=job.index_settings,
            throttle=job.throttle,
            skip_invalid=job.skip_invalid,
        )
        return await _run_steps(job, lock)


def _stamp(path: str) -> str:
    """See ndjson.stamp. Raises Misconfigured if it is not a regular file."""
    try:
        found = ndjson.stamp(path)
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    if found is None:
        raise Misconfigured(f"{path} is not a regular file: a reindex reads its files more than once")
    return found


async def resume(job: Job) -> dict[str, object]:
    """Resumes an interrupted reindex, rollback or prune. Returns the same record as if it had not been interrupted.

    A reindex continues with its own options, but the job can change its throttle, and can make it skip invalid
    documents. If the new index no longer receives writes, as after an interrupted `abandon`, all documents are copied
    again.
    """
    async with holding(job.client, job.alias, None) as lock:
        if lock.state.action == "prune":
            return await pruning.run_steps(job, lock)
        require_step(lock.state, [step for step, _function in STEPS])
        if [_stamp(path) for path in lock.state.files] != [*lock.state.stamps]:
            changed = ", ".join(lock.state.files)
            raise ReindexFailed(f"a file changed since the reindex began ({changed}): use --abandon and start again")
        throttle = lock.state.throttle if job.throttle is None else job.throttle
        skip_invalid = job.skip_invalid or lock.state.skip_invalid
        await lock.save(throttle=throttle, skip_invalid=skip_invalid)
        if lock.state.action == "reindex" and not await steps.is_written(job, lock.state.new):
            await lock.save(step=FIRST, ranges_done=0)
        return await _run_steps(replace(job, throttle=throttle, skip_invalid=skip_invalid), lock)


async def abandon(job: Job) -> dict[str, object]:
    """Gives up an interrupted action. An unfinished new index is removed, but never the index that is read.

    Returns a record of the action, the index that is read, and the indices that were removed and kept.
    """
    async with holding(job.client, job.alias, None) as lock:
        state = lock.state
        current = await aliases.current_index(job.client, job.alias)
        await steps.restore_refresh(job, lock)
        removed: list[str] = []
        if state.action == "reindex" and current == state.old:
            removed = await steps.remove(job, [state.new])
        kept = [name for name in await aliases.all_indices(job.client, job.alias) if name != current]
        progress.say(_what_was_done(state, current, removed, kept))
        return {"abandoned": state.action, "index": current, "removed": removed, "kept": kept}


def _what_was_done(state: State, current: str | None, removed: list[str], kept: list[str]) -> str:
    if state.action == "prune":
        gone = [name for name in state.removing if name not in kept]
        left = [name for name in state.removing if name in kept]
        return (
            f"the prune had removed {', '.join(gone) or 'no index'} before it was interrupted; "
            f"{', '.join(left) or 'no index'} was left and may no longer receive writes"
            f"{_what_tombstones_are_left(state)}"
        )
    if current == state.new:
        return (
            f"the {state.action} had already made {current} the index that is read, and nothing was removed; "
            f"'conversations rollback' goes back to {state.old}"
        )
    done = f"{', '.join(removed)} was removed" if removed else "no index was removed"
    return f"the {state.action} was abandoned: {current} is read as before, and {done}"


def _what_tombstones_are_left(state: State) -> str:
    if state.tombstones_before is None:
        return ""
    if state.step == pruning.PURGE:
        return f"; some tombstones from before {state.tombstones_before} may be left"
    return f"; all tombstones from before {state.tombstones_before} were left"


async def rollback(job: Job, *, again: bool = False) -> dict[str, object]:
    """Makes the previous index the one that is read. It has received every write since. Returns a record with its name.

    After another rollback, the previous index is the newer one, so this would go forward. That requires `again`.
    Raises ReindexFailed if there is no previous index that received all writes.
    """
    async with holding(job.client, job.alias, State("rollback", LOOK, "", "")) as lock:
        current = await aliases.current_index(job.client, job.alias)
        written = await holders(job.client, writes_alias(job.alias))
        own = await aliases.all_indices(job.client, job.alias)
        previous = [name for name in own if name != current and name in written]
        if current is None or not previous:
            raise ReindexFailed("no previous index has received all writes, so there is nothing to return to")
        target = previous[-1]
        is_forward = current in own and own.index(target) > own.index(current)
        if is_forward and not again:
            raise ReindexFailed(
                f"this would go forward to {target}, which is newer than {current}: add --again if you want that"
            )
        described = await steps.describe(job, [current, target])
        way = "forward to the newer" if is_forward else "back to the older"
        progress.say(f"rollback: from {described[current]} {way} {described[target]}; neither is removed")
        await lock.save(step="verify", old=current, new=target)
        return await _run_steps(job, lock)


async def _run_steps(job: Job, lock: Lock) -> dict[str, object]:
    """Runs the step in the state and all steps after it."""
    names = [step for step, _function in STEPS]
    for step, function in STEPS[names.index(lock.state.step) :]:
        await lock.save(step=step)
        progress.say(f"{lock.state.action}: {step}")
        await function(job, lock)
    skipped = {"skipped": len(job.invalid.ids)} if job.invalid.ids else {}
    return {"index": lock.state.new, **skipped}


STEPS: tuple[tuple[str, Callable[[Job, Lock], Awaitable[None]]], ...] = (
    ("create", steps.create),
    ("write to both", steps.write_to_both),
    ("backfill", steps.backfill),
    ("verify", verification.verify),
    ("swap", steps.swap),
)
FIRST = STEPS[0][0]
