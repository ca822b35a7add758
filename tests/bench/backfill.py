"""The backfill of a reindex beside OpenSearch's own `_reindex`, one after the other. `python -m tests.bench.backfill`."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
import sys
import time
from datetime import UTC, datetime

from service.index import aliases, mapping
from service.settings import Settings
from tests.bench import generate, rig
from tests.program_options import Parser, whole


async def run(settings: Settings, url: str, documents: int, rounds: int) -> None:
    await rig.load(settings, url, generate.steady(documents, seed=9), documents)
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {documents:,} documents")
    print(
        "| backfill | `_reindex` | ratio | processor time of the node a document: backfill | `_reindex` |\n|---|---|---|---|---|"
    )
    async with rig.client(settings, url) as opened:
        ratios = []
        for _round in range(rounds):
            start = await rig.processor_seconds(opened)
            their_rate = await theirs(settings, url)
            middle = await rig.processor_seconds(opened)
            our_rate = await asyncio.to_thread(ours, settings, url, [])
            end = await rig.processor_seconds(opened)
            ratios.append(our_rate / their_rate)
            costs = ((end - middle) / documents, (middle - start) / documents)
            costs_text = " | ".join(f"{1e6 * cost:.0f} µs" for cost in costs)
            print(f"| {our_rate:,.0f}/s | {their_rate:,.0f}/s | {ratios[-1]:.2f} | {costs_text} |", flush=True)
    print(f"Median ratio: {sorted(ratios)[len(ratios) // 2]:.2f}")


def ours(settings: Settings, url: str, options: list[str]) -> float:
    """Documents a second of the backfill alone, as the command prints it."""
    environment = os.environ | {
        "OPENSEARCH_URL": url, "CONVERSATIONS_ALIAS": settings.alias, "CONVERSATIONS_WRITE_LEASE": "1",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "service", "reindex", *options],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"bench: {done.stderr}")
    subprocess.run(
        [sys.executable, "-m", "service", "prune", "--keep", "0"], env=environment, capture_output=True, check=True
    )
    return float(re.findall(r"Backfill: .*documents, ([\d,]+)/s", done.stderr)[-1].replace(",", ""))


async def theirs(settings: Settings, url: str) -> float:
    """Documents a second of OpenSearch's own `_reindex`, which verifies nothing and loses what is written meanwhile."""
    async with rig.client(settings, url) as opened:
        source = await aliases.current_index(opened, settings.alias)
        target = await aliases.create(opened, settings.alias, mapping.load())
        body = {"source": {"index": source, "size": 2000}, "dest": {"index": target, "version_type": "external"}}
        started = time.perf_counter()
        done = await opened.reindex(body=body, params={"request_timeout": 3600})
        rate = float(done["total"] / (time.perf_counter() - started))
        await opened.indices.delete(index=target)
    return rate


def main() -> None:
    parser = Parser(prog="python -m tests.bench.backfill", description=__doc__)
    parser.add_argument("--documents", type=whole(), default=20_000)
    parser.add_argument("--rounds", type=whole(), default=3)
    options = parser.parse_args()
    with rig.own_node("1g") as (settings, url, _folder):
        asyncio.run(run(settings, url, options.documents, options.rounds))


if __name__ == "__main__":
    main()
