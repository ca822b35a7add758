"""Limits on work that lasts as long as a client wants, such as writes: what a caller and what others get."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from service.api.limits import Limits
from service.errors import Saturated, TooBusy
from service.identity.caller import Caller
from service.limits.lasting_semaphore import LastingSemaphore
from service.settings import Settings
from tests.virtual_time import run

LASTING: dict[str, tuple[Callable[[Limits], LastingSemaphore], int]] = {  # and the units of a request, of four in all
    "exports": (lambda limits: limits.exports, 1),
    "writes": (lambda limits: limits.writes, 20),
    "bytes of bulk writes": (lambda limits: limits.bodies, 16_000_000),
    "bytes of large answers": (lambda limits: limits.answers, 32_000_000),
}


@pytest.mark.parametrize("what", LASTING)
def test_a_caller_of_many_organizations_leaves_exports_and_other_things_for_others(what: str) -> None:
    async def work() -> None:
        chosen, units = LASTING[what]
        shared = chosen(Limits.of(Settings.load()))

        async def use(caller: str, number: int) -> None:
            async with shared.slot(caller, number, units):
                await asyncio.sleep(60)

        held = [asyncio.create_task(use("one", number)) for number in range(4)]
        await asyncio.sleep(6)
        refused = [str(one.exception()) for one in held if one.done()]
        assert refused == [f"at most {2 * units:,} {what} of a caller at once: try again shortly"] * 2
        await asyncio.gather(*(use("another", number) for number in (1, 9)))

    run(work())


@pytest.mark.parametrize("what", LASTING)
def test_callers_that_wait_for_their_organization_do_not_block_others(what: str) -> None:
    async def work() -> None:
        chosen, units = LASTING[what]
        shared = chosen(Limits.of(Settings.load()))
        outcomes: Counter[tuple[str, str]] = Counter()

        async def use(caller: str, who: str, seconds: float) -> None:
            try:
                async with shared.slot(caller, who, units):
                    await asyncio.sleep(seconds)
                    outcomes[who, "served"] += 1
            except TooBusy:
                outcomes[who, "own"] += 1

        flood = [asyncio.create_task(use(f"caller {number}", "flood", 60)) for number in range(8)]
        await asyncio.sleep(0.5)
        before = asyncio.get_running_loop().time()
        await use("another", "quiet", 0.1)
        assert asyncio.get_running_loop().time() - before == pytest.approx(0.1)
        await asyncio.gather(*flood)
        assert outcomes == {("flood", "served"): 2, ("flood", "own"): 6, ("quiet", "served"): 1}

    run(work())


class Writing:
    """Writes through the limits. The cluster has two processors: four parts at once take twice as long as two."""

    PART_SECONDS, PARTS = 0.1, 10

    def __init__(self) -> None:
        self.limits = Limits.of(Settings.load())
        self.under_way: Counter[UUID] = Counter()
        self.statuses: Counter[tuple[str, int]] = Counter()

    async def write(self, who: Caller, size: int) -> float:
        """The seconds that it took."""
        clock = asyncio.get_running_loop().time
        before = clock()
        organization = next(iter(who.organizations))
        try:
            async with self.limits.write(who, {str(organization)}, size):
                self.under_way[organization] += 1
                for _ in range(self.PARTS if size > 1_000 else 1):
                    await asyncio.sleep(self.PART_SECONDS * max(1, self.under_way.total() / 2))
                self.under_way[organization] -= 1
            self.statuses[who.user, 200] += 1
        except (TooBusy, Saturated) as error:
            self.statuses[who.user, 429 if isinstance(error, TooBusy) else 503] += 1
        return clock() - before


@pytest.mark.slow
@pytest.mark.parametrize("flooding", [["flood"], ["flood", "another"]])
def test_one_that_floods_with_bulk_writes_delays_another_for_one_of_them_at_most(flooding: list[str]) -> None:
    """It sends 50 at once, again and again. Without a limit, all would be under way, and a part would take 2.5 s."""
    writing = Writing()
    bulks: list[float] = []
    singles: list[float] = []

    async def work() -> None:
        loop = asyncio.get_running_loop()

        async def flood(who: Caller) -> None:
            while loop.time() < 60:
                bulks.append(await writing.write(who, 5_000_000))
                await asyncio.sleep(0.5)

        callers = [made_caller(who) for who in flooding]
        tasks = [asyncio.create_task(flood(who)) for who in callers for _ in range(50)]
        quiet = made_caller("quiet")
        while loop.time() < 50:
            await asyncio.sleep(0.7)
            assert all(writing.under_way[next(iter(who.organizations))] <= 4 for who in callers)
            singles.append(await writing.write(quiet, 1_000))
        await asyncio.gather(*tasks)

    run(work())
    assert writing.statuses["quiet", 429] == writing.statuses["quiet", 503] == 0
    assert writing.statuses["flood", 429] + writing.statuses["flood", 503] > 100
    one_bulk = Writing.PARTS * Writing.PART_SECONDS * 4 * len(flooding) / 2
    assert max(singles) <= one_bulk + Writing.PART_SECONDS * 5, (max(singles), one_bulk)
    if len(flooding) == 1:
        assert max(singles) <= 3 * Writing.PART_SECONDS, "it need not wait for a place at all"


def made_caller(user: str) -> Caller:
    organization = uuid5(NAMESPACE_URL, user)
    return Caller(user, frozenset({organization}), None)
