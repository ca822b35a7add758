"""What `conversations node --nodes N` reports when a node dies, and that it refuses other data before it starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from service import run
from service.errors import NodeFailed
from service.node import LocalCluster
from service.settings import Settings
from tests.command_line import assert_one_line, conversations


class Dying:
    """Three nodes, of which node-2 and then node-3 die."""

    def __init__(self) -> None:
        self.nodes = [
            SimpleNamespace(name=f"node-{n}", url=f"http://127.0.0.1:920{n}", log=Path("node.out")) for n in (1, 2, 3)
        ]
        self.alive = list(self.nodes)

    def deaths(self) -> Iterator[tuple[SimpleNamespace, str]]:
        for node in self.nodes[1:]:
            self.alive.remove(node)
            yield node, "was killed by SIGKILL"

    def running(self) -> list[SimpleNamespace]:
        return self.alive

    def write_running(self) -> None:
        pass


def test_the_note_of_a_dead_node_says_how_to_have_it_back(capsys: pytest.CaptureFixture[str]) -> None:
    """A second start of the command is refused while the first runs."""
    last = run.until_too_few(cast(LocalCluster, Dying()))
    assert capsys.readouterr().err == (
        "node-2 at http://127.0.0.1:9202 was killed by SIGKILL. The other 2 of 3 nodes go on. One node cannot be started "
        "alone: stop the command, which stops the cluster, and start it again. The addresses stay the same.\n"
    )
    assert last == (
        "node-3 at http://127.0.0.1:9203 was killed by SIGKILL, and 1 of 3 nodes are too few to go on. The log is node.out"
    )


@pytest.mark.parametrize(
    ("folders", "nodes", "right"),
    [
        (["nodes/1", "nodes/2", "nodes/3"], 5, "with --nodes 3"),
        (["nodes/1", "nodes/2", "nodes/3"], 1, "with --nodes 3"),
        (["."], 3, "without --nodes"),
    ],
)
def test_another_number_of_nodes_is_refused_before_anything_starts(
    folders: list[str], nodes: int, right: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenSearch is not downloaded, either."""
    data = tmp_path / "data"
    for folder in folders:
        (data / folder / "index").mkdir(parents=True)

    def never(*_arguments: object, **_options: object) -> None:
        raise AssertionError

    monkeypatch.setattr(run, "prepare", never)
    assert_one_line(conversations(tmp_path, "node", "--nodes", str(nodes)), 1, f"start 'conversations node' {right}")
    assert_one_line(conversations(tmp_path, "node", "--nodes", str(nodes), "--quiet"), 1, right)


def test_run_refuses_the_data_of_a_cluster_before_its_node_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2, 3):
        (tmp_path / "nodes" / str(number) / "index").mkdir(parents=True)
    monkeypatch.setattr(run, "prepare", lambda *_arguments, **_options: pytest.fail("it started"))
    with (
        pytest.raises(NodeFailed, match="holds the data of a cluster of 3 nodes"),
        run.local_node(Settings.load(options={"data": tmp_path})),
    ):
        pass
