"""First pages and deep pages of every kind of order beside the default first page, asked in turns."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import asdict
from functools import partial
from typing import Any

from service import progress
from service.client import connect
from service.client.responses import SearchAnswer
from service.search.paging.cursors import Cursors
from service.search.searcher import Searcher
from service.settings import Settings
from tests.bench import generate, measure, rig
from tests.bench.workload import Case

ORDERS = ("-updated_on", "sent_at", "status", "channel", "subject", "-message_count", "is_read,-status,channel,subject")
DEPTHS = (0.02, 0.5, 0.99)
WAYS = ("first", "deep", "deep, never paged")


async def run(settings: Settings, url: str, conversations: int) -> dict[str, Any]:
    """The spread of each order and way, and that of the default page. Consecutive deep pages differ."""
    total = conversations * (generate.REST + 1) // generate.REST
    await rig.load(settings, url, generate.conversations(conversations), total)
    broad = generate.vocabulary()[0]
    orders = [{"sort": order} for order in ORDERS] + [{"sort": "relevance", "search": broad}]
    client, bare = connect(settings, url, answer=SearchAnswer, timeout=60), connect(settings, url)

    def searcher() -> Searcher:
        return Searcher(client, settings.alias, deadline=60, cursors=Cursors(b""))

    kept, default = searcher(), Case("default", "sort", {})
    matches = {"relevance": (await kept.page(Case("", "", orders[-1]).query, generate.LARGEST)).total}
    found: dict[str, Any] = {}
    with progress.track("Measuring", len(orders) * len(WAYS), "way") as advance:
        for order, way in itertools.product(orders, WAYS):
            last = matches.get(order["sort"], conversations) // 25
            pages = itertools.cycle([int(last * depth) - by for by in range(50) for depth in DEPTHS])

            async def ask(
                _case: Case, order: dict[str, str] = order, way: str = way, pages: itertools.cycle[int] = pages
            ) -> None:
                page = {} if way == "first" else {"page": str(max(next(pages), 1))}
                asked = searcher() if way == "deep, never paged" else kept
                await asked.page(Case("", "", {**order, **page}).query, generate.LARGEST)

            async def plain(_case: Case) -> None:
                await kept.page(default.query, generate.LARGEST)

            asks: dict[str, measure.Ask] = {"plain": plain, "way": ask}
            spreads = await measure.latencies(default, asks)
            processor = await measure.processor_time(default, asks, partial(rig.processor_seconds, bare))
            found[f"{order['sort']}: {way}"] = {
                name: asdict(spread) | {"processor": processor[name]} for name, spread in spreads.items()
            }
            advance(1)
    await asyncio.gather(client.close(), bare.close())
    return found
