"""Removes the indices that are not read any more, and old tombstones (prune). An interrupted prune can be resumed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from service import progress
from service.errors import IndexMissing
from service.index import aliases
from service.reindex import steps
from service.reindex.context import Job
from service.reindex.lock import LOOK, Lock, State, holding, of_another_version, require_step
from service.times import format_time, parse_time

REMOVE, PURGE = "remove", "remove tombstones"
"""The steps of a prune."""


async def prune(
    job: Job, *, keep: int = 0, tombstones: timedelta | None = None, dry_run: bool = False
) -> dict[str, object]:
    """Removes this service's indices that are not read, except the newest `keep` of them. Returns a record of them.

    With `tombstones`, also removes tombstones that are older than that. If an older copy of a deleted conversation
    arrives afterwards, it is written again. With `dry_run`, only reports what it would remove.
    """
    async with holding(job.client, job.alias, State("prune", LOOK, "", "")) as lock:
        current = await aliases.current_index(job.client, job.alias)
        if current is None:
            raise IndexMissing(f"{job.alias} does not exist in OpenSearch: check CONVERSATIONS_ALIAS")
        others = [name for name in await aliases.all_indices(job.client, job.alias) if name != current]
        going = others[: max(0, len(others) - keep)]
        if dry_run:
            for line in (await steps.describe(job, going)).values():
                progress.say(f"would remove {line}")
            return {"removed": [], "would_remove": going}
        before = None if tombstones is None else format_time(datetime.now(UTC) - tombstones)
        await lock.save(step=REMOVE, old=current, new=current, removing=tuple(going), tombstones_before=before)
        return await run_steps(job, lock)


async def run_steps(job: Job, lock: Lock) -> dict[str, object]:
    """Runs the step in the state and the one after it. Indices that are gone already are not in the record."""
    before = _tombstones_before(lock.state)
    require_step(lock.state, [REMOVE, PURGE])
    removed = await steps.remove(job, lock.state.removing) if lock.state.step == REMOVE else []
    if before is not None:
        await lock.save(step=PURGE)
        await steps.purge(job, before)
    return {"removed": removed}


def _tombstones_before(state: State) -> datetime | None:
    try:
        return None if state.tombstones_before is None else parse_time(state.tombstones_before)
    except ValueError:
        raise of_another_version(state) from None
