"""A suspended node: readiness and doctor report it within seconds, the service stays ready, and doctor only warns."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest

from service.api import readiness
from service.node import LocalCluster
from service.node.member import Member
from tests.commands import run_here
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.cluster_facts import copies, health, manager
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving
from tests.processes import wait_until

READS = 30
DOCTOR = 12.0  # seconds, with the start of the process, on a busy machine
SOON = readiness.SECONDS + 1.5  # seconds, on a busy machine; less than the 5 s that a probe waits


@pytest.mark.parametrize("which", ["primary", "replica", "manager"])
def test_the_service_is_ready_while_one_of_three_nodes_is_silent(
    three_nodes: LocalCluster, on_three_nodes: Cluster, which: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readiness, "REMEMBERED_SECONDS", 0.0)
    on_three_nodes.load(corpus()[:40])
    alias = on_three_nodes.settings.alias
    url = three_nodes.urls[0]
    assert health(url, wait_for_status="green", wait_for_nodes="3")["status"] == "green"
    holders = {row["prirep"]: row["node"] for row in copies(url, alias)}
    name = {"primary": holders["p"], "replica": holders["r"]}.get(which) or manager(url)
    frozen = next(node for node in three_nodes.nodes if node.name == name)
    others = [node.url for node in three_nodes.nodes if node is not frozen]
    for urls in (", ".join(three_nodes.urls), others[0]):  # all nodes, and as behind one address
        for api in serving(on_three_nodes.settings.but(opensearch_url=urls), urls):
            _stays_ready(api, frozen)


def _stays_ready(api: Api, frozen: Member) -> None:
    _await_all_known(api)
    token = api.token(ORGANIZATIONS[0])
    for _read in range(READS):  # a node sends its first searches to the copies that it has not asked yet
        api.conversations(token)
    frozen.suspend()
    try:
        wait_until(lambda: _is_ready_without(api, frozen.name))
        wait_until(lambda: api.get("/api/conversations", token).status_code == 200)
    finally:
        frozen.resume()
    _await_all_known(api)


def test_doctor_warns_within_seconds_of_nodes_that_do_not_answer(
    three_nodes: LocalCluster, on_three_nodes: Cluster
) -> None:
    on_three_nodes.load(corpus()[:40])
    assert health(three_nodes.urls[0], wait_for_status="green", wait_for_nodes="3")["status"] == "green"
    urls = three_nodes.urls
    code, checks = _doctor(on_three_nodes, *urls)
    assert (code, checks["nodes"]["found"]) == (0, "3 of 3 URLs answer, 3 nodes"), checks
    frozen = next(node for node in three_nodes.nodes if node.name == manager(urls[0]))
    frozen.suspend()
    try:
        started = time.monotonic()
        code, checks = _doctor(on_three_nodes, *urls)
        assert time.monotonic() - started < DOCTOR
    finally:
        frozen.resume()
    assert code == 3
    assert {check["verdict"] for check in checks.values()} == {"ok", "warning"}
    found = checks["nodes"]["found"]
    assert f"OpenSearch at {frozen.url} did not answer within 3 s" in found
    assert f"{frozen.name} does not answer the other nodes" in found
    assert "unknown" in checks["disk"]["found"]
    code, checks = _doctor(on_three_nodes, *urls, "http://127.0.0.1:1")
    assert code == 3
    assert checks["nodes"]["verdict"] == "warning"
    assert "cannot reach OpenSearch at http://127.0.0.1:1: " in checks["nodes"]["found"]


def _is_ready_without(api: Api, frozen: str) -> bool:
    """Asks four times. The answer may be unready only if a second node is late, too, as on a busy machine."""
    all_ready = True
    for _ask in range(4):
        started = time.monotonic()
        answer = api.get("/health/ready")
        assert time.monotonic() - started < SOON
        told = answer.json()
        if answer.status_code == 200:
            assert told["nodes"] == "2 of 3 nodes of OpenSearch answer"
            assert told["unknown"].startswith(f"{frozen} does not answer, so it is unknown whether "), told
        else:
            all_ready = False
            late = re.search(r"\((.*) does not answer\)", told["error"]["message"])
            assert late is not None, told
            assert set(late[1].split(", ")) > {frozen}
    return all_ready


def _doctor(cluster: Cluster, *urls: str) -> tuple[int, dict[str, dict[str, str]]]:
    """The exit code, and each check by its name."""
    environment = Cluster(cluster.settings, ",".join(urls)).environment
    done = run_here(("doctor", "--json"), environment=environment, folder=Path.cwd())
    return done.returncode, {one["check"]: one for one in map(json.loads, done.stdout.splitlines())}


def _await_all_known(api: Api) -> None:
    wait_until(lambda: (told := api.get("/health/ready").json())["status"] == "ready" and "unknown" not in told)
