"""What a conversation, a write, a search and a page cost in shards of several sizes. `python -m tests.bench.scaling`.

Each size is an index of its own with one shard, and one organization has four fifths of it. Costs are processor time,
of the node and of the service: unlike latencies, they say how many cores are needed, and other programs on the machine
change them little.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from service.client import Client
from service.settings import Settings
from tests.bench import generate, rig
from tests.bench.workers import processor_seconds
from tests.bench.workload import Case, deep_pages, first_pages
from tests.program_options import Parser, whole

REPEATS = 10
WARM_REPEATS = 3


async def measure(settings: Settings, url: str, size: int, folder: Path) -> str:
    """A row of the table."""
    async with rig.client(settings, url) as opened:
        before = await rig.processor_seconds(opened)
        await rig.load(settings, url, generate.conversations(size), size)
        write = (await rig.processor_seconds(opened) - before) / size
        stats = await opened.indices.stats(index=settings.alias, metric="store,docs")
        primaries = stats["_all"]["primaries"]
        bytes_each = primaries["store"]["size_in_bytes"] / primaries["docs"]["count"]
        own = size * generate.REST // (generate.REST + 1)
        first = first_pages(generate.vocabulary())
        groups = (
            [case for case in first if case.kind in ("filter", "search")],
            [case for case in first if case.kind == "sort"],
            deep_pages(own),
        )
        with rig.served(settings, url, folder / f"{size}.log") as (address, pid):
            costs = [await _cost(opened, settings, address, pid, cases) for cases in groups]
        heap = await _heap(opened)
        await opened.indices.delete(index=f"{settings.alias}-*")
    times = " | ".join(f"{1000 * node:.1f} + {1000 * service:.1f} ms" for node, service in costs)
    return f"| {size:,} | {bytes_each:,.0f} | {heap:,.0f} MB | {1e6 * write:,.0f} µs | {times} |"


async def _cost(
    opened: Client, settings: Settings, address: str, pid: int, cases: Sequence[Case]
) -> tuple[float, float]:
    """Seconds of processor time of one request: of the node, and of the service."""
    headers = {"Authorization": f"Bearer {rig.token(settings, generate.LARGEST)}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=120)) as session:

        async def ask(repeats: int) -> None:
            for _repeat in range(repeats):
                for case in cases:
                    async with session.get(f"{address}/api/conversations?{case.query_string}") as answer:
                        await answer.read()
                        assert answer.status == 200, await answer.text()

        await ask(WARM_REPEATS)
        node, own = await rig.processor_seconds(opened), processor_seconds(pid)
        idle_from = asyncio.get_running_loop().time()
        await ask(REPEATS)
        took = asyncio.get_running_loop().time() - idle_from
        spent, own_spent = await rig.processor_seconds(opened) - node, processor_seconds(pid) - own
        idle = await rig.processor_seconds(opened)
        await asyncio.sleep(took)
        spent -= await rig.processor_seconds(opened) - idle  # what the node does for itself
    count = REPEATS * len(cases)
    return max(0.0, spent) / count, own_spent / count


async def _heap(opened: Client) -> float:
    """Megabytes of the node's heap in use."""
    nodes = (await opened.nodes.stats(metric="jvm"))["nodes"]
    return float(sum(one["jvm"]["mem"]["heap_used_in_bytes"] for one in nodes.values()) / 1e6)


async def run(settings: Settings, url: str, sizes: Sequence[int], folder: Path) -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores; node + service for each request")
    print(
        "| conversations | bytes each | heap in use | a write | a search or filter | a first page, sorted | a deep page |"
    )
    print("|---|---|---|---|---|---|---|")
    for size in sizes:
        print(await measure(settings.but(alias=f"scaling_{size}"), url, size, folder), flush=True)


def main() -> None:
    parser = Parser(prog="python -m tests.bench.scaling", description=__doc__)
    parser.add_argument("--sizes", type=whole(), nargs="+", default=[20_000, 100_000, 400_000])
    options = parser.parse_args()
    with rig.own_node(heap="1g") as (settings, url, folder):
        asyncio.run(run(settings, url, options.sizes, folder))


if __name__ == "__main__":
    main()
