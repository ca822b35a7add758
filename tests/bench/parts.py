"""Measures the parts of a deep page that was never paged before, in processor time, beside the default first page.

python -m tests.bench.parts [--conversations 300000] [--rounds 4]

Each count and histogram has a bound of its own, so that no cache has its answer. The parts are measured in turns.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import statistics
import time
from collections.abc import Awaitable, Callable

from service import progress
from service.client import Client, connect
from service.client.responses import SearchAnswer
from service.search.paging.cursors import Cursors
from service.search.paging.slices import Slice
from service.search.searcher import Searcher
from service.search.snapshot import Snapshot
from service.settings import Settings
from tests.bench import generate, rig
from tests.bench.report import table
from tests.bench.workload import Case
from tests.program_options import Parser, whole

REPEATED = 5  # counts in one point in time, because one costs too little to be measured
TIMES = 40
FIRST, POINT = "the default first page", "point in time, opened and closed"

Work = Callable[[], Awaitable[object]]


def parts(searcher: Searcher) -> dict[str, tuple[int, Work]]:
    """By name: how often the work does the part, and the work. All but the first page open a point in time."""
    by_subject = Case("by subject", "sort", {"sort": "subject"}, generate.STEADY).query
    numbers = itertools.count(1)

    async def in_snapshot(work: Callable[[Snapshot], Awaitable[object]]) -> None:
        async with searcher.point_in_time(generate.STEADY, "60s") as point:
            await work(Snapshot(searcher.ask_pinned, by_subject, generate.STEADY, point))

    async def nothing(_snapshot: Snapshot) -> None:
        """Only opens and closes the point in time."""

    async def count(snapshot: Snapshot) -> None:
        for _ in range(REPEATED):
            bound = {"range": {"order.subject_1": {"lt": 2**46 + 2**16 * next(numbers)}}}
            await snapshot.total((bound,))

    async def histogram(snapshot: Snapshot) -> None:
        for _ in range(REPEATED):
            sixteenth = {"range": {"order.digest_1": {"lt": 2**28 + next(numbers)}}}
            await snapshot.histogram((sixteenth,), "order.subject_1", 32)

    async def cut(snapshot: Snapshot) -> None:
        for _ in range(REPEATED):
            await snapshot.slice(Slice((), start=next(numbers) % 100, size=25))

    return {
        FIRST: (1, lambda: searcher.page(Case("first", "sort", {}, generate.STEADY).query, generate.STEADY)),
        POINT: (1, lambda: in_snapshot(nothing)),
        "count of what stands before a value": (REPEATED, lambda: in_snapshot(count)),
        "histogram of the sample, a sixteenth of the matches": (REPEATED, lambda: in_snapshot(histogram)),
        "a slice, sorted by subject": (REPEATED, lambda: in_snapshot(cut)),
    }


async def processor_milliseconds(work: Work, bare: Client) -> float:
    """Of the node and this process together, for doing the work once."""
    node, own = await rig.processor_seconds(bare), time.process_time()
    for _ in range(TIMES):
        await work()
    own = time.process_time() - own
    return (await rig.processor_seconds(bare) - node + own) / TIMES * 1_000


async def measure(settings: Settings, url: str, conversations: int, rounds: int) -> dict[str, float]:
    """Milliseconds of processor time by the name of the part."""
    await rig.load(settings, url, generate.steady(conversations, seed=9), conversations)
    client, bare = connect(settings, url, answer=SearchAnswer, timeout=60), connect(settings, url)
    searcher = Searcher(client, settings.alias, deadline=60, cursors=Cursors(b""))
    taken: dict[str, list[float]] = {}
    with progress.track("Measuring", rounds + 1, "turn") as advance:
        for turn in range(rounds + 1):
            for name, (_number, work) in parts(searcher).items():
                found = await processor_milliseconds(work, bare)
                if turn:  # the first turn only lets the code be compiled
                    taken.setdefault(name, []).append(found)
            advance(1)
    await searcher.close()
    await asyncio.gather(client.close(), bare.close())
    middle = {name: statistics.median(values) for name, values in taken.items()}
    point = middle[POINT]
    numbers = {name: number for name, (number, _work) in parts(searcher).items()}
    return {name: value if numbers[name] == 1 else (value - point) / numbers[name] for name, value in middle.items()}


def main() -> None:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--conversations", type=whole(), default=300_000)
    parser.add_argument("--rounds", type=whole(), default=4)
    options = parser.parse_args()
    with rig.own_node() as (settings, url, _folder):
        found = asyncio.run(measure(settings, url, options.conversations, options.rounds))
    first = found.pop(FIRST)
    print(f"{FIRST}: {first:.1f} ms of processor time of node and service")
    rows = [[name, f"{one / first:.1f}"] for name, one in found.items()]
    print(table(["part of a deep page", "beside the first page"], rows))


if __name__ == "__main__":
    main()
