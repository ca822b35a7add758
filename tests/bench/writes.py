"""scripts/bench --writes: how fast data get in and an index is made anew, and what readers notice of that."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp

from service.settings import Settings
from tests.bench import backfill, generate, measure, rig
from tests.bench.workload import first_pages

CONVERSATIONS = 60_000
MESSAGES = 40_000
THROTTLE = 2_000
# The peak memory of a process includes that of the process that forked it. So a small process forks what is measured.
MEASURED = """
import resource, subprocess, sys
done = subprocess.run(sys.argv[1:])
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(used.ru_utime + used.ru_stime, used.ru_maxrss, file=sys.stderr)
sys.exit(done.returncode)
"""
CLIENTS = 2


async def run(settings: Settings, url: str, folder: Path) -> dict[str, Any]:
    """Conversations, documents or messages a second; p99 in seconds."""
    found: dict[str, Any] = {}
    conversations = list(generate.steady(CONVERSATIONS, seed=9))
    found["load"] = await rig.load_rates(settings, url, conversations, folder)
    await rig.load(settings, url, conversations, len(conversations))
    found["import"] = _import(folder)
    found["verify"] = _verify(settings, url, folder / "load.ndjson")
    with rig.served(settings, url, folder / "service.log") as (address, _pid):
        async with aiohttp.ClientSession() as session:
            ask = measure.service(session, address, rig.token(settings, generate.STEADY))
            cases = first_pages(generate.vocabulary(), generate.STEADY)

            async def p99_while(work: asyncio.Future[Any]) -> float:
                latencies: list[float] = []

                async def client(offset: int) -> None:
                    at = offset
                    while not work.done():
                        started = time.perf_counter()
                        await ask(cases[at % len(cases)])
                        latencies.append(time.perf_counter() - started)
                        at += 1

                await asyncio.gather(*(client(number * 7) for number in range(CLIENTS)))
                return measure.spread(latencies).p99

            loop = asyncio.get_running_loop()
            found["p99_before"] = await p99_while(loop.create_task(asyncio.sleep(15)))
            for name, options in (("throttled", ["--throttle", str(THROTTLE)]), ("full speed", [])):
                work = loop.run_in_executor(None, backfill.ours, settings, url, options)
                p99 = await p99_while(work)
                found[f"reindex, {name}"] = {"rate": work.result(), "p99": p99}
    found["reindex"] = {"reindex": backfill.ours(settings, url, []), "_reindex": await backfill.theirs(settings, url)}
    return found


def _verify(settings: Settings, url: str, file: Path) -> float:
    """Conversations a second that a verification of an index against a file takes, where nothing differs."""
    environment = os.environ | {"OPENSEARCH_URL": url, "CONVERSATIONS_ALIAS": settings.alias}
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "service", "verify", str(file)],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"bench: {done.stdout}{done.stderr}")
    return CONVERSATIONS / (time.perf_counter() - started)


def _import(folder: Path) -> dict[str, float]:
    """Messages of an mbox in a second of processor time, and the peak memory."""
    box = folder / "mail.mbox"
    with box.open("w") as file:
        file.writelines(_messages())
    command = [sys.executable, "-m", "service", "import-mail", str(box), "--organization", str(generate.STEADY)]
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *command, "--output", str(folder / "mail.ndjson")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    read = json.loads(done.stdout)["messages"]
    seconds, kilobytes = map(float, done.stderr.splitlines()[-1].split())
    return {"rate": read / seconds, "megabytes": kilobytes / 1024, "mailbox_megabytes": box.stat().st_size / 1e6}


def _messages() -> Iterator[str]:
    words = generate.vocabulary()
    for number in range(MESSAGES):
        parent = f"References: <{number // 5 * 5}@bench>\n" if number % 5 else ""
        subject = " ".join(words[(number // 5 * 7 + place) % len(words)] for place in range(5))
        body = "\n".join(
            " ".join(words[(number * 13 + line * 11 + place) % 3000] for place in range(12)) for line in range(30)
        )
        yield (
            f"From a@example.com Mon Jan  1 10:00:00 2024\nMessage-ID: <{number}@bench>\n{parent}"
            f"Date: Mon, 1 Jan 2024 {number // 3600 % 24:02}:{number // 60 % 60:02}:{number % 60:02} +0000\n"
            f"From: Person {number % 500} <p{number % 500}@example.com>\nTo: help@example.com\nSubject: {subject}\n\n{body}\n\n"
        )
