"""What limits do: a quiet organization beside one that floods, and twice as many requests as the service can answer.

Both are measured with the limits and without them, in one run.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import statistics
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, closing, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

from service import progress
from service.settings import Settings
from tests.bench import generate, rig
from tests.bench.sender import Sender
from tests.bench.workload import Case, first_pages

FLOODING_CLIENTS = 100
SECONDS = 12.0
ROUNDS = 3
WARM_SECONDS = 2.0
PAUSE_SECONDS = 0.03  # of the quiet client
SLOW, IDLE = 500, 2_000
FILES_SECONDS = 0.1  # between two counts of the open files of the process
CROWD_SECONDS = 4.0  # until all of it is connected
SHARES = (0.8, 2.0)  # of the service's capacity
CLIENTS_AT_CAPACITY = 8
WITHOUT = {
    f"CONVERSATIONS_{name}": "10000"
    for name in ("SEARCHES", "SEARCHES_PER_ORGANIZATION", "SEARCHES_WAITING", "SEARCHES_WAITING_PER_ORGANIZATION")
}
SETTINGS: dict[str, dict[str, str]] = {"with limits": {}, "without": WITHOUT}


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


@dataclass
class Answers:
    """The answers to one client or more: statuses, the seconds of those that were 200, and how late they were sent."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)

    def add(self, more: Answers) -> None:
        self.statuses += more.statuses
        self.seconds += more.seconds
        self.late += more.late

    def milliseconds(self, share: float) -> float:
        return 1000 * quantile(self.seconds, share)

    @property
    def text(self) -> str:
        refused = sum(count for status, count in self.statuses.items() if status in (429, 503))
        others = self.statuses.total() - self.statuses[200] - refused
        return (
            f"{self.statuses[200]:,} | {refused:,} | {others:,} | {self.milliseconds(0.5):.0f} ms | "
            f"{self.milliseconds(0.99):.0f} ms"
        )


@dataclass
class Measured:
    """The results of several rounds."""

    answers: Answers = field(default_factory=Answers)
    files: int = 0
    megabytes: list[float] = field(default_factory=list)

    def add(self, answers: Answers, files: int, megabytes: float) -> None:
        self.answers.add(answers)
        self.files = max(self.files, files)
        self.megabytes.append(megabytes)

    @property
    def text(self) -> str:
        return f"{self.answers.text} | {statistics.mean(self.megabytes):.0f} MB | {self.files}"


