"""Loads generated conversations, measures several targets side by side, and writes the figures."""

from __future__ import annotations

import argparse
import asyncio
import os
import shlex
import statistics
import sys
import tempfile
from dataclasses import asdict
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import msgspec
import uvloop

from service import progress
from service.client import Client, connect
from service.client.responses import SearchAnswer
from service.node import LocalNode, fetch
from service.search.compiler import compile_page
from service.search.paging.cursors import Cursors
from service.search.paging.rank_descent import Windows
from service.search.searcher import Searcher
from service.settings import Settings
from service.stored_documents import item
from tests.bench import generate, limits, measure, paging, postgres, report, rig, search, soak, writes
from tests.bench.measure import Ask
from tests.bench.workload import DEEP_SORTS, Case, deep_pages, first_pages
from tests.program_options import Parser, minutes, whole

SMALLEST, LARGEST_SIZE = 100_000, 5_000_000
STEADY_SIZE = 20_000
SWITCH_RANKS = (1_000, 2_000, 4_000, 6_000, 8_000, 10_000)
SWITCH_SORTS = ("-updated_on", "status", "subject")
# As in OpenSearch's own config/jvm.options. The local node, which is made for small heaps, collects garbage every two
# seconds. With 2 GB, each collection would stop it three times, for longer than most searches take.
JVM_OPTIONS_OF_OPENSEARCH = ("-XX:G1PeriodicGCInterval=0",)
PLOTTED_DEPTHS = (0.0, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99)


def arguments() -> argparse.Namespace:
    parser = Parser(prog="scripts/bench", description=__doc__)
    parser.add_argument(
        "--conversations", type=whole(), default=1_000_000, help="in the largest organization (default: 1000000)"
    )
    parser.add_argument("--full", action="store_true", help="also measure an index of 5,000,000 conversations")
    parser.add_argument("--writes", action="store_true", help="measure loads and reindexes instead of reads")
    parser.add_argument(
        "--search", action="store_true", help="measure every way to search, and the index's size, instead"
    )
    parser.add_argument("--paging", action="store_true", help="measure first and deep pages of every order instead")
    parser.add_argument(
        "--limits", action="store_true", help="measure a flood and an overload instead; writes no files"
    )
    parser.add_argument(
        "--soak", action="store_true", help="look for memory and descriptors that grow under a lasting load, instead"
    )
    parser.add_argument("--minutes", type=minutes(), default=10.0, help="how long --soak runs (default: 10)")
    parser.add_argument("--client", action="store_true", help="measure what the client library costs instead")
    parser.add_argument("--output", type=Path, default=Path("docs"), help="folder of performance.{json,md,png}")
    parser.add_argument("--work", type=Path, help="folder for the data, removed at the end [default: a temporary one]")
    return parser.parse_args()


