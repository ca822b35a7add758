"""scripts/simulate: hash, placement and queues. tests/node/test_scaling.py compares the hash with a real node."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.scaling.routing import Shape, default_routing_shards, murmur3
from tests.scaling.simulation import Cluster, Cost, capacity, imbalance, organizations, place, queue, sizes

ROOT = Path(__file__).parents[1]
SHAPES = st.integers(1, 60).flatmap(
    lambda shards: st.builds(Shape, st.just(shards), st.integers(1, max(1, shards - 1)))
)


@pytest.mark.parametrize(
    ("data", "value"),
    [  # of the reference implementation, MurmurHash3_x86_32 with seed 0
        (b"", 0),
        (b"test", 0xBA6BD213),
        (b"Hello, world!", 0xC0363E43),
        (b"The quick brown fox jumps over the lazy dog", 0x2E4FF723),
    ],
)
def test_the_hash_is_murmur3(data: bytes, value: int) -> None:
    assert murmur3(data) % 2**32 == value


@given(SHAPES, st.text(max_size=40), st.text(max_size=40))
def test_a_document_is_in_one_of_the_shards_of_its_organization(shape: Shape, routing: str, document: str) -> None:
    home = shape.shards_of(routing)
    assert shape.shard(routing, document) in home
    assert len(home) == shape.partition  # neighbours are different shards where a partition is in use
    assert all(0 <= shard < shape.shards for shard in home)


@given(st.integers(1, 1024))
def test_the_default_routing_shards_can_be_split_evenly(shards: int) -> None:
    routing_shards = default_routing_shards(shards)
    assert routing_shards % shards == 0
    assert shards == 1 or 512 < routing_shards <= 2048
    assert Shape(shards).routing_shards == routing_shards


@given(SHAPES, st.integers(1, 200), st.floats(0, 2), st.integers(0, 5))
def test_the_placement_loses_no_documents(shape: Shape, tenants: int, skew: float, seed: int) -> None:
    amounts = sizes(tenants, 1e6, skew)
    placed = place(organizations(tenants, seed), amounts, shape)
    cluster = Cluster(nodes=3, replicas=1)
    assert sum(amounts) == pytest.approx(1e6)
    assert amounts == sorted(amounts, reverse=True)
    assert sum(placed.shards) == pytest.approx(1e6)
    assert sum(placed.nodes(cluster)) == pytest.approx(2e6)
    assert imbalance(placed.shards) >= 0.999


@pytest.mark.slow
def test_many_equal_organizations_are_spread_evenly_and_one_that_is_large_is_not() -> None:
    uids = organizations(20_000, 1)
    assert imbalance(place(uids, sizes(20_000, 1e6, 0.0), Shape(10)).shards) < 1.1
    skewed = sizes(20_000, 1e6, 1.5)
    alone, spread = (imbalance(place(uids, skewed, Shape(10, partition)).shards) for partition in (1, 5))
    assert alone > skewed[0] / 1e6 * 10  # the largest one alone
    assert spread < alone


@given(st.integers(1, 5), st.integers(0, 4))
def test_copies_of_a_shard_are_on_different_nodes(nodes: int, replicas: int) -> None:
    cluster = Cluster(nodes, replicas)
    held = Counter(node for shard in range(nodes) for node in cluster.copies(shard))
    assert all(len(set(cluster.copies(shard))) == min(nodes, replicas + 1) for shard in range(nodes))
    assert set(held.values()) == {min(nodes, replicas + 1)}


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_one_core_waits_as_the_theory_says(load: float) -> None:
    """M/M/1: the time in the system is exponentially distributed with the mean cost / (1 - load)."""
    placed = place(["one"], [1.0], Shape(1))
    cluster, cost = Cluster(nodes=1, replicas=0, cores=1), Cost(10.0, 0.0)
    assert capacity(placed, cluster, cost) == pytest.approx(100)
    found = queue(placed, cluster, cost, rate=100 * load, searches=60_000, seed=3)
    assert found.median == pytest.approx(0.693 * 10 / (1 - load), rel=0.1)
    assert found.p99 == pytest.approx(4.605 * 10 / (1 - load), rel=0.15)
    assert found.busiest == pytest.approx(load, rel=0.05)


def test_nodes_without_a_shard_do_no_searches() -> None:
    placed = place(organizations(100, 1), sizes(100, 1e6, 1.0), Shape(3))
    few, many = (capacity(placed, Cluster(nodes=nodes, replicas=1), Cost()) for nodes in (4, 100))
    assert few == many == capacity(placed, Cluster(nodes=8, replicas=1, machines=4), Cost())
    assert capacity(placed, Cluster(nodes=2, replicas=1), Cost()) == pytest.approx(few / 2)


@pytest.mark.slow
def test_the_same_seed_prints_the_same_and_the_help_tells_the_options() -> None:
    def simulate(*options: str) -> str:
        command = [str(ROOT / "scripts" / "simulate"), *options]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    small = ("--tenants", "500", "--searches", "500", "--shards", "6", "--partitions", "1", "3", "9")
    printed = simulate(*small)
    assert printed == simulate(*small)
    assert printed != simulate(*small, "--seed", "2")
    assert "| 9 | needs more shards |" in printed
    assert "--conversations" in simulate("--help")


@pytest.mark.slow
def test_the_tables_of_the_docs_are_what_it_prints() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    tables = re.findall(r"^    (scripts/simulate.*)\n\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert len(tables) == 3
    assert tables[0][0] == "scripts/simulate"  # the defaults
    for command, table in tables:
        done = subprocess.run(shlex.split(command), cwd=ROOT, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[1:] == table.splitlines(), command


def test_the_defaults_are_the_rule_of_the_docs_and_the_help_names_each_column() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text("utf-8")
    rule = " ".join(re.findall(r"^> (.*)", text, re.MULTILINE))
    base, more = (float(found) for found in re.findall(r"(\d+) ms (?:of processor time|more)", rule))
    assert (Cost().base, Cost().per_million) == (base, more)
    command = [str(ROOT / "scripts" / "simulate"), "--help"]
    told = " ".join(subprocess.run(command, capture_output=True, text=True, check=True).stdout.split())
    columns = re.findall(r"^\| partition \| (.*) \|$", text, re.MULTILINE)[0].split(" | ")
    assert columns[-1] == "busiest machine"
    assert [column for column in columns if column not in told and "busiest" not in column] == ["searches/s at most"]
    assert "the searches/s that the cluster can do at most" in told
    assert "share of the largest" not in told


def test_what_the_nodes_rent_for_follows_from_the_row_of_the_nodes() -> None:
    text = (ROOT / "docs" / "scaling.md").read_text("utf-8")

    def row(begin: str) -> list[str]:
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {begin}"))
        return line.strip("| ").split(" | ")

    what, *rents = row("what these nodes rent for")
    core, gigabyte = (float(found) for found in re.findall(r"([\d.]+) €", what))
    for nodes, rent in zip(row("nodes ")[1:], rents, strict=True):
        found = re.fullmatch(r"(\d+) with (\d+) cores, \d+ GB and (\d+) (GB|TB) each", nodes)
        assert found is not None, nodes
        number, cores, disk = (int(found[part]) for part in (1, 2, 3))
        price = number * (cores * core + disk * (1000 if found[4] == "TB" else 1) * gigabyte)
        assert float(f"{price:.1e}") == float(rent.removesuffix(" €").replace(",", "")), nodes


def test_the_simulation_needs_nothing_but_python() -> None:
    code = "import sys, tests.scaling.__main__; print([n for n, m in sys.modules.items() if 'site-packages' in str(getattr(m, '__file__', ''))])"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
