"""scripts/simulate against a real cluster of three nodes. `python -m tests.bench.placement`.

It loads organizations of unequal size, compares where their documents are with what was predicted, and then searches
at random times and compares the median and p99 with those of the simulation. The nodes share this machine, and the
costs of a search are measured on the cluster itself, one search at a time.
"""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from bisect import bisect
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import accumulate
from pathlib import Path
from uuid import UUID

import aiohttp

from service.conversation import Conversation
from service.index import mapping
from service.index.loader import load
from service.node import prepare
from service.node.cluster import LocalCluster
from service.reindex import first_index
from service.settings import Settings
from tests.bench import generate, rig
from tests.program_options import Parser, whole
from tests.scaling.routing import Shape
from tests.scaling.simulation import Cluster, Cost, capacity, imbalance, organizations, place, queue, sizes

TENANTS, SKEW, SEED = 300, 1.0, 7
SHARES = (0.2, 0.4)
ALONE, SEARCHES = 60, 300


def conversations(uids: Sequence[str], amounts: Sequence[int]) -> list[Conversation]:
    made = iter(list(generate.steady(sum(amounts), seed=4)))
    return [
        next(made).model_copy(update={"organization_uid": UUID(uid)})
        for uid, amount in zip(uids, amounts, strict=True)
        for _ in range(amount)
    ]


async def run(settings: Settings, url: str, shape: Shape, documents: int) -> None:
    uids = organizations(TENANTS, SEED)
    amounts = [max(1, round(size)) for size in sizes(TENANTS, documents, SKEW)]
    async with rig.client(settings, url) as opened:
        own = {"number_of_shards": shape.shards, "number_of_replicas": 1}
        if shape.partition > 1:
            own |= {"routing_partition_size": shape.partition}
        index, _made = await first_index.ensure(opened, settings.alias, mapping.load(), settings=own)
        pairs = ((one, one) for one in conversations(uids, amounts))
        await load(opened, settings.alias, pairs, reject=rig._refuse)
        stats = (await opened.indices.stats(index=index, params={"level": "shards"}))["indices"][index]["shards"]
    placed, cluster = place(uids, amounts, shape), Cluster(nodes=3, replicas=1, cores=os.cpu_count() or 1, machines=1)
    found = {int(shard): copies[0]["docs"]["count"] for shard, copies in stats.items()}
    on_nodes: Counter[str] = Counter()
    for copies in stats.values():
        for copy in copies:
            on_nodes[copy["routing"]["node"]] += copy["docs"]["count"]
    off = max(abs(found[at] - size) / size for at, size in enumerate(placed.shards))
    print(
        f"partition {shape.partition}: largest shard {imbalance(list(found.values())):.2f} of the mean, predicted "
        f"{imbalance(placed.shards):.2f}; no shard differs by more than {off:.1%}; largest node "
        f"{imbalance(list(on_nodes.values())):.2f}, predicted {imbalance(placed.nodes(cluster)):.2f}"
    )
    alone, _p99 = await _searched(url, settings.alias, uids, amounts, rate=0, searches=ALONE)
    cost = Cost(alone / shape.partition, 0.0)
    for share in SHARES:
        rate = share * capacity(placed, cluster, cost)
        median, p99 = await _searched(url, settings.alias, uids, amounts, rate=rate, searches=SEARCHES)
        said = queue(placed, cluster, cost, rate=rate, searches=20_000, seed=1)
        print(
            f"  {rate:.0f} searches/s ({share:.0%}): median {median:.1f} ms, predicted {said.median:.1f}; "
            f"p99 {p99:.0f} ms, predicted {said.p99:.0f} ({p99 / said.p99:.1f} times)"
        )


async def _searched(
    url: str, alias: str, uids: Sequence[str], amounts: Sequence[int], *, rate: float, searches: int
) -> tuple[float, float]:
    """The median and p99 in milliseconds. With `rate` 0: one after the other, and the mean and the maximum."""
    numbers = random.Random(SEED)
    upto = list(accumulate(amounts))
    took: list[float] = []
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def ask(uid: str) -> None:
            body = {
                "size": 25, "track_total_hits": True, "sort": [{"updated_on": "desc"}],
                "query": {"bool": {"filter": [{"term": {"organization_uid": uid}}]}},
            }  # fmt: skip
            started = time.perf_counter()
            async with session.post(f"{url}/{alias}/_search?routing={uid}", json=body) as answer:
                await answer.read()
                assert answer.status == 200
            took.append(1000 * (time.perf_counter() - started))

        def anyone() -> str:
            return uids[bisect(upto, numbers.random() * (upto[-1] - 1))]

        for _ in range(ALONE):
            await ask(anyone())
        took.clear()
        if not rate:
            for _ in range(searches):
                await ask(anyone())
            return sum(took) / len(took), max(took)
        asked = []
        for _ in range(searches):
            asked.append(asyncio.create_task(ask(anyone())))
            await asyncio.sleep(numbers.expovariate(rate))
        await asyncio.gather(*asked)
    took.sort()
    return took[len(took) // 2], took[int(len(took) * 0.99)]


def main() -> None:
    parser = Parser(prog="python -m tests.bench.placement", description=__doc__)
    parser.add_argument("--documents", type=whole(), default=20_000)
    parser.add_argument("--shards", type=whole(1, 1_024), default=6)
    parser.add_argument("--partitions", type=whole(1, 1_024), nargs="+", default=[1, 3])
    options = parser.parse_args()
    if any(partition >= options.shards for partition in options.partitions if partition > 1):
        parser.error("each of --partitions must be 1, or less than --shards")
    with tempfile.TemporaryDirectory() as folder:
        settings = rig.own_settings(Path(folder))
        print(f"{datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {options.documents:,} documents, 3 nodes")
        with LocalCluster(settings.data, prepare(settings.cache)) as cluster:
            for partition in options.partitions:
                own = settings.but(alias=f"placement_{partition}")
                asyncio.run(run(own, cluster.urls[0], Shape(options.shards, partition), options.documents))


if __name__ == "__main__":
    main()
