"""A semaphore that tenants share fairly. The units in use, and the waiting requests, are limited."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from service import telemetry
from service.errors import Saturated, TooBusy

STANDING_TURNS = 4.0  # the patience in a queue that does not become empty, in average request times
BRISK_TURNS = 1.0  # the same for a brisk queue
LEAST_PATIENCE = 0.02  # seconds
BURST_QUEUES = 2.0  # a burst may take as long as this many full queues need, on average, to become empty
LEAST_BURST = 0.1  # seconds, after which a brisk queue may count as one that does not become empty
SMOOTHING = 0.05  # the weight of the latest request in the average time of a request
UNLIMITED = 2**62  # units in all, where only the share of each tenant counts
CONTENDED_SECONDS = 10.0  # after this time without other tenants, a tenant counts as the only one


@dataclass(frozen=True, slots=True)
class Size:
    """The size of a semaphore: units in all and for one tenant, waiting requests in all and of one tenant.

    `patience` is how many seconds a request may wait. The share holds `always`, or only while there are other tenants.
    Under overload, a `brisk` queue serves the newest request first, and refuses those that have waited too long. So a
    request that is served has not waited long.
    """

    units: int
    share: int
    waiting: int = 0
    waiting_share: int = 0
    patience: float = 0.0
    always: bool = False
    brisk: bool = False


@dataclass(slots=True, eq=False)
class _Waiter:
    units: int
    since: float
    admitted: asyncio.Future[None]


@dataclass(slots=True, eq=False)
class _Tenant:
    held: int = 0
    waiting: deque[_Waiter] = field(default_factory=deque)
    queued_since: float = 0.0  # since then, its queue was never empty
    standing_until: float = 0.0  # until then, its queue counts as one that does not become empty


class FairSemaphore:
    """Tenants acquire units, and release as many. The waiting tenant that holds the fewest units is next.

    `what` and `whose` stand in messages, as in "at most 8 searches of an organization at once".
    """

    def __init__(self, name: str, size: Size, *, what: str, whose: str = "an organization") -> None:
        self.size = size
        self._what = what
        self._whose = whose
        self._name = name
        self._held = 0
        self._queued = 0
        self._tenants: dict[Hashable, _Tenant] = {}
        self._turns: dict[Hashable, _Tenant] = {}  # tenants that wait, in the order of their turns
        self._newest: Hashable = None
        self._contended_until = 0.0
        self._takes = 0.0  # seconds for which a request holds its units, smoothed
        self._shows_held = telemetry.limit_in_use.labels(name)
        self._shows_queued = telemetry.limit_waiting.labels(name)
        if size.units < UNLIMITED:
            telemetry.limit_size.labels(name).set(size.units)
        telemetry.refuses(name)

    @asynccontextmanager
    async def slot(self, who: Hashable, units: int = 1) -> AsyncIterator[None]:
        """Holds units while the block runs. Raises TooBusy or Saturated."""
        await self.acquire(who, units)
        clock = asyncio.get_running_loop().time
        since = clock()
        try:
            yield
        finally:
            self._takes += (SMOOTHING if self._takes else 1.0) * (clock() - since - self._takes)
            self.release(who, units)

    async def acquire(self, who: Hashable, units: int = 1) -> None:
        """Returns once the tenant holds the units. A request for more than the share gets the share.

        Raises TooBusy if the tenant itself uses or waits for too much, and Saturated if the others do.
        """
        now = asyncio.get_running_loop().time()
        if who != self._newest:
            if self._newest is not None:
                self._contended_until = now + CONTENDED_SECONDS
            self._newest = who
        tenant = self._tenants.setdefault(who, _Tenant())
        waiter = _Waiter(self._counted(units), now, asyncio.get_running_loop().create_future())
        self._line_up(who, tenant, waiter)
        self._admit(now)
        if waiter.admitted.done():
            return
        try:
            self._shed(who, tenant, waiter)
            async with asyncio.timeout(self._patience(tenant, now)):
                await waiter.admitted
        except TimeoutError:
            self._stands(tenant, asyncio.get_running_loop().time())
            refusal = self._refusal(tenant, waiter.units)
            self._withdraw(who, tenant, waiter)
            raise refusal from None
        except BaseException:
            self._withdraw(who, tenant, waiter)
            raise

    def release(self, who: Hashable, units: int = 1) -> None:
        """Gives back the units of one `acquire`."""
        tenant = self._tenants[who]
        self._give_back(tenant, self._counted(units))
        self._forget(who, tenant)
        self._admit(asyncio.get_running_loop().time())

    def _counted(self, units: int) -> int:
        return min(units, self.size.share)

    def _give_back(self, tenant: _Tenant, units: int) -> None:
        tenant.held -= units
        self._held -= units
        self._shows_held.set(self._held)

    def _forget(self, who: Hashable, tenant: _Tenant) -> None:
        if not tenant.held and not tenant.waiting and self._tenants.get(who) is tenant:
            del self._tenants[who]

    def _line_up(self, who: Hashable, tenant: _Tenant, waiter: _Waiter) -> None:
        if not tenant.waiting:
            tenant.queued_since = waiter.since
        tenant.waiting.append(waiter)
        self._turns.setdefault(who, tenant)
        self._queued += 1

    def _admit(self, now: float) -> None:
        """Admits waiting requests in turn while the next one fits."""
        share = self._share(now)
        while self._turns:
            ready = (who for who, one in self._turns.items() if one.held + self._first(one, now).units <= share)
            who = min(ready, key=lambda one: self._turns[one].held, default=None)
            if who is None or self._held + self._first(self._turns[who], now).units > self.size.units:
                break
            tenant = self._turns.pop(who)
            waiter = self._next(tenant, now)
            self._queued -= 1
            if tenant.waiting:
                self._turns[who] = tenant
            if waiter.admitted.done():  # the request was cancelled, but has not run since
                continue
            tenant.held += waiter.units
            self._held += waiter.units
            waiter.admitted.set_result(None)
        self._shows_held.set(self._held)
        self._shows_queued.set(self._queued)

    def _share(self, now: float) -> int:
        """The units that one tenant may hold now."""
        return self.size.share if self.size.always or now < self._contended_until else self.size.units

    def _first(self, tenant: _Tenant, now: float) -> _Waiter:
        """The request that is next: the newest if a brisk queue does not become empty, else the oldest."""
        return tenant.waiting[-1 if self.size.brisk and self._is_standing(tenant, now) else 0]

    def _next(self, tenant: _Tenant, now: float) -> _Waiter:
        """Removes and returns the request that is next. Refuses those that have waited too long in a brisk queue."""
        if not (self.size.brisk and self._is_standing(tenant, now)):
            return tenant.waiting.popleft()
        newest = tenant.waiting.pop()
        while tenant.waiting and now - tenant.waiting[0].since > self._patience(tenant, now):
            late = tenant.waiting.popleft()
            self._queued -= 1
            self._stands(tenant, now)
            if not late.admitted.done():
                late.admitted.set_exception(self._refusal(tenant, late.units))
        return newest

    def _shed(self, who: Hashable, tenant: _Tenant, waiter: _Waiter) -> None:
        """Keeps the queue within its limits. Raises TooBusy or Saturated if the new request must be refused."""
        if len(tenant.waiting) > self.size.waiting_share:
            raise self._refusal(tenant, waiter.units)
        if self._queued <= self.size.waiting:
            return
        longest_of, longest = max(self._turns.items(), key=lambda turn: len(turn[1].waiting))
        if len(longest.waiting) <= len(tenant.waiting):
            raise self._refusal(tenant, waiter.units)
        newest = longest.waiting[-1]
        if not newest.admitted.done():
            newest.admitted.set_exception(self._refusal(longest, newest.units))
        self._remove(longest_of, longest, newest)

    def _patience(self, tenant: _Tenant, now: float) -> float:
        if not self._is_standing(tenant, now):
            return self.size.patience
        turns = BRISK_TURNS if self.size.brisk else STANDING_TURNS
        return min(self.size.patience, max(LEAST_PATIENCE, turns * self._takes))

    def _is_standing(self, tenant: _Tenant, now: float) -> bool:
        """Whether the queue has lasted longer than a burst takes, now or a moment ago."""
        burst = self.size.patience
        if self.size.brisk:
            turns = BURST_QUEUES * self.size.waiting_share / self._share(now)
            burst = min(burst, max(LEAST_BURST, turns * self._takes))
        if tenant.waiting and now - tenant.queued_since > burst:
            self._stands(tenant, now)
            return True
        return now < tenant.standing_until

    def _stands(self, tenant: _Tenant, now: float) -> None:
        """Remembers the overload, because a brisk queue may be empty in between."""
        if self.size.brisk:
            tenant.standing_until = now + self.size.patience

    def _withdraw(self, who: Hashable, tenant: _Tenant, waiter: _Waiter) -> None:
        """Removes a refused or cancelled request. Gives its units back if it was just admitted."""
        if waiter in tenant.waiting:
            self._remove(who, tenant, waiter)
        elif waiter.admitted.done() and not waiter.admitted.cancelled() and waiter.admitted.exception() is None:
            self._give_back(tenant, waiter.units)
        self._forget(who, tenant)
        self._admit(asyncio.get_running_loop().time())

    def _remove(self, who: Hashable, tenant: _Tenant, waiter: _Waiter) -> None:
        tenant.waiting.remove(waiter)
        self._queued -= 1
        if not tenant.waiting:
            del self._turns[who]

    def _refusal(self, tenant: _Tenant, units: int) -> TooBusy | Saturated:
        """TooBusy if the tenant would exceed its share, or if only its own units leave no room; else Saturated."""
        others = self._held - tenant.held
        is_own = tenant.held + units > self.size.share or others + units <= self.size.units
        telemetry.refused.labels(self._name, "own" if is_own else "all").inc()
        if is_own:
            return TooBusy(f"at most {self.size.share:,} {self._what} of {self._whose} at once: try again shortly")
        return Saturated(f"all {self.size.units:,} {self._what} that the service takes are in use: try again shortly")
