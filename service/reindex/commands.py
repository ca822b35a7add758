"""A new index made under a running service: create -> write to both -> backfill -> verify -> swap.

Each step is one function, may be killed anywhere, and done again. The state in the cluster (lock.py) tells which step
was under way. Every action reads the indices after it has taken the lock. Readers see the old index until the swap,
which is one call; writers learn of the new one by themselves (write_targets.py). After the swap both go on being
written, so that `rollback` loses nothing, until `prune`.
"""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service import progress
from service.errors import IndexUnusable, Misconfigured, ReindexFailed
from service.index import aliases
from service.index.write_targets import holders, writes_alias
from service.reindex import steps, verification
from service.reindex.context import Job
from service.reindex.lock import LOOK, Lock, State, holding


async def begin(job: Job, *, files: tuple[str, ...] = (), from_index: bool = True) -> dict[str, Any]:
    """A reindex from the running index, from files, or from both. Returns the new index's name, as a record."""
    paths = tuple(map(os.path.abspath, files))
    stamps = tuple(map(_stamp, paths))
    async with holding(job.client, job.alias, State("reindex", LOOK, "", "")) as lock:
        old = await aliases.current_index(job.client, job.alias)
        if old is None:
            raise IndexUnusable(f"{job.alias} does not exist in OpenSearch: create it with 'conversations create'")
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
        )
        return await _go(job, lock)


def _stamp(path: str) -> str:
    """What tells whether a file is as it was: its size and when it was changed. Raises Misconfigured."""
    try:
        if not Path(path).is_file():
            raise Misconfigured(f"{path} is no regular file: a reindex reads its files more than once")
        status = Path(path).stat()
    except OSError as error:
        raise Misconfigured(f"cannot read {path}: {error.strerror}") from None
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


async def resume(job: Job) -> dict[str, Any]:
    """Goes on with what was interrupted. Returns the record that it would have ended with."""
    async with holding(job.client, job.alias, None) as lock:
        if lock.state.action == "prune":
            return await _remove(job, lock)
        if [_stamp(path) for path in lock.state.files] != [*lock.state.stamps]:
            changed = ", ".join(lock.state.files)
            raise ReindexFailed(f"a file changed since the reindex began ({changed}): abandon it and begin anew")
        return await _go(job, lock)


async def abandon(job: Job) -> dict[str, Any]:
    """Undoes what was interrupted, as far as it was not done: an index that is read stays. Says what was done.

    Returns the action, the index that is read, and what was removed and kept.
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
            f"{', '.join(left) or 'no index'} was left and may be no longer written"
        )
    if current == state.new:
        return (
            f"the {state.action} was done but for its end: {current} is read, and nothing was removed; "
            f"'conversations rollback' goes back to {state.old}"
        )
    done = f"{', '.join(removed)} was removed" if removed else "no index was removed"
    return f"the {state.action} is given up: {current} is read as before, and {done}"


async def rollback(job: Job, *, again: bool = False) -> dict[str, Any]:
    """Returns to the index that was read before, which has been written all the while. Returns its name, as a record.

    Where that index is the newer one, as after another rollback, this would go forward again: it needs `again`.
    """
    async with holding(job.client, job.alias, State("rollback", LOOK, "", "")) as lock:
        current = await aliases.current_index(job.client, job.alias)
        written = await holders(job.client, writes_alias(job.alias))
        own = await aliases.all_indices(job.client, job.alias)
        previous = [name for name in own if name != current and name in written]
        if current is None or not previous:
            raise ReindexFailed("there is no previous index that has been written all the while: nothing to return to")
        target = previous[-1]
        is_forward = current in own and own.index(target) > own.index(current)
        described = await steps.describe(job, [current, target])
        way = "forward to the newer" if is_forward else "back to the older"
        progress.say(f"rollback: from {described[current]} {way} {described[target]}; neither is removed")
        if is_forward and not again:
            raise ReindexFailed(f"this would go forward to {target}, which is newer than {current}: add --again if so")
        await lock.save(step="verify", old=current, new=target)
        return await _go(job, lock)


async def prune(
    job: Job, *, keep: int = 0, tombstones: timedelta | None = None, dry_run: bool = False
) -> dict[str, Any]:
    """Removes this service's indices that are not read, but for the newest `keep` of them. Returns their names.

    With `tombstones`, also those older than this: an older copy that arrives after that brings its conversation back.
    With `dry_run`, only says what it would remove.
    """
    async with holding(job.client, job.alias, State("prune", LOOK, "", "")) as lock:
        current = await aliases.current_index(job.client, job.alias)
        if current is None:
            raise IndexUnusable(f"{job.alias} does not exist in OpenSearch: nothing is pruned")
        others = [name for name in await aliases.all_indices(job.client, job.alias) if name != current]
        going = others[: max(0, len(others) - keep)]
        if dry_run:
            for line in (await steps.describe(job, going)).values():
                progress.say(f"would remove {line}")
            return {"removed": [], "would_remove": going}
        await lock.save(step="remove", old=current, new=current, removing=tuple(going))
        record = await _remove(job, lock)
        if tombstones is not None:
            await steps.purge(job, datetime.now(UTC) - tombstones)
        return record


async def _remove(job: Job, lock: Lock) -> dict[str, Any]:
    return {"removed": await steps.remove(job, lock.state.removing)}


async def _go(job: Job, lock: Lock) -> dict[str, Any]:
    """Does the step that the state names and all that follow."""
    names = [step for step, _function in STEPS]
    if lock.state.step not in names:
        raise ReindexFailed(f"another version of this service began this ({lock.state.step}): go on with that version")
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
