"""`doctor`: its reports on clocks, nodes and files. tests/node/test_cli.py and test_silent_node.py run it on nodes."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import socket
from pathlib import Path
from typing import Any, cast

import pytest

from service.cli import connectivity
from service.client import Client
from service.errors import SearchUnavailable
from service.index import mapping, silent_nodes
from service.index.silent_nodes import Members
from service.operations import doctor, doctor_nodes
from service.operations.doctor_check import Check, Deployment
from service.operations.doctor_nodes import clock_check
from service.settings import Settings
from tests.scripted_server import Server
from tests.virtual_time import run


@pytest.mark.parametrize(
    ("apart", "leeway", "verdict"),
    [
        (0.0, 5, "ok"), (2.0, 5, "ok"), (2.1, 5, "warning"), (5.0, 5, "warning"), (5.1, 5, "failed"),
        (5.1, 60, "warning"), (60.5, 60, "failed"), (1.0, 0, "ok"), (2.1, 0, "failed"),
    ],
)  # fmt: skip
def test_clocks_may_differ_by_as_much_as_tokens_allow(apart: float, leeway: float, verdict: str) -> None:
    assert clock_check(apart, leeway=leeway).verdict == verdict


def deployment(*problems: str, members: Members | None = None) -> Deployment:
    """Three nodes, whose URLs have these problems."""
    urls = "http://a:1,http://b:2,http://c:3"
    return Deployment(Settings(), urls, cast(Client, None), mapping.load(), problems, members)


@pytest.mark.parametrize(
    ("problems", "members", "verdict", "found"),
    [
        ((), Members(3), "ok", "3 of 3 URLs answer, 3 nodes"),
        ((), None, "ok", "3 of 3 URLs answer"),
        (("c is off",), Members(2), "warning", "2 of 3 URLs answer; 2 nodes; c is off"),
        (
            ("c is off",), Members(3, ("node-3",)), "warning",
            "2 of 3 URLs answer; 3 nodes; c is off; node-3 does not answer the other nodes",
        ),
        ((), Members(3, ("d",)), "warning", "3 of 3 URLs answer; 3 nodes; d does not answer the other nodes"),
    ],
)  # fmt: skip
def test_nodes_that_do_not_answer_are_a_warning(
    problems: tuple[str, ...], members: Members | None, verdict: str, found: str
) -> None:
    check = asyncio.run(doctor_nodes.nodes(deployment(*problems, members=members)))
    assert (check.verdict, check.found) == (verdict, found)


def test_two_urls_of_one_node_are_a_warning() -> None:
    shared = "http://a:1 and http://b:2 are the same node, node-1"
    found = dataclasses.replace(deployment(members=Members(2)), shared=(shared,))
    check = asyncio.run(doctor_nodes.nodes(found))
    assert (check.verdict, check.found) == ("warning", f"3 of 3 URLs answer; 2 nodes; {shared}")
    assert check.advice == "name each node once in OPENSEARCH_URL"


@pytest.mark.parametrize(
    ("whole", "indices", "found", "verdict"),
    [
        ("green", {"mine": "green", "theirs": "green"}, "green, 1 node", "ok"),
        ("yellow", {"mine": "green", "theirs": "yellow"}, "green, 1 node; other indices are yellow", "ok"),
        ("yellow", {"mine": "yellow", "theirs": "green"}, "yellow, 1 node", "warning"),
        ("red", {"mine": "yellow", "theirs": "red"}, "yellow, 1 node; other indices are red", "warning"),
        ("red", {"mine": "red", "theirs": "green"}, "red, 1 node", "failed"),
        ("red", {"mine": "green", "taken over": "red"}, "red, 1 node", "failed"),  # the index behind the alias
        ("yellow", {"mine": "green", "conversations_keys": "yellow"}, "yellow, 1 node", "warning"),
        ("yellow", {"mine": "green", "conversations_state": "yellow"}, "yellow, 1 node", "warning"),
        ("red", {"mine": "green"}, "red, 1 node", "failed"),  # the whole cluster is blocked
        ("red", {}, "red, 1 node", "failed"),
        ("green", {}, "green, 1 node", "ok"),
    ],
)
def test_only_the_indices_of_the_alias_decide_about_the_cluster(
    whole: str, indices: dict[str, str], found: str, verdict: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def all_indices(_client: Client, _alias: str) -> list[str]:
        if whole not in indices.values():
            raise SearchUnavailable("the cluster is blocked")
        return ["mine"]

    async def holders(_client: Client, *_aliases: str) -> dict[str, frozenset[str]]:
        return {"taken over": frozenset({"conversations"})}

    monkeypatch.setattr("service.index.aliases.all_indices", all_indices)
    monkeypatch.setattr(doctor, "holders", holders)
    client = cast(Client, _Health(whole, indices))
    check = asyncio.run(doctor._cluster(dataclasses.replace(deployment(), client=client)))
    assert (check.found.partition(": ")[2], check.verdict) == (found, verdict)


class _Health:
    """A client of a cluster of one node, with the health of the whole and of each index."""

    def __init__(self, whole: str, indices: dict[str, str]) -> None:
        self.cluster = self
        self._whole, self._indices = whole, indices

    async def health(self, **_options: Any) -> dict[str, Any]:
        indices = {name: {"status": status} for name, status in self._indices.items()}
        return {"cluster_name": "c", "status": self._whole, "number_of_nodes": 1, "indices": indices}


class _Disks:
    """A client of a cluster whose nodes have disks of 100 GiB, with these numbers of free bytes."""

    def __init__(self, *free: float) -> None:
        self.cluster = self.nodes = self
        self._free = free

    async def get_settings(self, **_options: Any) -> dict[str, Any]:
        marks = {"low": "85%", "high": "90%", "flood_stage": "95%"}
        found = {f"cluster.routing.allocation.disk.watermark.{name}": mark for name, mark in marks.items()}
        return {"defaults": found, "persistent": {}, "transient": {}}

    async def stats(self, **_options: Any) -> dict[str, Any]:
        return {
            "nodes": {
                str(at): {
                    "name": f"node-{at}",
                    "fs": {"total": {"total_in_bytes": 100 * 2**30, "available_in_bytes": int(free * 2**30)}},
                }
                for at, free in enumerate(self._free, 1)
            }
        }


@pytest.mark.parametrize(
    ("free", "verdict", "advice"),
    [
        ((50, 50), "ok", ""),
        ((3, 12), "failed", "OpenSearch blocks writes"),
        ((12, 3), "failed", "OpenSearch blocks writes"),
        ((3, 8, 50), "failed", "OpenSearch blocks writes"),
        ((8, 12), "failed", "OpenSearch moves shards away"),
        ((50, 12), "warning", "OpenSearch puts no new shards there"),
    ],
)
def test_the_fullest_disk_decides_the_advice(free: tuple[float, ...], verdict: str, advice: str) -> None:
    found = dataclasses.replace(deployment(), client=cast(Client, _Disks(*free)))
    check = asyncio.run(doctor_nodes.disk(found))
    assert (check.verdict, check.advice.partition(":")[0]) == (verdict, advice)


def test_checks_that_wait_for_a_silent_node_are_warnings_after_a_few_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    async def hangs(_deployment: Deployment) -> Check:
        await asyncio.sleep(30)
        raise AssertionError("it waited for the node")

    async def well(deployment: Deployment) -> Check:
        assert deployment.silent == ("node-3",)
        return Check("well", "ok", "all is well")

    async def members(*_arguments: Any, **_options: Any) -> Members:
        return Members(3, ("node-3",))

    async def examined() -> tuple[list[tuple[str, str, str]], float]:
        found: list[tuple[str, str, str]] = []
        async for one in doctor.examine(deployment()):
            found.append((one.name, one.verdict, one.found))
        return found[1:], asyncio.get_running_loop().time()

    monkeypatch.setattr(silent_nodes, "members", members)
    monkeypatch.setattr(doctor, "CHECKS", (well, hangs, well, hangs))
    unknown = ("hangs", "warning", "unknown, because node-3 does not answer")
    fine = ("well", "ok", "all is well")
    found, seconds = run(examined())
    assert found == [fine, unknown, fine, unknown]
    assert seconds < 5


def test_each_url_is_checked_separately(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connectivity, "NODE_SECONDS", 0.3)
    server = Server()
    answer = {"cluster_name": "c", "version": {"number": "3.8.0"}}
    server.answers = [(200, {"Content-Type": "application/json"}, json.dumps(answer).encode())]
    with socket.socket() as silent, socket.socket() as closed:
        silent.bind(("127.0.0.1", 0))
        silent.listen()  # and never answers, as a process that is frozen
        closed.bind(("127.0.0.1", 0))
        mute, off = (f"http://127.0.0.1:{one.getsockname()[1]}" for one in (silent, closed))
        try:
            found = asyncio.run(connectivity.problems_at(Settings(), f"{server.url},{mute},{off}"))
        finally:
            server.close()
    assert found == [
        f"OpenSearch at {mute} did not answer within 0 s",
        f"cannot reach OpenSearch at {off}: connection refused: does anything run there?",
    ]


def test_the_audit_file_is_checked_and_not_made(tmp_path: Path) -> None:
    async def checked(file: Path | None) -> list[Check]:
        settings = Settings(CONVERSATIONS_AUDIT_FILE=str(file)) if file else Settings()
        found = dataclasses.replace(deployment(), settings=settings)
        return [one async for one in doctor.examine(found, unreachable="it is away") if one.name == "audit file"]

    new, old, folder = tmp_path / "new", tmp_path / "old", tmp_path / "folder"
    old.write_text("a line\n")
    folder.mkdir()
    for file in (new, old):
        assert [one.verdict for one in asyncio.run(checked(file))] == ["ok"]
    for file in (folder, tmp_path / "nowhere" / "audit", old / "audit"):
        (check,) = asyncio.run(checked(file))
        assert check.verdict == "failed"
        assert check.found.startswith(f"CONVERSATIONS_AUDIT_FILE names {file}, which cannot be written (")
    assert asyncio.run(checked(None)) == []
    assert not new.exists()
    assert old.read_text() == "a line\n"
