"""What a second worker gives, for requests that need no OpenSearch. Run it as `python -m tests.bench.workers`.

The clients need as much of the processor as the workers, so on two cores the requests a second say nothing about two
workers. Instead, the requests in one second of processor time of the busiest worker are compared: that many requests a
second the service answers if each worker has a core. The cost of sharing and an uneven distribution of the connections
lower this number.
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from service.settings import Settings
from tests.bench import generate, rig
from tests.processes import wait_until

SECONDS = 5.0
CLIENTS = 32
ROUNDS = 3
REQUESTS = {"/health/live": 200, "/api/conversations?page=0": 400}
TICKS = os.sysconf("SC_CLK_TCK")


@contextmanager
def served(settings: Settings, workers: int, folder: Path) -> Iterator[tuple[str, list[int]]]:
    """The service without a cluster. Yields its address and the process ids of its workers."""
    assert settings.token_secret is not None
    log = folder / f"{workers}.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--port", "0", "--workers", str(workers)],
            env=os.environ | {
                "OPENSEARCH_URL": "http://127.0.0.1:9", "CONVERSATIONS_LOG_FORMAT": "json",
                "CONVERSATIONS_TOKEN_SECRET": settings.token_secret.get_secret_value(), "CONVERSATIONS_CALLER_RATE": "0",
            },
            stderr=stderr,
        )  # fmt: skip
        try:
            wait_until(lambda: "workers_started" in log.read_text(), process=process, says=log.read_text)
            children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text()
            yield re.findall(r"http://127\.0\.0\.1:\d+", log.read_text())[0], [*map(int, children.split())]
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait()


def processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def answered(address: str, path: str, status: int, bearer: str, seconds: float) -> int:
    count, ends = 0, time.perf_counter() + seconds
    headers = {"Authorization": f"Bearer {bearer}"}
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=headers) as session:

        async def client() -> None:
            nonlocal count
            while time.perf_counter() < ends:
                async with session.get(address + path) as answer:
                    await answer.read()
                    assert answer.status == status, answer.status
                count += 1

        await asyncio.gather(*(client() for _ in range(CLIENTS)))
    return count


def measure(settings: Settings, workers: int, path: str, folder: Path) -> tuple[float, float]:
    """Requests in a second of processor time of the busiest worker, and its share in that of all."""
    bearer = rig.token(settings, generate.LARGEST)
    with served(settings, workers, folder) as (address, pids):
        asyncio.run(answered(address, path, REQUESTS[path], bearer, 1.0))
        before = [processor_seconds(pid) for pid in pids]
        count = asyncio.run(answered(address, path, REQUESTS[path], bearer, SECONDS))
        used = [processor_seconds(pid) - was for pid, was in zip(pids, before, strict=True)]
    return count / max(used), max(used) / sum(used)


def main() -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, median of {ROUNDS} rounds, {CLIENTS} clients")
    print("| request | 1 worker | 2 workers | ratio | busiest of the 2 |\n|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        settings = rig.own_settings(Path(folder))
        for path in REQUESTS:
            rounds = [[measure(settings, workers, path, Path(folder)) for workers in (1, 2)] for _ in range(ROUNDS)]
            (one, _), (two, share) = sorted(rounds, key=lambda pair: pair[1][0] / pair[0][0])[ROUNDS // 2]
            print(f"| `{path}` | {one:,.0f} | {two:,.0f} | {two / one:.2f} | {share:.0%} |", flush=True)


if __name__ == "__main__":
    main()
