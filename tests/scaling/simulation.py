"""Organizations of very unequal size on the shards of a cluster, and their searches in the queues of its machines.

Sizes follow a power law: the organization of rank r has r^-skew of the first one's conversations. It searches in
proportion to its size. Costs are processor time; how long a single search takes is exponentially distributed around its
cost. Each machine serves first come, first served on its cores. A search goes to the copy whose machine is free first,
which is about what OpenSearch's adaptive replica selection does; with a partition, it takes as long as its slowest part.
"""

from __future__ import annotations

import heapq
import random
import uuid
from bisect import bisect
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from tests.scaling.routing import Shape


@dataclass(frozen=True)
class Cluster:
    """Nodes with `cores` each. `machines` is smaller than `nodes` where several nodes share one machine's cores."""

    nodes: int = 3
    replicas: int = 1
    cores: int = 4
    machines: int = 0

    def copies(self, shard: int) -> list[int]:
        """The nodes that have a copy of the shard: OpenSearch gives each node as many shards as the others."""
        return [(shard + copy) % self.nodes for copy in range(min(self.nodes, self.replicas + 1))]

    def machine(self, node: int) -> int:
        return node % (self.machines or self.nodes)


@dataclass(frozen=True)
class Cost:
    """Milliseconds of processor time of a search: for each shard asked, and for each million of its conversations."""

    base: float = 8.0  # the rule of docs/scaling.md
    per_million: float = 3.0

    def of(self, conversations: float) -> float:
        return self.base + self.per_million * conversations / 1e6


@dataclass(frozen=True)
class Placed:
    """`sizes` by organization, `homes`: the shards of each, `shards`: conversations in each shard."""

    sizes: list[float]
    homes: list[list[int]]
    shards: list[float]

    def nodes(self, cluster: Cluster) -> list[float]:
        """Documents of each node, with those of replicas."""
        found = [0.0] * cluster.nodes
        for shard, size in enumerate(self.shards):
            for node in cluster.copies(shard):
                found[node] += size
        return found


def sizes(tenants: int, conversations: float, skew: float) -> list[float]:
    """By rank, the largest first."""
    shares = [rank**-skew for rank in range(1, tenants + 1)]
    whole = sum(shares)
    return [conversations * share / whole for share in shares]


def organizations(tenants: int, seed: int) -> list[str]:
    """Random uids."""
    numbers = random.Random(seed)
    return [str(uuid.UUID(int=numbers.getrandbits(128), version=4)) for _ in range(tenants)]


def place(uids: Sequence[str], sizes: Sequence[float], shape: Shape) -> Placed:
    """Puts the organizations on shards. One in several shards has an equal part in each (the hash of ids is even)."""
    shards = [0.0] * shape.shards
    homes = []
    for uid, size in zip(uids, sizes, strict=True):
        home = shape.shards_of(uid)
        homes.append(home)
        for shard in home:
            shards[shard] += size / len(home)
    return Placed(list(sizes), homes, shards)


def imbalance(values: Sequence[float]) -> float:
    """The greatest, as a multiple of the mean."""
    return max(values) * len(values) / sum(values)


@dataclass(frozen=True)
class Queued:
    """Milliseconds of searches, waiting included, and how busy the busiest machine was (1: always)."""

    median: float
    p99: float
    busiest: float


def queue(placed: Placed, cluster: Cluster, cost: Cost, *, rate: float, searches: int, seed: int) -> Queued:
    """Sends so many searches at random times, `rate` a second on average."""
    numbers = random.Random(seed)
    upto = list(accumulate(placed.sizes))
    machines = cluster.machines or cluster.nodes
    free = [[0.0] * cluster.cores for _ in range(machines)]  # when each core is free: a heap for each machine
    busy = [0.0] * machines
    took, now = [], 0.0
    for _search in range(searches):
        now += numbers.expovariate(rate) * 1000
        tenant = min(bisect(upto, numbers.random() * upto[-1]), len(upto) - 1)
        ends = now
        for shard in placed.homes[tenant]:
            machine = min((cluster.machine(node) for node in cluster.copies(shard)), key=lambda one: free[one][0])
            needed = numbers.expovariate(1 / cost.of(placed.sizes[tenant] / len(placed.homes[tenant])))
            done = max(now, free[machine][0]) + needed
            heapq.heapreplace(free[machine], done)
            busy[machine] += needed
            ends = max(ends, done)
        took.append(ends - now)
    took.sort()
    return Queued(took[len(took) // 2], took[int(len(took) * 0.99)], max(busy) / (max(now, 1e-9) * cluster.cores))


def capacity(placed: Placed, cluster: Cluster, cost: Cost) -> float:
    """Searches a second at which all cores together are busy. Those of the busiest machine are earlier.

    Machines without a conversation do not count.
    """
    whole = sum(placed.sizes)
    mean = sum(
        size / whole * len(home) * cost.of(size / len(home))
        for size, home in zip(placed.sizes, placed.homes, strict=True)
    )
    filled = [shard for shard, size in enumerate(placed.shards) if size]
    machines = {cluster.machine(node) for shard in filled for node in cluster.copies(shard)}
    return 1000 * cluster.cores * len(machines) / mean
