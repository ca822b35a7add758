"""What grows, or stays behind, under a lasting load: 80 % of the service's capacity, and some deep pages and exports.

Memory must stay within 5 %; no descriptor, task or point in time may be left; and the 99th percentile must be at most
three times the median of a quiet service.
"""

from __future__ import annotations

import asyncio
import os
import re
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
import msgspec

from service.settings import Settings
from tests.bench import generate, limits, rig
from tests.bench.limits import Answers, Service, quantile
from tests.bench.sender import Sender

QUIET_SHARE, SHARE = 0.05, 0.8
WARM_UP_SECONDS, QUIET_SECONDS, AFTER_SECONDS = 90.0, 20.0, 40.0  # the JVM compiles for minutes
DEEP_EVERY, EXPORT_EVERY = 1.0, 5.0
DEEP = "/api/conversations?sort=subject&page=150"
EXPORT = "/api/conversations/export?status=draft"
PAGES = "/api/conversations"
ROUND_SECONDS = 60.0


@dataclass(frozen=True)
class Held:
    """What the process holds, and the points in time that the cluster has open."""

    megabytes: float
    files: int
    tasks: int
    points_in_time: int

    @classmethod
    async def of(cls, service: Service, url: str, alias: str) -> Held:
        async with aiohttp.ClientSession() as session:
            async with session.get(f"{service.address}/metrics") as answer:
                found = re.search(r"^conversations_tasks (\S+)", await answer.text(), re.MULTILINE)
            async with session.get(f"{url}/{alias}/_stats/search") as answer:
                stats = await answer.json()
        assert found is not None
        points = stats["_all"]["total"]["search"]["point_in_time_current"]
        return cls(service.megabytes(), service.files(), int(float(found[1])), points)

    @property
    def text(self) -> str:
        return f"{self.megabytes:.0f} MB | {self.files} | {self.tasks} | {self.points_in_time}"


async def run(settings: Settings, url: str, folder: Path, conversations: int, minutes: float) -> str:
    await limits.prepare(settings, url, conversations)
    with rig.served(settings, url, folder / "service.log") as (address, pid), closing(Sender(address)) as sender:
        service = Service(sender, address, pid, settings)
        table, busy, since = await measured(service, url, settings.alias, minutes)
    return f"{table}\n{where(folder / 'service.log', since, busy)}"


async def measured(service: Service, url: str, alias: str, minutes: float) -> tuple[str, Answers, datetime]:
    """The table, the answers at the busy rate, and when they began."""
    await service.capacity()
    capacity = await service.capacity()
    quiet, _files = await service.at_rate(QUIET_SHARE * capacity, QUIET_SECONDS)
    service.sender.close()
    idle = await Held.of(service, url, alias)
    rows = [f"| quiet, {QUIET_SHARE:g} of {capacity:.0f}/s | {quiet.text} | {idle.text} |"]
    beside = [
        asyncio.create_task(_now_and_then(service, *what)) for what in ((DEEP, DEEP_EVERY), (EXPORT, EXPORT_EVERY))
    ]
    await service.at_rate(SHARE * capacity, WARM_UP_SECONDS)
    first = await Held.of(service, url, alias)
    rows.append(f"| after {WARM_UP_SECONDS:g} s at {SHARE:g} | | | | | | {first.text} |")
    busy, since = Answers(), datetime.now(UTC)
    held = [first]
    for number in range(1, max(1, round(minutes * 60 / ROUND_SECONDS)) + 1):
        answers, _files = await service.at_rate(SHARE * capacity, ROUND_SECONDS)
        busy.add(answers)
        held.append(await Held.of(service, url, alias))
        rows.append(f"| minute {number} at {SHARE:g} | {answers.text} | {held[-1].text} |")
    for one in beside:
        one.cancel()
    await asyncio.gather(*beside, return_exceptions=True)
    service.sender.close()
    await asyncio.sleep(AFTER_SECONDS)
    after = await Held.of(service, url, alias)
    rows.append(f"| {AFTER_SECONDS:g} s later | | | | | | {after.text} |")
    growth = 100 * (max(one.megabytes for one in held) / first.megabytes - 1)
    ratio = busy.milliseconds(0.99) / quiet.milliseconds(0.5)
    verdict = (
        f"Memory grew by at most {growth:.1f} %; p99 is {ratio:.1f} times the quiet p50; left behind: "
        f"{after.files - idle.files} descriptors, {after.tasks - idle.tasks} tasks, {after.points_in_time} points in time."
    )
    return "\n".join([*_heading(minutes), *TABLE, *rows, "", verdict]), busy, since


class _Line(msgspec.Struct):
    """A line of the service's log, of a request."""

    timestamp: datetime
    event: str
    route: str = ""
    status: int = 0
    milliseconds: float = 0.0
    took: float = 0.0


def where(log: Path, since: datetime, busy: Answers) -> str:
    """Where the time of pages went, by the service's log: clients waited for the rest in queues before the service."""
    lines = [msgspec.json.decode(line, type=_Line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]
    pages = [one for one in lines if (one.route, one.status) == (PAGES, 200) and one.timestamp > since]
    parts = {
        "for the clients": [1000 * seconds for seconds in busy.seconds],
        "in the service": [one.milliseconds for one in pages],
        "of that in OpenSearch (took)": [one.took for one in pages],
        "and the rest": [one.milliseconds - one.took for one in pages],
        "sent late by the clients": [1000 * seconds for seconds in busy.late],
    }
    told = (f"{name} {quantile(of, 0.5):.0f} and {quantile(of, 0.99):.0f} ms" for name, of in parts.items())
    return f"p50 and p99 of pages: {', '.join(told)}."


async def _now_and_then(service: Service, path: str, every: float) -> None:
    token = service.tokens[generate.LARGEST]
    while True:
        await service.sender.get(path, token)
        await asyncio.sleep(every)


def _heading(minutes: float) -> list[str]:
    date = datetime.now(UTC).date().isoformat()
    return [f"{date}, {os.cpu_count()} cores, `scripts/bench --soak --minutes {minutes:g} --conversations 8000`:", ""]


TABLE = (
    "| when | answered | refused | failed | p50 | p99 | memory | descriptors | tasks | points in time |",
    "|---|---|---|---|---|---|---|---|---|---|",
)