class Service:
    """The running service, and the clients that ask it."""

    def __init__(self, sender: Sender, address: str, pid: int, settings: Settings) -> None:
        self.sender, self.address, self.pid = sender, address, pid
        self.tokens = {one: rig.token(settings, one) for one in (*generate.ORGANIZATIONS[:4], generate.STEADY)}
        words = generate.vocabulary()
        self.cases = {one: [c for c in first_pages(words, one) if c.kind != "sort"] for one in self.tokens}

    async def ask(self, case: Case, answers: Answers) -> None:
        started = time.perf_counter()
        path = f"/api/conversations?{case.query_string}"
        status = await self.sender.get(path, self.tokens[case.organization])
        answers.statuses[status] += 1
        if status == 200:
            answers.seconds.append(time.perf_counter() - started)

    async def client(self, organization: UUID, answers: Answers, ends: float, *, pause: float = 0.0) -> None:
        """One client, which asks again as soon as it has an answer; it ignores Retry-After."""
        at = 0
        while time.perf_counter() < ends:
            await self.ask(self.cases[organization][at % len(self.cases[organization])], answers)
            at += 1
            await asyncio.sleep(pause)

    async def quiet(self) -> Answers:
        answers = Answers()
        await self.client(generate.STEADY, answers, time.perf_counter() + SECONDS, pause=PAUSE_SECONDS)
        return answers

    @asynccontextmanager
    async def flooded(self) -> AsyncIterator[Answers]:
        answers = Answers()
        work = [self.client(generate.LARGEST, answers, float("inf")) for _ in range(FLOODING_CLIENTS)]
        flood = asyncio.gather(*work)
        await asyncio.sleep(WARM_SECONDS)
        try:
            yield answers
        finally:
            flood.cancel()
            await asyncio.gather(flood, return_exceptions=True)

    async def capacity(self) -> float:
        """Requests a second, of a few clients of several organizations that always wait for their answers."""
        answers, organizations = Answers(), [*generate.ORGANIZATIONS[:4]]
        started = time.perf_counter()
        await asyncio.gather(
            *(
                self.client(organizations[number % 4], answers, started + SECONDS / 2)
                for number in range(CLIENTS_AT_CAPACITY)
            )
        )
        return len(answers.seconds) / (time.perf_counter() - started)

    async def at_rate(self, rate: float, seconds: float) -> tuple[Answers, int]:
        """The answers to `rate` requests a second, and the most files that the process had open.

        The requests are spread evenly, and do not wait for answers. If a busy machine sends them late, `late` shows it.
        """
        answers, tasks, files = Answers(), set[asyncio.Task[None]](), 0
        everything = [case for one in generate.ORGANIZATIONS[:4] for case in self.cases[one]]
        begun = Answers()  # of the first seconds, which do not count
        started, looked = time.perf_counter(), 0.0
        for sent in range(int(rate * (WARM_SECONDS + seconds))):
            due = started + sent / rate
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            now = time.perf_counter()
            counted = answers if due > started + WARM_SECONDS else begun
            counted.late.append(now - due)
            task = asyncio.create_task(self.ask(everything[(sent * 7) % len(everything)], counted))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            if now > looked + FILES_SECONDS:
                files, looked = max(files, self.files()), now
        await asyncio.gather(*tasks)
        return answers, files

    @asynccontextmanager
    async def crowded(self) -> AsyncIterator[None]:
        """While the block runs, some connections send nothing, and others send a byte now and then."""
        url = urlsplit(self.address)
        command = [sys.executable, "-m", "tests.bench.crowd", str(url.hostname), str(url.port), str(IDLE), str(SLOW)]
        crowd = await asyncio.create_subprocess_exec(*command)
        await asyncio.sleep(CROWD_SECONDS)
        try:
            yield
        finally:
            crowd.kill()
            await crowd.wait()

    def files(self) -> int:
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def megabytes(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0


async def prepare(settings: Settings, url: str, conversations: int) -> None:
    """Loads, and allows this process as many connections as it needs."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = conversations * (generate.REST + 1) // generate.REST
    await rig.load(settings, url, generate.conversations(wanted), wanted)
    await rig.load(settings, url, generate.steady(20_000), 20_000)


async def run(settings: Settings, url: str, folder: Path, conversations: int) -> str:
    """Loads, measures, and returns the tables."""
    await prepare(settings, url, conversations)
    flood: list[str] = []
    overload: list[str] = []
    for name, limits in SETTINGS.items():
        progress.say(f"Measuring {name}")
        with (
            rig.served(settings, url, folder / f"{name}.log", **limits) as (address, pid),
            closing(Sender(address)) as sender,
        ):
            service = Service(sender, address, pid, settings)
            await service.capacity()
            flood += await _flood(name, service)
            overload += await _overload(name, service)
    return "\n".join([*_heading(conversations), *FLOOD_TABLE, *flood, "", *OVERLOAD_TABLE, *overload])


async def _flood(name: str, service: Service) -> Sequence[str]:
    """The quiet organization alone and beside the flood, in turns, so that other programs disturb both alike."""
    alone, beside, flood = Answers(), Answers(), Answers()
    for _round in range(ROUNDS):
        alone.add(await service.quiet())
        async with service.flooded() as flooding:
            beside.add(await service.quiet())
        flood.add(flooding)
    return [
        f"| {name}: quiet, alone | {alone.text} |",
        f"| {name}: quiet, beside the flood | {beside.text} |",
        f"| {name}: the flood | {flood.text} |",
        f"| {name}: p99 beside to alone | {beside.milliseconds(0.99) / alone.milliseconds(0.99):.1f} times | | | | |",
    ]


async def _overload(name: str, service: Service) -> Sequence[str]:
    """Each share alone and beside the crowd, in turns, so that other programs disturb both alike."""
    capacity = await service.capacity()
    found: dict[tuple[float, bool], Measured] = {}
    for _round in range(ROUNDS):
        for is_crowded in (False, True):
            async with service.crowded() if is_crowded else nullcontext():
                for share in SHARES:
                    measured = found.setdefault((share, is_crowded), Measured())
                    answers, files = await service.at_rate(share * capacity, SECONDS / ROUNDS)
                    measured.add(answers, files, service.megabytes())
    crowd = f", with {SLOW} slow senders and {IDLE:,} idle connections"
    return [
        f"| {name}: {share:g} of {capacity:.0f}/s{crowd if is_crowded else ''} | {found[share, is_crowded].text} |"
        for is_crowded in (False, True)
        for share in SHARES
    ]


def _heading(conversations: int) -> list[str]:
    date = datetime.now(UTC).date().isoformat()
    return [f"{date}, {os.cpu_count()} cores, `scripts/bench --limits --conversations {conversations}`:", ""]


FLOOD_TABLE = (
    "| who | answered | refused | failed | p50 | p99 |",
    "|---|---|---|---|---|---|",
)
OVERLOAD_TABLE = (
    "| requests a second | answered | refused | failed | p50 | p99 | memory after | most descriptors |",
    "|---|---|---|---|---|---|---|---|",
)
