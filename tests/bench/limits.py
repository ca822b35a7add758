"""What limits do: a quiet organization beside one that floods, and twice as many requests as the service can answer.

Both are measured with the limits and without them, in one run.
"""

from __future__ import annotations

import asyncio
import os
import re
import resource
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp

from service import progress
from service.settings import Settings
from tests.bench import generate, rig
from tests.bench.workload import Case, first_pages

FLOODING_CLIENTS = 100
SECONDS = 12.0
WARM_SECONDS = 2.0
PAUSE_SECONDS = 0.03  # of the quiet client
SLOW, IDLE, DROP_SECONDS = 500, 2_000, 2.0
SHARES = (0.8, 2.0)  # of what the service can do
CLIENTS_AT_CAPACITY = 8
WITHOUT = {
    f"CONVERSATIONS_{name}": "10000"
    for name in ("SEARCHES", "SEARCHES_PER_ORGANIZATION", "SEARCHES_WAITING", "SEARCHES_WAITING_PER_ORGANIZATION")
}
SETTINGS: dict[str, dict[str, str]] = {"with limits": {}, "without": WITHOUT}


@dataclass
class Answers:
    """The answers to one client or more: statuses, and the seconds of those that were 200."""

    statuses: Counter[int] = field(default_factory=Counter)
    seconds: list[float] = field(default_factory=list)

    def milliseconds(self, share: float) -> float:
        ordered = sorted(self.seconds)
        return 1000 * ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")

    @property
    def text(self) -> str:
        refused = sum(count for status, count in self.statuses.items() if status in (429, 503))
        others = self.statuses.total() - self.statuses[200] - refused
        return (
            f"{self.statuses[200]:,} | {refused:,} | {others:,} | {self.milliseconds(0.5):.0f} ms | "
            f"{self.milliseconds(0.99):.0f} ms"
        )


class Service:
    """The running service, and what asks it."""

    def __init__(self, session: aiohttp.ClientSession, address: str, pid: int, settings: Settings) -> None:
        self._session, self._address, self._pid = session, address, pid
        self._tokens = {one: rig.token(settings, one) for one in (*generate.ORGANIZATIONS[:4], generate.STEADY)}
        words = generate.vocabulary()
        self.cases = {one: [c for c in first_pages(words, one) if c.kind != "sort"] for one in self._tokens}

    async def ask(self, case: Case, answers: Answers) -> None:
        started = time.perf_counter()
        headers = {"Authorization": f"Bearer {self._tokens[case.organization]}"}
        try:
            url = f"{self._address}/api/conversations?{case.query_string}"
            async with self._session.get(url, headers=headers) as answer:
                await answer.read()
                status = answer.status
        except (aiohttp.ClientError, TimeoutError):
            status = 0
        answers.statuses[status] += 1
        if status == 200:
            answers.seconds.append(time.perf_counter() - started)

    async def client(self, organization: UUID, answers: Answers, ends: float, *, pause: float = 0.0) -> None:
        """One client, which asks again as soon as it has an answer; it does not look at Retry-After."""
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

    async def at_rate(self, rate: float) -> tuple[Answers, int]:
        """So many requests a second, whether they are answered or not; and the most files that the process had open."""
        answers, tasks, files = Answers(), set[asyncio.Task[None]](), 0
        everything = [case for one in generate.ORGANIZATIONS[:4] for case in self.cases[one]]
        started, sent = time.perf_counter(), 0
        while (now := time.perf_counter() - started) < SECONDS:
            while sent < now * rate:
                task = asyncio.create_task(self.ask(everything[(sent * 7) % len(everything)], answers))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                sent += 1
            files = max(files, len(os.listdir(f"/proc/{self._pid}/fd")))
            await asyncio.sleep(0.005)
        await asyncio.gather(*tasks)
        return answers, files

    @asynccontextmanager
    async def crowded(self) -> AsyncIterator[None]:
        """Connections that send nothing, and others that send a byte now and then; each comes again at once when it is closed."""
        url = urlsplit(self._address)

        async def hold(sent: bytes) -> None:
            while True:
                try:
                    reader, writer = await asyncio.open_connection(url.hostname, url.port)
                    reading = asyncio.create_task(reader.read())
                    while not reading.done():
                        writer.write(sent)
                        await asyncio.wait({reading}, timeout=DROP_SECONDS)
                    reading.exception()
                    writer.close()
                except OSError:
                    await asyncio.sleep(DROP_SECONDS)

        held = [asyncio.create_task(hold(b"")) for _ in range(IDLE)]
        held += [asyncio.create_task(hold(b"X")) for _ in range(SLOW)]
        await asyncio.sleep(WARM_SECONDS)
        try:
            yield
        finally:
            for one in held:
                one.cancel()
            await asyncio.gather(*held, return_exceptions=True)

    def megabytes(self) -> float:
        found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{self._pid}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0


async def run(settings: Settings, url: str, folder: Path, conversations: int) -> str:
    """Loads, measures, and returns the tables."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    wanted = conversations * (generate.REST + 1) // generate.REST
    await rig.load(settings, url, generate.conversations(wanted), wanted)
    await rig.load(settings, url, generate.steady(20_000), 20_000)
    flood: list[str] = []
    overload: list[str] = []
    for name, limits in SETTINGS.items():
        progress.say(f"Measuring {name}")
        with rig.served(settings, url, folder / f"{name}.log", **limits) as (address, pid):
            connector = aiohttp.TCPConnector(limit=0)
            async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=60)) as session:
                service = Service(session, address, pid, settings)
                await service.capacity()
                flood += await _flood(name, service)
                overload += await _overload(name, service)
    return "\n".join([*_heading(conversations), *FLOOD_TABLE, *flood, "", *OVERLOAD_TABLE, *overload])


async def _flood(name: str, service: Service) -> Sequence[str]:
    alone = await service.quiet()
    async with service.flooded() as flooding:
        beside = await service.quiet()
    again = await service.quiet()
    ratio = beside.milliseconds(0.99) / statistics.mean((alone.milliseconds(0.99), again.milliseconds(0.99)))
    return [
        f"| {name}: quiet, alone | {alone.text} |",
        f"| {name}: quiet, beside the flood | {beside.text} |",
        f"| {name}: quiet, alone again | {again.text} |",
        f"| {name}: the flood | {flooding.text} |",
        f"| {name}: p99 beside to alone | {ratio:.1f} times | | | | |",
    ]


async def _overload(name: str, service: Service) -> Sequence[str]:
    capacity = await service.capacity()
    rows = []
    for share in SHARES:
        answers, files = await service.at_rate(share * capacity)
        rows.append(
            f"| {name}: {share:g} of {capacity:.0f}/s | {answers.text} | {service.megabytes():.0f} MB | {files} |"
        )
    async with service.crowded():
        answers, files = await service.at_rate(SHARES[0] * capacity)
    crowd = f"{SHARES[0]:g}, with {SLOW} slow senders and {IDLE:,} idle connections"
    return [*rows, f"| {name}: {crowd} | {answers.text} | {service.megabytes():.0f} MB | {files} |"]


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
