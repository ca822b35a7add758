"""Three local nodes as one cluster: started and stopped together, killed and suspended one by one."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.errors import NodeFailed
from service.node import Distribution, LocalCluster, LocalNode, member_jar, running_url
from service.node.member import Member
from tests.corpus import corpus
from tests.node.cluster_facts import copies, health, names
from tests.node.clusters import Cluster
from tests.node.running import COMMAND, conversations, environment
from tests.node.serving import serving
from tests.processes import end_with_the_test, wait_until

LOAD_STARTS_SECONDS = 5.0  # by then a load has chosen its nodes; if it is slower, the test proves less


def test_a_first_index_has_a_replica_and_outlives_a_killed_node(
    three_nodes: LocalCluster, on_three_nodes: Cluster
) -> None:
    some = corpus()[:40]
    on_three_nodes.load(some)
    alias = on_three_nodes.settings.alias
    assert health(three_nodes.urls[0], wait_for_status="green")["status"] == "green"
    shards = copies(three_nodes.urls[0], alias)
    assert sorted(row["prirep"] for row in shards) == ["p", "r"]
    primary = next(row["node"] for row in shards if row["prirep"] == "p")
    killed = next(node for node in three_nodes.nodes if node.name == primary)
    other = next(node for node in three_nodes.nodes if node is not killed)
    killed.kill()
    assert not killed.is_running
    left = health(other.url, wait_for_nodes="2", wait_for_status="yellow", cluster_manager_timeout="60s")
    assert (left["number_of_nodes"], left["status"] == "red") == (2, False), left
    count = f"{other.url}/{alias}/_count"  # 503 until this node knows the new state of the cluster, too
    wait_until(lambda: httpx.get(count, timeout=60).status_code == 200)
    assert httpx.get(count, timeout=60).json()["count"] == len(some)
    url = killed.url
    killed.start()
    assert killed.url == url
    assert health(url, wait_for_nodes="3")["number_of_nodes"] == 3
    assert names(url) == {"node-1", "node-2", "node-3"}


def test_the_death_of_the_cluster_manager_closes_no_shard_of_the_others(
    three_nodes: LocalCluster, on_three_nodes: Cluster
) -> None:
    """A shard that is opened again counts its writes from 0."""
    on_three_nodes.load(corpus()[:40])
    assert health(three_nodes.urls[0], wait_for_status="green")["status"] == "green"
    stats = {"level": "shards", "filter_path": "indices.*.shards.*.indexing.index_total,indices.*.shards.*.routing"}

    def written(node: Member) -> dict[tuple[str, str], int]:
        """The writes that each copy of a shard has counted, by the index and the id of the node that has it."""
        found = httpx.get(f"{node.url}/{on_three_nodes.settings.alias}*/_stats/indexing", params=stats, timeout=60)
        return {
            (name, copy["routing"]["node"]): copy["indexing"]["index_total"]
            for name, one in found.raise_for_status().json()["indices"].items()
            for copies in one["shards"].values()
            for copy in copies
        }

    def manager(node: Member) -> tuple[str, str]:
        """The id and the name of the cluster manager that a node knows."""
        row = httpx.get(f"{node.url}/_cat/cluster_manager?format=json", timeout=60).raise_for_status().json()[0]
        return row["id"], row["node"]

    first = three_nodes.nodes[0]
    killed_id, name = manager(first)
    before = {copy: count for copy, count in written(first).items() if copy[1] != killed_id}
    assert any(before.values())
    killed = next(node for node in three_nodes.nodes if node.name == name)
    other = next(node for node in three_nodes.nodes if node is not killed)
    killed.kill()
    health(other.url, wait_for_nodes="2", wait_for_status="yellow", cluster_manager_timeout="60s")
    assert manager(other)[1] != name
    after = written(other)
    assert {copy: after.get(copy) for copy in before} == before


def test_a_point_in_time_that_nobody_closes_expires_on_time(three_nodes: LocalCluster, on_three_nodes: Cluster) -> None:
    """By default, OpenSearch looks for expired ones only once a minute."""
    on_three_nodes.load(corpus()[:1])
    url = f"{three_nodes.urls[0]}/{on_three_nodes.settings.alias}/_search/point_in_time?keep_alive=5s"
    opened = httpx.post(url, timeout=60).raise_for_status().json()["pit_id"]

    def is_open() -> bool:
        found = httpx.get(f"{three_nodes.urls[0]}/_search/point_in_time/_all", timeout=60).json()
        return opened in [one["pit_id"] for one in found.get("pits", [])]

    assert is_open()
    wait_until(lambda: not is_open(), seconds=30)


def test_the_last_node_is_not_believed_without_a_manager(three_nodes: LocalCluster, on_three_nodes: Cluster) -> None:
    """The others might go on without this node. OpenSearch itself still answers searches with its data."""
    on_three_nodes.load(corpus()[:40])
    assert health(three_nodes.urls[0], wait_for_status="green")["status"] == "green"
    own = on_three_nodes.settings.but(opensearch_url=" ".join(three_nodes.urls), opensearch_probe_seconds=0.2)
    organization = corpus()[0].organization_uid
    with contextmanager(serving)(own, " ".join(three_nodes.urls)) as api:

        def page() -> httpx.Response:
            return api.get("/api/conversations?per_page=5", api.token(organization))

        right = page().raise_for_status().json()
        shards = copies(three_nodes.urls[0], own.alias)
        last = next(node for node in three_nodes.nodes if node.name == shards[0]["node"])
        for node in three_nodes.nodes:
            if node is not last:
                node.kill()
        wait_until(lambda: "too few of the 3 nodes of OpenSearch answer" in page().text, says=lambda: page().text)
        assert page().status_code == 503
        assert httpx.get(f"{last.url}/{own.alias}/_search", timeout=60).json()["hits"]["hits"]
        three_nodes.revive()
        wait_until(lambda: page().status_code == 200, says=lambda: page().text)
        assert page().json() == right


def test_a_suspended_node_joins_the_cluster_again(three_nodes: LocalCluster) -> None:
    suspended, other = three_nodes.nodes[2], three_nodes.nodes[0]
    suspended.suspend()
    with pytest.raises(httpx.TimeoutException):
        httpx.get(suspended.url, timeout=1)
    assert httpx.get(other.url, timeout=60).status_code == 200
    suspended.resume()
    assert health(suspended.url, wait_for_nodes="3")["number_of_nodes"] == 3
    suspended.suspend()
    suspended.restart()  # its SIGTERM is not noticed while it is suspended
    assert health(suspended.url, wait_for_nodes="3")["number_of_nodes"] == 3
    assert names(suspended.url) == {"node-1", "node-2", "node-3"}


def test_the_command_reports_each_dead_node_and_ends_when_too_few_are_left(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, "node", "--nodes", "3", "--data", str(tmp_path)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
    )  # fmt: skip
    end_with_the_test(process)
    assert process.stdout is not None
    assert process.stderr is not None
    urls = [process.stdout.readline().strip() for _node in range(3)]
    assert all(httpx.URL(url).host == "127.0.0.1" for url in urls)
    running = json.loads((tmp_path / "node.json").read_text())
    assert (running["urls"], running_url(tmp_path)) == (urls, ",".join(urls))
    assert len(names(urls[0])) == 3
    pids = [json.loads((tmp_path / "nodes" / str(number) / "node.json").read_text())["pid"] for number in (1, 2, 3)]

    refused = conversations("node", "--data", str(tmp_path))
    assert (refused.returncode, "already runs" in refused.stderr) == (1, True), refused.stderr
    shown = conversations("status", "--data", str(tmp_path))
    assert "3 nodes" in shown.stdout + shown.stderr or '"nodes": 3' in shown.stdout, shown

    assert conversations("create", "--data", str(tmp_path)).returncode == 0
    loading = subprocess.Popen(
        [*COMMAND, "load", "-", "--data", str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), cwd=tmp_path,
    )  # fmt: skip
    end_with_the_test(loading)
    assert loading.stdin is not None
    assert loading.stderr is not None
    time.sleep(LOAD_STARTS_SECONDS)

    os.kill(pids[0], signal.SIGKILL)
    told = next(line for line in process.stderr if "go on" in line)
    assert f"node-1 at {urls[0]} was killed by SIGKILL" in told
    assert "The other 2 of 3 nodes go on. One node cannot be started alone" in told
    assert running_url(tmp_path) == f"{urls[1]},{urls[2]}"
    loading.stdin.write(f"{corpus()[0].model_dump_json()}\n")
    loading.stdin.close()
    wait_until(lambda: loading.poll() is not None, seconds=60)
    assert loading.returncode == 0, loading.stderr.read()
    os.kill(pids[1], signal.SIGKILL)
    _printed, rest = process.communicate(timeout=60)
    assert process.returncode == 1
    assert f"node-2 at {urls[1]} was killed by SIGKILL" in rest
    assert "1 of 3 nodes are too few to go on" in rest
    assert running_url(tmp_path) is None
    wait_until(lambda: not Path(f"/proc/{pids[2]}").exists())

    refused = conversations("node", "--data", str(tmp_path))
    assert refused.returncode == 1
    assert "holds the data of a cluster of 3 nodes" in refused.stderr
    assert "with --nodes 3" in refused.stderr


def test_the_addresses_of_a_cluster_stay_the_same(tmp_path: Path, distribution: Distribution) -> None:
    """OPENSEARCH_URL may name them."""
    with LocalCluster(tmp_path, distribution) as cluster:
        before = cluster.urls
    with LocalCluster(tmp_path, distribution) as cluster:
        assert cluster.urls == before


def test_the_folder_of_one_node_is_not_taken_for_a_cluster(tmp_path: Path, distribution: Distribution) -> None:
    (tmp_path / "index").mkdir()
    with pytest.raises(NodeFailed, match=r"holds the data of one node: start 'conversations node' without --nodes"):
        LocalCluster(tmp_path, distribution).start()
    for number in (1, 2, 3):
        (tmp_path / "other" / "nodes" / str(number) / "index").mkdir(parents=True)
    with pytest.raises(NodeFailed, match="holds the data of a cluster of 3 nodes"):
        LocalNode(tmp_path / "other", distribution).start()
    with pytest.raises(NodeFailed, match="with --nodes 3"):
        LocalCluster(tmp_path / "other", distribution, count=5).start()


def test_a_member_loads_its_classes_from_the_cache(three_nodes: LocalCluster, distribution: Distribution) -> None:
    """The JVM ignores the cache if its class path does not begin with that of the cache."""
    assert distribution.class_cache is not None
    for node in three_nodes.nodes:
        assert isinstance(node, Member)
        maps = Path(f"/proc/{node.pid}/maps").read_text()
        assert str(distribution.class_cache) in maps
        assert member_jar.MAIN in Path(f"/proc/{node.pid}/cmdline").read_text()
