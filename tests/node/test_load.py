"""A load can be resumed after a kill -9, and goes on by itself after a kill -9 of its node."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

import pytest

from service.conversation import Conversation
from service.node import Distribution, LocalNode
from service.settings import Settings
from tests.bench.generate import steady
from tests.node.clusters import Cluster
from tests.node.reindexing import current, stored
from tests.node.running import begin_load
from tests.processes import wait_until

COUNT = 5_000  # enough for several batches, and no more than one search returns


@pytest.fixture(scope="module")
def many() -> list[Conversation]:
    return list(islice(steady(COUNT), COUNT))


@pytest.fixture
def file(tmp_path: Path, many: list[Conversation]) -> Path:
    """The conversations, with an invalid line near the beginning and one near the end."""
    lines = [one.model_dump_json() for one in many]
    path = tmp_path / "many.ndjson"
    path.write_text("\n".join([*lines[:10], "{}", *lines[10:-10], "nonsense", *lines[-10:]]) + "\n")
    return path


def newest(many: list[Conversation]) -> dict[str, int]:
    return {f"{one.organization_uid}:{one.uid}": one.version for one in many}


def everything(cluster: Cluster) -> int:
    index = current(cluster)
    cluster.act(lambda client: client.indices.refresh(index=index))
    count: int = cluster.act(lambda client: client.count(index=index))["count"]
    return count


@pytest.mark.parametrize("workers", [(), ("--workers", "2")], ids=["", "workers"])
def test_a_killed_load_resumes_where_it_stopped(fresh: Cluster, file: Path, workers: tuple[str, ...]) -> None:
    checkpoint = file.parent / "load.checkpoint"
    killed = begin_load(fresh.url, fresh.settings.alias, file, *workers)
    wait_until(checkpoint.exists, process=killed, says=killed.communicate)
    killed.kill()
    killed.communicate()
    reached = json.loads(checkpoint.read_text())["lines"][str(file)]
    assert 0 < reached < COUNT
    resumed = begin_load(fresh.url, fresh.settings.alias, file, "--resume", *workers)
    out, errors = resumed.communicate(timeout=120)
    assert resumed.returncode == 3, errors  # two lines are invalid
    told = json.loads(out)
    assert told["written"] + told["unchanged"] == COUNT + 1 - reached
    assert everything(fresh) == COUNT
    rejects = [json.loads(line) for line in (file.parent / "rejects.ndjson").read_text().splitlines()]
    assert [one["text"] for one in rejects] == ["{}", "nonsense"]
    assert not checkpoint.exists()
    again = begin_load(fresh.url, fresh.settings.alias, file, "--resume")
    assert "there is no load.checkpoint" in again.communicate()[1]
    assert again.returncode == 2


def test_a_file_that_changed_is_not_resumed(fresh: Cluster, file: Path) -> None:
    (file.parent / "load.checkpoint").write_text(
        json.dumps({"lines": {str(file): 5}, "stamps": {str(file): "7 bytes, 1 ns"}})
    )
    resumed = begin_load(fresh.url, fresh.settings.alias, file, "--resume")
    assert "has changed since" in resumed.communicate()[1]
    assert resumed.returncode == 2


def test_a_load_goes_on_after_its_node_is_killed_and_started_again(
    settings: Settings, distribution: Distribution, file: Path, many: list[Conversation], tmp_path: Path
) -> None:
    with LocalNode(tmp_path / "node", distribution) as node:
        url = node.url
        loading = begin_load(url, settings.alias, file)
        wait_until((file.parent / "load.checkpoint").exists, process=loading, says=loading.communicate)
        node.kill()
    with LocalNode(tmp_path / "node", distribution) as again:
        assert again.url == url
        out, errors = loading.communicate(timeout=180)
        assert loading.returncode == 3, errors
        told = json.loads(out)
        assert told["written"] + told["unchanged"] == COUNT
        assert told["rejected"] == 2
        cluster = Cluster(settings, url)
        assert everything(cluster) == COUNT
        assert stored(cluster, current(cluster)) == newest(many)


def test_several_files_are_loaded_at_once(fresh: Cluster, many: list[Conversation], tmp_path: Path) -> None:
    lines = [one.model_dump_json() for one in many[:3000]]
    for number in range(3):
        part = [*lines[number * 1000 : (number + 1) * 1000], f"wrong {number}"]
        (tmp_path / f"{number}.ndjson").write_text("\n".join(part))
    files = [str(tmp_path / f"{number}.ndjson") for number in range(3)]
    loading = begin_load(fresh.url, fresh.settings.alias, Path(files[0]), *files[1:], "--parallel", "3")
    out, errors = loading.communicate(timeout=120)
    assert loading.returncode == 3
    assert json.loads(out) == {"written": 3000, "unchanged": 0, "rejected": 3}
    assert errors.endswith("3 rejected, with the reasons in rejects.ndjson\n")
    rejects = [json.loads(line) for line in (tmp_path / "rejects.ndjson").read_text().splitlines()]
    assert [(one["source"], one["line"], one["text"]) for one in rejects] == [
        (file, 1001, f"wrong {number}") for number, file in enumerate(files)
    ]
    assert everything(fresh) == 3000
    failing = begin_load(fresh.url, fresh.settings.alias, Path(files[0]), str(tmp_path / "none"), "--parallel", "2")
    assert "does not exist" in failing.communicate(timeout=120)[1]
    assert failing.returncode == 2


def test_a_load_loses_nothing_if_opensearch_rejects_batches_for_back_pressure(
    settings: Settings, distribution: Distribution, file: Path, tmp_path: Path
) -> None:
    """The node takes about two batches at once, a third of what a load would send."""
    options = {"indexing_pressure.memory.limit": "2500kb"}
    with LocalNode(tmp_path / "node", distribution, options=options) as node:
        loading = begin_load(node.url, settings.alias, file)
        out, errors = loading.communicate(timeout=240)
        assert json.loads(out)["written"] == COUNT, errors
        cluster = Cluster(settings, node.url)
        assert everything(cluster) == COUNT
        stats = cluster.act(lambda client: client.nodes.stats(metric="indexing_pressure"))
        pressure = next(iter(stats["nodes"].values()))["indexing_pressure"]["memory"]["total"]
        assert pressure["coordinating_rejections"] > 0, "OpenSearch rejected nothing, so the test proves nothing"
