"""Places organizations of very unequal size on shards as OpenSearch does, and lets their searches queue.

It prints, for each routing partition, the largest shard and the largest node as multiples of the mean, the searches/s
that the cluster can do at most, and for each load, which is a share of these, the median and p99 of a search, and how
busy the busiest machine is. At 100 %, its queue grows without end. Nodes without a conversation do not count for what
the cluster can do. The defaults are the first table of docs/scaling.md, which says where the costs come from, and how
far the predictions held.
"""

from __future__ import annotations

import argparse

from tests.program_options import Parser, number, whole
from tests.scaling.routing import Shape
from tests.scaling.simulation import Cluster, Cost, capacity, imbalance, organizations, place, queue, sizes


def arguments() -> argparse.Namespace:
    parser = Parser(
        prog="scripts/simulate", description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter
    )
    add = parser.add_argument
    add("--tenants", type=whole(1, 10_000_000), default=10_000, help="organizations, such as 10,000 to 1,000,000")
    add("--conversations", type=whole(), default=10_000_000, help="of all together")
    add("--skew", type=number(most=10), default=1.0, help="exponent of the power law; 0: all have the same size")
    add("--shards", type=whole(1, 1_024), default=3, help="primary shards")
    add("--partitions", type=whole(1, 1_024), nargs="+", default=[1, 2], help="routing partitions to compare; 1: none")
    add("--nodes", type=whole(1, 10_000), default=3, help="of OpenSearch")
    add("--replicas", type=whole(0, 10_000), default=1, help="copies of each shard in addition to the first")
    add("--cores", type=whole(1, 10_000), default=4, help="of each machine")
    add("--machines", type=whole(0, 10_000), default=0, help="if nodes share machines; 0: each node has its own")
    add(
        "--base",
        type=number(least=0.001, most=1e6),
        default=Cost.base,
        help="milliseconds of processor time of a search in one shard",
    )
    add(
        "--per-million",
        type=number(most=1e6),
        default=Cost.per_million,
        help="more for each million of its conversations",
    )
    add(
        "--loads",
        type=number(least=0.001, most=10),
        nargs="+",
        default=[0.3, 0.6],
        help="shares of what all cores together can do",
    )
    add("--rate", type=number(least=0.001, most=1e9), help="searches a second, instead of --loads")
    add("--searches", type=whole(1, 100_000_000), default=20_000, help="to simulate in each case")
    add("--seed", type=whole(0), default=1, help="the same seed gives the same figures")
    given = parser.parse_args()
    if given.machines > given.nodes:
        parser.error(f"--machines {given.machines:,}: {given.nodes:,} nodes are on {given.nodes:,} machines at most")
    return given


def main() -> None:
    options = arguments()
    uids = organizations(options.tenants, options.seed)
    amounts = sizes(options.tenants, options.conversations, options.skew)
    cluster = Cluster(options.nodes, options.replicas, options.cores, options.machines)
    cost = Cost(options.base, options.per_million)
    print(
        f"{options.tenants:,} organizations with {options.conversations:,} conversations, the largest with "
        f"{amounts[0]:,.0f}; {options.shards} shards, {options.nodes} nodes of {options.cores} cores"
    )
    print("| partition | largest shard | largest node | searches/s at most | load | median | p99 | busiest machine |")
    print("|---|---|---|---|---|---|---|---|")
    for partition in options.partitions:
        if partition >= options.shards > 1 and partition > 1:
            print(f"| {partition} | needs more shards | | | | | | |")
            continue
        placed = place(uids, amounts, Shape(options.shards, partition))
        most = capacity(placed, cluster, cost)
        shares = options.loads if options.rate is None else [options.rate / most]
        for share in shares:
            found = queue(placed, cluster, cost, rate=share * most, searches=options.searches, seed=options.seed)
            print(
                f"| {partition} | {imbalance(placed.shards):.2f} ({max(placed.shards):,.0f}) | "
                f"{imbalance(placed.nodes(cluster)):.2f} | {most:,.0f} | {share:.0%} | {found.median:.1f} ms | "
                f"{found.p99:.0f} ms | {min(1.0, found.busiest):.0%} |"
            )


if __name__ == "__main__":
    main()
