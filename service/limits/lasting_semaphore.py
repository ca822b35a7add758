"""A semaphore for work that lasts as long as a client wants, such as exports. Tenants and callers share it fairly."""

from __future__ import annotations

from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial

from service.limits.fair_semaphore import UNLIMITED, FairSemaphore, Size


@dataclass(frozen=True, slots=True)
class Queue:
    """How many requests may wait, in all and of one tenant, and for how many seconds."""

    waiting: int
    waiting_share: int
    patience: float


class LastingSemaphore:
    """An organization holds at most its share, and a caller at most half, whatever the number of its organizations.

    Both limits hold even while nobody else needs units, because units that were given to one cannot be taken back soon.
    The number of units of all callers together is not limited: otherwise, callers that wait for one organization could
    keep the callers of other organizations away.
    """

    def __init__(self, name: str, units: int, share: int, queue: Queue, *, what: str) -> None:
        waits = (queue.waiting, queue.waiting_share, queue.patience)
        self.organizations = FairSemaphore(name, Size(units, share, *waits, always=True), what=what)
        self.callers = FairSemaphore(
            f"{name}_per_caller",
            Size(UNLIMITED, (units + 1) // 2, *waits, always=True),
            what=what,
            whose="a caller",
        )

    @asynccontextmanager
    async def slot(self, caller: str, who: Hashable, units: int = 1) -> AsyncIterator[None]:
        """Holds units of the organization `who` while the block runs. Raises TooBusy and Saturated."""
        async with self.callers.slot(caller, units), self.organizations.slot(who, units):
            yield

    async def acquire(self, caller: str, who: Hashable, units: int) -> partial[None]:
        """Returns once both hold the units, with the function that gives them back. Raises TooBusy and Saturated."""
        await self.callers.acquire(caller, units)
        try:
            await self.organizations.acquire(who, units)
        except BaseException:
            self.callers.release(caller, units)
            raise
        return partial(self._release, caller, who, units)

    def _release(self, caller: str, who: Hashable, units: int) -> None:
        self.organizations.release(who, units)
        self.callers.release(caller, units)
