"""Fair semaphores and token buckets: never over their size, fair among tenants, nothing lost, and queues that end."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as profile
from hypothesis import strategies as st

from service.api.limits import Limits
from service.errors import RateExceeded, Saturated, TooBusy
from service.limits.fair_semaphore import CONTENDED_SECONDS, FairSemaphore, Size
from service.limits.token_buckets import REMEMBERED_CALLERS, Buckets
from service.settings import Settings
from tests import virtual_time
from tests.examples import examples

Outcomes = Counter[tuple[str, str]]


def run(work: Coroutine[Any, Any, None]) -> None:
    virtual_time.run(work)


def made_semaphore(units: int, share: int, **size: Any) -> FairSemaphore:
    return FairSemaphore("test", Size(units, share, **size), what="searches")


async def hold(semaphore: FairSemaphore, who: str, seconds: float, outcomes: Outcomes, *, units: int = 1) -> None:
    try:
        async with semaphore.slot(who, units):
            await asyncio.sleep(seconds)
            outcomes[who, "served"] += 1
    except TooBusy:
        outcomes[who, "own"] += 1
    except Saturated:
        outcomes[who, "all"] += 1


arrivals = st.lists(
    st.tuples(
        st.floats(0, 3),  # when it comes
        st.sampled_from("abc"),
        st.integers(1, 7),  # units
        st.floats(0, 1),  # how long it holds them
        st.one_of(st.none(), st.floats(0, 2)),  # when it is cancelled
    ),
    max_size=60,
)


@profile(max_examples=examples(60))
@given(
    arrivals, st.integers(1, 8), st.integers(1, 8), st.integers(0, 6), st.integers(0, 6), st.booleans(), st.booleans()
)
def test_a_semaphore_is_never_over_its_size_and_is_empty_in_the_end(
    given: list[tuple[float, str, int, float, float | None]],
    units: int,
    share: int,
    waiting: int,
    waiting_share: int,
    always: bool,
    brisk: bool,
) -> None:
    share = min(share, units)
    queue = {"waiting": waiting, "waiting_share": waiting_share, "patience": 0.5, "brisk": brisk}
    made = made_semaphore(units, share, always=always, **queue)
    held: Counter[str] = Counter()

    async def one(at: float, who: str, wanted: int, seconds: float) -> None:
        await asyncio.sleep(at)
        try:
            async with made.slot(who, wanted):
                held[who] += min(wanted, share)
                assert held.total() <= units
                assert not always or held[who] <= share
                await asyncio.sleep(seconds)
                held[who] -= min(wanted, share)
        except (TooBusy, Saturated):
            pass
        except asyncio.CancelledError:
            held[who] -= min(wanted, share) if asyncio.current_task() in inside else 0
            raise

    inside: set[asyncio.Task[None] | None] = set()

    async def work() -> None:
        tasks = []
        for at, who, wanted, seconds, cancelled in given:
            task = asyncio.create_task(one(at, who, wanted, seconds))
            tasks.append(task)
            if cancelled is not None:
                asyncio.get_running_loop().call_later(cancelled, lambda task=task: task.cancel())  # type: ignore[misc]
        while not all(task.done() for task in tasks):
            assert made._queued <= waiting
            await asyncio.sleep(0.2)
        assert (made._held, made._queued, made._tenants, made._turns) == (0, 0, {}, {})

    run(work())


@pytest.mark.slow
@pytest.mark.parametrize("flooding", [10, 100, 400])
def test_one_that_floods_does_not_delay_another(flooding: int) -> None:
    """The quiet tenant waits at most for the end of one search of the other, however many that one sends."""
    made = made_semaphore(8, 4, waiting=400, waiting_share=100, patience=1.0)
    outcomes: Outcomes = Counter()

    async def work() -> None:
        loop = asyncio.get_running_loop()
        stop = loop.time() + 5

        async def flood() -> None:
            while loop.time() < stop:
                await hold(made, "flood", 0.1, outcomes)
                await asyncio.sleep(0.1)

        flooders = [asyncio.create_task(flood()) for _ in range(flooding)]
        await asyncio.sleep(1)
        for number in range(20):
            before = loop.time()
            await hold(made, "quiet", 0.1, outcomes)
            assert loop.time() - before <= (0.1 if number else 0.2) + 1e-6
            await asyncio.sleep(0.05)
        await asyncio.gather(*flooders)

    run(work())
    assert outcomes["quiet", "served"] == 20
    assert outcomes["quiet", "own"] == outcomes["quiet", "all"] == 0
    assert outcomes["flood", "served"] > 170
    assert (outcomes["flood", "own"] > 0) == (flooding > 10)


@pytest.mark.slow
def test_all_tenants_that_flood_get_the_same() -> None:
    """They hold units for the same time in all, whether they send 20 or 200 at once, and short or long searches."""
    made = made_semaphore(6, 6, waiting=400, waiting_share=100, patience=1.0)
    time: Counter[str] = Counter()

    async def work() -> None:
        loop = asyncio.get_running_loop()

        async def flood(who: str, seconds: float) -> None:
            while loop.time() < 12:
                try:
                    async with made.slot(who):
                        await asyncio.sleep(seconds)
                        time[who] += round(seconds * 1000)
                except (TooBusy, Saturated):
                    await asyncio.sleep(0.2)

        kinds = {"many": (150, 0.1), "few": (20, 0.1), "long": (50, 0.4)}
        await asyncio.gather(*(flood(who, took) for who, (count, took) in kinds.items() for _ in range(count)))

    run(work())
    assert max(time.values()) < 1.2 * min(time.values()), time


def test_a_burst_waits_and_a_lasting_excess_is_refused_soon() -> None:
    made = made_semaphore(4, 4, waiting=400, waiting_share=100, patience=1.0)
    outcomes: Outcomes = Counter()
    waited: list[float] = []

    async def timed(seconds: float) -> None:
        loop = asyncio.get_running_loop()
        before = loop.time()
        try:
            async with made.slot("one"):
                waited.append(loop.time() - before)
                await asyncio.sleep(seconds)
        except TooBusy:
            outcomes["one", "own"] += 1

    async def work() -> None:
        await asyncio.gather(*(timed(0.02) for _ in range(100)))  # 0.5 s of work
        assert outcomes.total() == 0
        waited.clear()
        tasks = []
        for _ in range(1_000):  # twice what it can do, for 5 s
            tasks.append(asyncio.create_task(timed(0.04)))
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)

    run(work())
    assert 0.35 < outcomes["one", "own"] / 1_000 < 0.6
    late = sorted(waited[len(waited) // 2 :])
    assert late[-len(late) // 20] <= 4 * 0.04 + 0.01


@dataclass
class Load:
    """Requests at a rate to a server with two processors: the more run at once, the longer each takes."""

    made: FairSemaphore
    rng: random.Random = field(default_factory=lambda: random.Random(7))
    under_way: int = 0
    seconds: list[float] = field(default_factory=list)
    refused: int = 0

    async def ask(self, who: str) -> None:
        clock = asyncio.get_running_loop().time
        before = clock()
        try:
            async with self.made.slot(who):
                self.under_way += 1
                await asyncio.sleep(self.rng.uniform(0.5, 1.5) * 0.01 * max(1, self.under_way / 2))
                self.under_way -= 1
        except (TooBusy, Saturated):
            self.refused += 1
        else:
            self.seconds.append(clock() - before)

    async def at(self, rate: float, seconds: float, tenants: str = "abcd") -> tuple[int, float]:
        """The number of answers, and the 99th percentile of their seconds, without those of the first two seconds."""
        tasks = []
        for number in range(int(rate * seconds)):
            tasks.append(asyncio.create_task(self.ask(tenants[number % len(tenants)])))
            await asyncio.sleep(self.rng.expovariate(rate))
            if number == int(rate * 2):
                self.seconds.clear()
        await asyncio.gather(*tasks)
        return len(self.seconds), sorted(self.seconds)[int(0.99 * len(self.seconds))]


@pytest.mark.slow
@pytest.mark.parametrize("tenants", ["a", "abcd"])
def test_answers_at_twice_the_capacity_are_nearly_as_quick_as_before(tenants: str) -> None:
    settings = Settings.load()

    async def work() -> None:
        _, quiet = await Load(Limits.of(settings).searches).at(0.8 * 200, 12, tenants)
        load = Load(Limits.of(settings).searches)
        answered, busy = await load.at(2 * 200, 12, tenants)
        assert answered > 0.9 * 200 * 10
        assert load.refused > 0.4 * 2 * 200 * 12 * 0.9
        assert busy <= 2 * quiet, (busy, quiet)

    run(work())


def test_the_queue_of_searches_serves_a_burst_too() -> None:
    outcomes: Outcomes = Counter()

    async def work() -> None:
        made = Limits.of(Settings.load()).searches
        for seconds in (0.001, 0.01, 0.1):
            await asyncio.gather(*(hold(made, "one", seconds, outcomes) for _ in range(100)))

    run(work())
    assert outcomes == {("one", "served"): 300}


def test_when_all_is_full_the_longest_queue_loses_requests() -> None:
    made = made_semaphore(2, 1, waiting=4, waiting_share=4, patience=10.0, always=True)
    outcomes: Outcomes = Counter()

    async def work() -> None:
        tasks = [asyncio.create_task(hold(made, who, 0.1, outcomes)) for who in "aabaaabcd"]
        await asyncio.gather(*tasks)

    run(work())
    assert outcomes["a", "own"] == 3
    assert outcomes["b", "served"] == 2
    assert outcomes["c", "served"] == outcomes["d", "served"] == 1
    assert sum(count for (_who, what), count in outcomes.items() if what == "all") == 0


def test_a_tenant_that_is_alone_uses_all_units_unless_its_share_always_counts() -> None:
    outcomes: Outcomes = Counter()

    async def work() -> None:
        for always, served in ((False, 4), (True, 2)):
            outcomes.clear()
            made = made_semaphore(4, 2, always=always)
            await asyncio.gather(*(hold(made, "one", 0.1, outcomes) for _ in range(5)))
            assert outcomes == {("one", "served"): served, ("one", "own"): 5 - served}

    run(work())


def test_bodies_of_one_that_was_alone_leave_room_for_others() -> None:
    """One organization was alone for long, announces large bodies, and sends nothing. Then another one comes."""
    outcomes: Outcomes = Counter()

    async def work() -> None:
        bodies = Limits.of(Settings.load()).bodies.organizations
        await hold(bodies, "one", 2 * CONTENDED_SECONDS, outcomes, units=1)
        held = [asyncio.create_task(hold(bodies, "one", 60, outcomes, units=10_000_000)) for _ in range(7)]
        await asyncio.sleep(CONTENDED_SECONDS)
        await hold(bodies, "another", 1, outcomes, units=10_000_000)
        assert outcomes["another", "served"] == 1
        await asyncio.gather(*held)

    run(work())
    assert outcomes["one", "own"] == 4


def test_the_refusal_says_if_only_others_hold_the_units() -> None:
    outcomes: Outcomes = Counter()

    async def work() -> None:
        made = made_semaphore(4, 2, always=True)
        await asyncio.gather(*(hold(made, who, 0.1, outcomes) for who in "aabbc"))

    run(work())
    assert outcomes["c", "all"] == 1


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


@given(st.lists(st.tuples(st.floats(0, 2), st.integers(0, 5)), min_size=1, max_size=200), st.integers(1, 20))
def test_a_caller_gets_no_more_than_its_rate_and_burst(steps: list[tuple[float, int]], burst: int) -> None:
    clock = Clock()
    buckets = Buckets(5.0, burst, clock=clock)
    used = 0.0
    for pause, extra in steps:
        clock.now += pause
        balance = buckets.balance("one")
        try:
            buckets.take("one")
        except RateExceeded as error:
            assert balance.left == 0
            clock.now += error.retry_after
            buckets.take("one")  # the time that it names is enough
        used += 1 + extra
        buckets.charge("one", extra)
        assert used <= burst + 5.0 * clock.now + 5 + 1e-6  # one request's weight may be owed
        buckets.take("another") if clock.now == 0 and burst > len(steps) else None


def test_remembered_callers_are_bounded_and_0_means_no_limit() -> None:
    buckets = Buckets(1.0, 1, clock=Clock())
    for number in range(REMEMBERED_CALLERS + 100):
        buckets.take(str(number))
    assert len(buckets._buckets) == REMEMBERED_CALLERS
    with pytest.raises(RateExceeded, match=r"1 units a second, .* \(a request costs 1 unit"):
        buckets.take(str(REMEMBERED_CALLERS))
    free = Buckets(0, 1)
    for _ in range(100):
        free.take("one")
