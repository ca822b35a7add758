"""Causes faults in a cluster of three nodes during loads, writes, reindexes and reads, and checks each answer.

A line for each fault says how soon the service recovered: how soon it was at least half as fast as before, or as fast
as `--speed` says. Exit code 1: an answer was wrong or partial, or an acknowledged write is lost; 2: the service was
slow for too long, or is less than half as fast at the end as at the start. One line names the seed and the fault.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import threading
import time
from collections import Counter

from service.client import Client
from tests.faults import speed
from tests.faults.plan import Planned, happen, plan
from tests.faults.speed import Speed
from tests.faults.table import KINDS, LEFT_OUT, NotNow
from tests.faults.workers import Work, load_until_over, reindex_until_over, work_until_over
from tests.faults.world import ALIAS, World
from tests.program_options import Parser, heap, minutes, number, whole

WARM_SECONDS = 8.0
ROUNDS = 12
SLOW_SECONDS = 3.0
BEFORE_SECONDS = 6.0
RETRY_SECONDS = 20.0
REMEMBERED_SECONDS = 200.0
LONG_MINUTES = 5.0  # beyond which the faults last longer
LONG_SUSPENSION_SECONDS = 30.0


class Failed(Exception):
    """The run failed. The text says what was wrong."""

    code = 1


class TooSlow(Failed):
    """The service was slow for too long, perhaps because the machine is busy."""

    code = 2


def main() -> None:
    parser = Parser(prog="scripts/faults", description=__doc__)
    parser.add_argument("--seed", type=whole(0), default=random.randrange(10_000), help="repeats a sequence of faults")
    parser.add_argument(
        "--minutes", type=minutes(), default=3.0, help="how long faults happen, after the start (default: 3)"
    )
    parser.add_argument("--only", help="one kind of fault, again and again")
    parser.add_argument("--readers", type=whole(1, 10_000), default=100, help="default: 100")
    parser.add_argument("--writers", type=whole(1, 10_000), default=4, help="default: 4")
    parser.add_argument(
        "--pause",
        type=number(above=0, most=3_600),
        default=3.0,
        help="mean seconds between reads of a reader (default: 3)",
    )
    parser.add_argument("--heap", type=heap, default="768m", help="of each node (default: 768m)")
    parser.add_argument(
        "--recover",
        type=number(above=0, most=3_600),
        default=10.0,
        help="seconds in which the service must recover after a fault (default: 10)",
    )
    parser.add_argument(
        "--speed", type=number(above=0, most=1), default=speed.LEAST_SHARE,
        help="the share of the reads a second before a fault that counts as recovered (default: 0.5)",
    )  # fmt: skip
    given = parser.parse_args()
    if given.only is not None and given.only not in KINDS:
        parser.error("--only must be one of:\n" + "\n".join([*sorted(KINDS), *LEFT_OUT]))
    try:
        with World(given.heap, say) as world:
            Run(Work(world, given.seed, given.pause), given).run()
    except Failed as found:
        say(f"faults: seed {given.seed}: {found}")
        sys.exit(found.code)


def say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


class Run:
    """One run, and how soon the service recovered from each fault."""

    def __init__(self, work: Work, given: argparse.Namespace) -> None:
        self.work, self.given = work, given
        self.times: dict[str, list[float]] = {}
        self.later: list[Planned] = []
        self.is_long = given.minutes > LONG_MINUTES
        if self.is_long:
            work.suspended_seconds = LONG_SUSPENSION_SECONDS
        self.before = self.first = Speed(0.0, 0.0, is_clean=False)

    def run(self) -> None:
        given, work = self.given, self.work
        say(f"seed {given.seed}: {len(KINDS)} kinds of faults, {given.minutes:g} minutes, {given.readers} readers")
        for kind in LEFT_OUT:
            say(f"left out: {kind}")
        threads = [
            threading.Thread(
                target=lambda: asyncio.run(work_until_over(work, given.readers, given.writers)), daemon=True
            ),
            threading.Thread(target=load_until_over, args=(work,), daemon=True),
            threading.Thread(target=reindex_until_over, args=(work,), daemon=True),
        ]
        for thread in threads:
            thread.start()
        try:
            self._warm_up()
            ends = time.monotonic() + 60 * given.minutes
            planned = plan(given.seed, [given.only] if given.only else list(KINDS), is_long=self.is_long)
            for later in happen(planned, self._one):
                self.later = later
                if time.monotonic() > ends:
                    break
            self._compare_with_the_start()
        except TooSlow:
            if not all(thread.is_alive() for thread in threads):
                raise Failed("the run itself failed: a thread of its readers, writers or loads has ended") from None
            work.is_over = True
            work.world.end_commands()  # they would wait for the cluster
            raise
        finally:
            work.is_over = True
            for thread in threads:
                thread.join()
            self._report_kinds()
        self._check_the_index()
        self._report()

    def _warm_up(self) -> None:
        """Waits until the service answers all reads, and slows the readers down if the machine is too busy for them."""
        for _round in range(ROUNDS):
            time.sleep(WARM_SECONDS)
            now = time.monotonic()
            self.before = Speed.of(list(self.work.answers), now - BEFORE_SECONDS, now)
            if self.before.is_clean and self.before.rate > 0 and self.before.median < SLOW_SECONDS:
                self.first = self.before
                say(f"before: {self.before.rate:.1f} reads a second, {1000 * self.before.median:.0f} ms")
                return
            self.work.pause *= 1.3
        raise TooSlow(f"the service does not answer before any fault: {self.before}, {dict(self.work.counts)}")

    def _one(self, planned: Planned) -> bool:
        """Whether the fault happened; it does not if its kind cannot happen now."""
        self._measure()
        name = self.work.fault = planned.name
        began = time.monotonic()
        try:
            with KINDS[name](self.work, planned.choices(), planned.hold):
                ended = time.monotonic()
        except NotNow:
            return False
        found = self._await_recovery(name, ended)
        self.times.setdefault(name, []).append(found)
        say(f"{name}: {ended - began:.1f} s, then recovered after {found:.1f} s")
        return True

    def _measure(self) -> None:
        """Measures the speed before a fault. While many reads still fail, it keeps the last measured speed."""
        now = time.monotonic()
        self.work.answers[:] = [one for one in self.work.answers if one.ended > now - REMEMBERED_SECONDS]
        found = Speed.of(self.work.answers, now - BEFORE_SECONDS, now)
        if found.is_clean and found.rate > 0:
            self.before = found

    def _await_recovery(self, name: str, ended: float) -> float:
        retry_at = ended + RETRY_SECONDS
        while True:
            self._refuse_wrong()
            now = time.monotonic()
            found = speed.recovered_after(list(self.work.answers), ended, now, self.before, least=self.given.speed)
            if found is not None:
                return found
            if now - ended > self.given.recover + 2 * speed.WINDOW_SECONDS:
                last = Speed.of(list(self.work.answers), now - BEFORE_SECONDS, now)
                raise TooSlow(
                    f"after '{name}': not recovered within {self.given.recover:g} s ({last}, before {self.before})"
                )
            if now > retry_at:
                say(f"{name}: not recovered after {now - ended:.0f} s; closing points in time, opening shards again")
                self.work.world.retry_shards()
                retry_at += RETRY_SECONDS
            time.sleep(0.25)

    def _compare_with_the_start(self) -> None:
        """Finds losses of speed that are too small to notice after each fault, but add up."""
        ends = time.monotonic() + BEFORE_SECONDS + self.given.recover
        while True:
            time.sleep(BEFORE_SECONDS)
            self._refuse_wrong()
            now = time.monotonic()
            last = Speed.of(list(self.work.answers), now - BEFORE_SECONDS, now)
            share = last.share_of(self.first)
            if last.is_clean and share >= speed.LEAST_SHARE:
                say(f"at the end, without faults: {last.rate:.1f} reads a second, {1000 * last.median:.0f} ms, "
                    f"{share:.2f} of the speed at the start")  # fmt: skip
                return
            if now > ends:
                raise TooSlow(
                    f"at the end, without faults: {share:.2f} of the speed at the start ({last}, {self.first})"
                )

    def _refuse_wrong(self) -> None:
        if self.work.wrong:
            raise Failed(self.work.wrong[0])

    def _check_the_index(self) -> None:
        """The ledger equals the index."""
        self._refuse_wrong()
        self.work.world.revive()
        found = self.work.world.act(everything)
        wrong = self.work.ledger.problems(found)
        if wrong:
            raise Failed(f"{len(wrong)} differences between the ledger and the index at the end, such as: {wrong[0]}")
        self.found = len(found)

    def _report_kinds(self) -> None:
        say("how often each kind happened:")
        for name in sorted(KINDS):
            times = self.times.get(name, [])
            waiting = sum(one.name == name for one in self.later)
            say(f"{len(times):4} {name}" + (f" (and {waiting} postponed until the end)" if waiting else ""))

    def _report(self) -> None:
        ledger, times = self.work.ledger, [one for found in self.times.values() for one in found]
        say(f"{len(times)} faults of {len(self.times)} kinds; recovered ({self.given.speed:.0%} of the speed before) after "
            f"{max(times):.1f} s at most, "
            f"{sorted(times)[len(times) // 2]:.1f} s in the median")  # fmt: skip
        say(f"{ledger.sent_writes} writes sent, {ledger.acknowledged_writes} acknowledged, none lost; "
            f"{self.found} conversations at the end; no answer was wrong or partial")  # fmt: skip
        for what, count in sorted(Counter(self.work.counts).items()):
            say(f"{what}: {count}")


async def everything(client: Client) -> dict[tuple[str, str], tuple[int, str]]:
    """All conversations of the index: version and subject, by organization and uid."""
    await client.indices.refresh(index=f"{ALIAS}-*")
    found: dict[tuple[str, str], tuple[int, str]] = {}
    answer = await client.search(index=ALIAS, body={"size": 2000, "version": True}, params={"scroll": "5m"})
    while answer["hits"]["hits"]:
        for hit in answer["hits"]["hits"]:
            one = hit["_source"]
            if "tombstone" not in one:
                found[one["organization_uid"], one["uid"]] = hit["_version"], one["subject"]
        answer = await client.scroll(body={"scroll_id": answer["_scroll_id"], "scroll": "5m"})
    return found


if __name__ == "__main__":
    main()