class Bench:
    """One run, step by step; each step adds its figures."""

    def __init__(self, options: argparse.Namespace, folder: Path) -> None:
        self.options, self.folder = options, folder
        self.settings = rig.own_settings(folder)
        self.words = generate.vocabulary()
        self.figures: dict[str, Any] = {
            "date": datetime.now(UTC).date().isoformat(),
            "command": shlex.join(["scripts/bench", *sys.argv[1:]]),
            "machine": f"{os.cpu_count()} cores, {os.sysconf('SC_PHYS_PAGES') * os.sysconf('SC_PAGE_SIZE') // 2**30} GB",
            "conversations": options.conversations,
            "sizes": {},
        }

    def sizes(self) -> list[int]:
        wanted: int = self.options.conversations
        return sorted({min(SMALLEST, wanted), wanted, *([LARGEST_SIZE] if self.options.full else [])})

    async def run(self, url: str) -> None:
        sizes = self.sizes()
        source = generate.conversations(sizes[-1])
        await rig.load(self.settings, url, generate.steady(STEADY_SIZE), STEADY_SIZE)
        with rig.served(self.settings, url, self.folder / "service.log") as (address, pid):
            loaded = 0
            async with aiohttp.ClientSession() as session:
                bearer = rig.token(self.settings, generate.LARGEST, generate.STEADY)
                asks = {
                    "service": measure.service(session, address, bearer),
                    "node": measure.bare_node(session, url, self.settings.alias),
                }
                for size in sizes:
                    wanted = size * (generate.REST + 1) // generate.REST
                    await rig.load(self.settings, url, islice(source, wanted - loaded), wanted - loaded)
                    loaded = wanted
                    if size == self.options.conversations:
                        await self.compare(asks, url, address, pid)
                    await self.size(size, asks["service"])
            progress.say(f"The node holds {loaded:,} conversations")

    async def size(self, size: int, ask: Ask) -> None:
        found = {}
        for name, organization in (("steady", generate.STEADY), ("largest", generate.LARGEST)):
            cases = first_pages(self.words, organization)
            spreads = [(await measure.latencies(case, {"service": ask}))["service"] for case in cases]
            found[name] = statistics.median(spread.median for spread in spreads)
        self.figures["sizes"][str(size)] = found

    async def compare(self, asks: dict[str, Ask], url: str, address: str, pid: int) -> None:
        cases = first_pages(self.words)
        self.figures["narrowed"] = [case.name for case in cases if case.kind in ("filter", "search")]
        self.figures["throughput"] = await measure.throughput(cases, asks, clients=8, seconds=4)
        bearer = rig.token(self.settings, generate.LARGEST)
        rate = await rig.export_rate(address, bearer)
        self.figures["export"] = {"rate": rate, "megabytes": rig.peak_megabytes(pid)}
        async with rig.client(self.settings, url) as opened:
            self.figures["switch"] = await self.switch(opened, url)
            await self.window(opened, 10 * LARGEST_SIZE)
            total = self.options.conversations
            self.figures["depth"] = {
                sort: {
                    str(depth): self.spreads(await measure.latencies(case, asks))
                    for depth, case in zip(PLOTTED_DEPTHS, deep_pages(total, PLOTTED_DEPTHS, (sort,)), strict=True)
                }
                for sort in DEEP_SORTS
            }
            with postgres.running(self.folder / "postgres") as database:
                progress.say("Filling PostgreSQL and making its indexes")
                everything = (
                    one for source in (generate.steady(STEADY_SIZE), generate.conversations(self.sizes()[-1]))
                    for one in islice(source, total * (generate.REST + 1) // generate.REST)
                )  # fmt: skip
                await postgres.fill(database, everything)
                async with asyncpg.create_pool(database, min_size=1, max_size=8) as pool:
                    all_three = {**asks, "postgresql": measure.postgresql(pool)}
                    self.figures["first"] = await self.measured(cases, all_three)
                    self.figures["deep"] = await self.measured(deep_pages(total), all_three)
            first_of = [Case(sort, "sort", {"sort": sort}) for sort in DEEP_SORTS]
            self.figures["first_of"] = {
                name: found["service"]
                for name, found in (await self.measured(first_of, {"service": asks["service"]})).items()
            }
            await self.window(opened, None)
        rates = list(generate.steady(200_000, seed=9))
        self.figures["load"] = await rig.load_rates(self.settings, url, rates, self.folder)

    async def measured(self, cases: list[Case], asks: dict[str, Ask]) -> dict[str, Any]:
        found = {}
        with progress.track("Measuring", len(cases), "request") as advance:
            for case in cases:
                found[case.name] = self.spreads(await measure.latencies(case, asks))
                advance(1)
        return found

    def spreads(self, found: dict[str, measure.Spread]) -> dict[str, Any]:
        return {name: asdict(spread) for name, spread in found.items()}

    async def window(self, opened: Client, size: int | None) -> None:
        await opened.indices.put_settings(index=self.settings.alias, body={"index.max_result_window": size})

    async def switch(self, opened: Client, url: str) -> dict[str, Any]:
        """The same pages by from/size and by rank descent, whatever the default windows say."""
        ways = {
            "from/size": Windows(dates=10_000, numbers=10_000, texts=10_000, scores=10_000),
            "descent": Windows(dates=0, numbers=0, texts=0, scores=0),
        }
        searches = connect(self.settings, url, answer=SearchAnswer, timeout=60)
        asks: dict[str, Ask] = {}
        for way, windows in ways.items():
            searcher = Searcher(searches, self.settings.alias, deadline=60, cursors=Cursors(b""), windows=windows)

            async def ask(case: Case, searcher: Searcher = searcher) -> None:
                await searcher.page(case.query, case.organization)

            asks[way] = ask
        found: dict[str, dict[str, list[float]]] = {}
        for sort in SWITCH_SORTS:
            for rank in SWITCH_RANKS:
                case = Case(f"{sort} {rank}", "deep", {"sort": sort, "page": str(rank // 25)})
                for way, spread in (await measure.latencies(case, asks)).items():
                    found.setdefault(sort, {}).setdefault(way, []).append(spread.median)
        await searches.close()
        return {"ranks": list(SWITCH_RANKS), "sorts": found}

    async def client_cost(self, url: str) -> None:
        """Requests a second of a narrow search from this process, with opensearch-py and without it."""
        await rig.load(self.settings, url, generate.steady(STEADY_SIZE), STEADY_SIZE)
        searches = connect(self.settings, url, answer=SearchAnswer, timeout=60)
        searcher = Searcher(searches, self.settings.alias, deadline=60, cursors=Cursors(b""))
        decoder = msgspec.json.Decoder(SearchAnswer)

        async def through(case: Case) -> None:
            await searcher.page(case.query, case.organization)

        async with aiohttp.ClientSession() as session:

            async def past(case: Case) -> None:
                body = msgspec.json.encode({**compile_page(case.query, case.organization), "timeout": "60000ms"})
                address = f"{url}/{self.settings.alias}/_search?routing={case.organization}"
                async with session.post(address, data=body, headers={"Content-Type": "application/json"}) as answer:
                    found = decoder.decode(await answer.read())
                    tuple(item(bytes(hit.source)) for hit in found.hits.hits)

            narrow = [case for case in first_pages(self.words, generate.STEADY) if case.name == "search narrow"]
            asks: dict[str, Ask] = {"opensearch-py": through, "past it": past}
            self.figures["client"] = await measure.throughput(narrow, asks, clients=8, seconds=4)
        await searches.close()


def main() -> None:
    options = arguments()
    with tempfile.TemporaryDirectory(dir=options.work, prefix="bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)  # PostgreSQL's own user needs access
        bench = Bench(options, folder)
        settings: Settings = bench.settings
        distribution = fetch(settings.cache, java_home=settings.java_home)
        with LocalNode(
            settings.data, distribution, heap=settings.node_heap, jvm_options=JVM_OPTIONS_OF_OPENSEARCH
        ) as node:
            if options.limits:
                print(uvloop.run(limits.run(settings, node.url, folder, options.conversations)))
                return
            if options.soak:
                print(uvloop.run(soak.run(settings, node.url, folder, options.conversations, options.minutes)))
                return
            if options.client:
                asyncio.run(bench.client_cost(node.url))
            elif options.paging:
                bench.figures["paging"] = uvloop.run(paging.run(settings, node.url, options.conversations))
            elif options.search:
                bench.figures["search"] = asyncio.run(search.run(settings, node.url, folder, options.conversations))
            elif options.writes:
                bench.figures["writes"] = asyncio.run(writes.run(settings, node.url, folder))
            else:
                asyncio.run(bench.run(node.url))
    chosen = {report.CLIENT: options.client, report.WRITES: options.writes, report.SEARCH: options.search}
    chosen[report.PAGING] = options.paging
    kind = next((kind for kind, is_chosen in chosen.items() if is_chosen), report.READS)
    report.write(bench.figures, options.output, kind)
    print(kind.tables(bench.figures))


main()
