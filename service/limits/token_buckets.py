"""Token buckets, which limit the rate at which each caller may send requests."""

from __future__ import annotations

import math
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

from service import telemetry
from service.errors import RateExceeded

REMEMBERED_CALLERS = 10_000
NAME = "caller"


@dataclass(slots=True)
class _Bucket:
    balance: float
    at: float


@dataclass(frozen=True, slots=True)
class Balance:
    """What a caller has left, in whole units, and the seconds until it has `burst` again."""

    left: int
    seconds: int


class Buckets:
    """A bucket for each caller, or for each address. A rate of 0 means no limit.

    It holds `burst` units at most, and `rate` units flow in each second.

    A request is refused while its caller has less than 1 unit. A charge may make a balance negative, because the weight
    of a request is known only once it is parsed.
    """

    def __init__(
        self,
        rate: float,
        burst: int,
        *,
        limit: str = "rate",
        refusal: str = (
            "your requests cost more than {rate:g} units a second, or {burst:,} at once "
            "(a request costs 1 unit, and an expensive one more)"
        ),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`limit` is its name in the metrics, and `refusal` begins the message of a refusal."""
        self.rate = rate
        self.burst = burst
        self._limit = limit
        self._refusal = refusal.format(rate=rate, burst=burst)
        self._clock = clock
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()  # the most recently used one is at the end
        telemetry.refuses(limit)

    def take(self, who: str) -> None:
        """Takes 1 unit. Raises RateExceeded, with the time to wait, if there is none."""
        self.require(who)
        if self.rate:
            self._filled(who).balance -= 1

    def require(self, who: str) -> None:
        """Raises RateExceeded, with the time to wait, if there is not 1 unit. Takes none."""
        if not self.rate:
            return
        bucket = self._filled(who)
        if bucket.balance < 1 - 1e-9:  # the balance is a sum of fractions
            telemetry.refused.labels(self._limit, "own").inc()
            raise RateExceeded(
                f"{self._refusal}: wait as long as Retry-After says",
                retry_after=math.ceil((1 - bucket.balance) / self.rate),
            )

    def charge(self, who: str, units: float) -> None:
        """Takes what a request costs above the 1 unit of every request."""
        if self.rate and units > 0:
            self._filled(who).balance -= units

    def give_back(self, who: str) -> None:
        """Undoes `take`, for a request that turned out not to count."""
        if self.rate:
            self._filled(who).balance += 1

    def balance(self, who: str) -> Balance:
        bucket = self._filled(who)
        return Balance(max(0, math.floor(bucket.balance)), math.ceil((self.burst - bucket.balance) / self.rate))

    def _filled(self, who: str) -> _Bucket:
        now = self._clock()
        bucket = self._buckets.get(who)
        if bucket is None:
            bucket = self._buckets[who] = _Bucket(self.burst, now)
            if len(self._buckets) > REMEMBERED_CALLERS:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(who)
        bucket.balance = min(float(self.burst), bucket.balance + (now - bucket.at) * self.rate)
        bucket.at = now
        return bucket
