"""`conversations load` beside bare loops that send ready-made bulk bodies, in turns. `python -m tests.bench.loads`.

The table also has the processor time of the node and of the sender: on a small machine they share the cores, so the
rates alone do not show what a load costs.
"""

from __future__ import annotations

import asyncio
import os
import resource
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

from service.index import mapping
from service.reindex import first_index
from service.settings import Settings
from tests.bench import generate, rig
from tests.program_options import Parser, whole


async def run(settings: Settings, url: str, folder: Path, documents: int, rounds: int) -> None:
    conversations = list(generate.steady(documents, seed=9))
    file = folder / "load.ndjson"
    rig.write_lines(file, conversations)
    bodies = rig.bulk_bodies(conversations)
    ways: dict[str, Callable[[str], Awaitable[None]]] = {
        "load": lambda alias: rig.load_command(settings, url, alias, file),
        "load --workers 2": lambda alias: rig.load_command(settings, url, alias, file, "--workers", "2"),
        "bare loop, 6 requests at once": lambda alias: rig.bare_loop(url, alias, bodies),
        "bare loop, 2 writers": lambda alias: rig.bare_loop(url, alias, bodies, writers=2),
    }
    print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {documents:,} conversations")
    print("| way | conversations a second | node, µs of processor time each | sender, µs each |\n|---|---|---|---|")
    rates: dict[str, list[float]] = {name: [] for name in ways}
    async with rig.client(settings, url) as opened:
        for number in range(rounds):
            for place, (name, way) in enumerate(ways.items()):
                alias = f"bench_{number}_{place}"
                index, _made = await first_index.ensure(opened, alias, mapping.load())
                node, own = await rig.processor_seconds(opened), _own_seconds()
                started = time.perf_counter()
                await way(alias)
                rates[name].append(documents / (time.perf_counter() - started))
                own = _own_seconds() - own
                node = await rig.processor_seconds(opened) - node
                costs = f"{1e6 * node / documents:.0f} | {1e6 * own / documents:.0f}"
                print(f"| {name} | {rates[name][-1]:,.0f} | {costs} |", flush=True)
                await opened.indices.delete(index=index)
    middle = {name: sorted(found)[len(found) // 2] for name, found in rates.items()}
    print(f"load to the bare loop: {middle['load'] / middle['bare loop, 6 requests at once']:.2f}")
    print(f"load --workers 2 to 2 bare writers: {middle['load --workers 2'] / middle['bare loop, 2 writers']:.2f}")


def _own_seconds() -> float:
    """The processor time of this process and of its children that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    parser = Parser(prog="python -m tests.bench.loads", description=__doc__)
    parser.add_argument("--documents", type=whole(), default=40_000)
    parser.add_argument("--rounds", type=whole(), default=3)
    options = parser.parse_args()
    with rig.own_node() as (settings, url, folder):
        asyncio.run(run(settings, url, folder, options.documents, options.rounds))


if __name__ == "__main__":
    main()
