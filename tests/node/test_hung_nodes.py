"""Nodes that answer probes but no searches, and what the log says of failed nodes: proxies before one real node."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from service.settings import Settings
from tests.node import faults
from tests.node.serving import serve_process
from tests.node.several import ALL, Several, refused_at_once, several_nodes
from tests.processes import wait_until

READS = ("_search", "_search/point_in_time", "_mget", "_count", "_doc")


@pytest.fixture(scope="module")
def several(settings: Settings, opensearch_url: str) -> Iterator[Several]:
    with several_nodes(settings, opensearch_url) as found:
        yield found


@pytest.fixture(autouse=True)
def _each_begins_with_all_nodes(several: Several) -> Iterator[None]:
    several.await_all_ready()
    yield
    several.await_all_ready()


def test_a_node_that_answers_only_probes_gets_no_reads(several: Several) -> None:
    """Like a node whose disk hangs: it has the state of its cluster in memory."""
    right = several.page().text
    hung = several.proxies[1]
    with hung.faulty(faults.ANY["silence"], *READS):
        assert [several.page().text for _read in range(6)] == [right] * 6
        assert "2 of 3" in several.api.get("/health/ready").text
        reached: list[str] = []
        with hung.answering(lambda call: reached.append(call.path) if call.kind in READS else None):
            assert [several.page().text for _read in range(6)] == [right] * 6
            wait_until(lambda: bool(reached))
        assert all("preference=_only_local" in path for path in reached)


def test_a_cluster_that_answers_only_probes_is_503_at_once(several: Several) -> None:
    with ExitStack() as stack:
        for one in several.proxies:
            stack.enter_context(one.faulty(faults.ANY["silence"], *READS))
        wait_until(lambda: several.page().headers.get("retry-after") == "1", seconds=120)
        refused_at_once(several.page)
    wait_until(lambda: several.page().status_code == 200)


def test_the_log_names_the_node_that_fails_and_when_it_is_back(several: Several) -> None:
    failing = several.proxies[1]
    environment = {
        "OPENSEARCH_URL": ",".join(one.url for one in several.proxies),
        "CONVERSATIONS_LOG_FORMAT": "json",
        "OPENSEARCH_PROBE_SECONDS": "0.2",
    }
    with serve_process(several.cluster, **environment) as (process, address, log):

        def told() -> list[tuple[str, str, str | None]]:
            httpx.get(f"{address}/health/ready", timeout=60)
            lines = [json.loads(line) for line in log.read_bytes().splitlines() if line.startswith(b"{")]
            return [(line["event"], line["node"], line.get("reason")) for line in lines if "node" in line]

        with failing.faulty(faults.ANY["reset"], *ALL):
            failed = [("node_failed", failing.url, "the connection was lost, so the request may have been executed")]
            wait_until(lambda: told() == failed, process=process, says=told)
        wait_until(lambda: told() == [*failed, ("node_is_back", failing.url, None)], process=process, says=told)
