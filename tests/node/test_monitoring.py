"""What operators watch: metrics, alert rules and a Grafana dashboard over them, traces, and `conversations doctor`."""

from __future__ import annotations

import asyncio
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from service.client import Client
from service.index import aliases, mapping
from service.node import Distribution, LocalNode
from service.operations import load_progress
from service.operations.doctor import CHECKS
from service.reindex.lock import Lock, State
from service.settings import Settings
from tests.commands import run_here
from tests.corpus import ORGANIZATIONS, corpus
from tests.node import faults
from tests.node.clusters import Cluster
from tests.node.proxy import Proxy
from tests.node.serving import Api, serve_process, serving
from tests.node.trace_sink import Sink
from tests.processes import wait_until

MONITORING = Path(__file__).parents[2] / "docs" / "monitoring"
OWN = "conversations_"
_NAME = re.compile(rf"\b{OWN}[a-z0-9_]+")
_SELECTOR = re.compile(rf"\b({OWN}[a-z0-9_]+)\{{([^}}]*)\}}")
_LABEL = re.compile(r"(\w+)\s*(?:=~|!~|!=|=)")
_GROUPING = re.compile(r"\bby \(([^)]*)\)")
_SUFFIX = re.compile(r"_(bucket|count|sum|total)$")


def families(api: Api) -> dict[str, Metric]:
    """As Prometheus itself would read them."""
    answer = api.get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")
    assert answer.headers["content-type"].count("charset") == 1
    return {family.name: family for family in text_string_to_metric_families(answer.text)}


def value(found: dict[str, Metric], sample: str, **labels: str) -> float:
    family = next(found[name] for name in (sample, _SUFFIX.sub("", sample)) if name in found)
    return sum(
        one.value for one in family.samples if one.name == sample and labels.items() <= one.labels.items()
    )  # fmt: skip


def test_metrics_tell_how_fresh_the_index_is(api: Api) -> None:
    found = families(api)
    documents = {sample.labels["kind"]: sample.value for sample in found["conversations_documents"].samples}
    assert documents.keys() == {"conversation", "tombstone"}
    assert documents["conversation"] == len(corpus())
    for name in ("refresh_interval_seconds", "index_usable", "cluster_up"):
        assert value(found, OWN + name) == 1
    newest = max(one.updated_on for one in corpus())
    age = value(found, "conversations_newest_write_age_seconds")
    assert age == pytest.approx((datetime.now(UTC) - newest).total_seconds(), abs=60)


def test_a_body_that_is_cut_off_is_counted_as_the_fault_of_its_client(api: Api) -> None:
    """The client closes after a part of the body: 499, or 400 if the service noticed in time, but never a 5xx."""
    address = httpx.URL(api.address)
    token = api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))

    def counted() -> dict[str, float]:
        samples = families(api)["conversations_request_seconds"].samples
        return {
            one.labels["status"]: one.value
            for one in samples
            if one.name.endswith("_count") and one.labels["route"] == "/api/conversations/bulk"
        }

    before = counted()
    for framing in (b"Content-Length: 100", b"Transfer-Encoding: chunked"):
        with socket.create_connection((address.host, address.port or 80)) as client:
            head = b"POST /api/conversations/bulk HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer %s\r\n%s\r\n\r\n"
            client.sendall(head % (token.encode(), framing) + b"ff\r\n{uid")
    wait_until(lambda: sum(counted().values()) >= sum(before.values()) + 2)
    changed = {status for status, count in counted().items() if count != before.get(status)}
    assert changed <= {"400", "499"}


def test_requests_and_their_calls_to_opensearch_are_counted_and_timed(api: Api) -> None:
    token = api.token(ORGANIZATIONS[0])
    before = families(api)
    # No other test asks for this page, so no cache has it.
    deep = "/api/conversations?page=99999&created_on[lte]=2031-07-06T05:04:03.002Z"
    for path in ("/api/conversations", "/api/conversations?nonsense=1", deep, "/nowhere"):
        api.get(path, token)
    after = families(api)

    def more(sample: str, **labels: str) -> float:
        return value(after, sample, **labels) - value(before, sample, **labels)

    route = {"route": "/api/conversations", "method": "GET"}
    assert more("conversations_request_seconds_count", **route, status="200") == 2
    assert more("conversations_request_seconds_count", **route, status="400") == 1
    assert more("conversations_request_seconds_count", route="unmatched", status="404") == 1
    assert more("conversations_request_seconds_bucket", **route, status="200", le="10.0") == 2
    assert more("conversations_pages_total", plan="plain") == 1
    assert more("conversations_pages_total", plan="counted") == 1
    searches = more("conversations_opensearch_seconds_count", call="_search")
    assert searches >= 2
    assert more("conversations_opensearch_seconds_sum", call="_search") > 0
    assert more("conversations_request_seconds_sum") > 0  # perhaps less: a deep page's searches run in parallel
    assert value(after, "conversations_opensearch_connections", state="size") > 0


def test_no_label_names_an_organization_or_a_user_or_what_was_asked(api: Api) -> None:
    token = api.token(ORGANIZATIONS[0])
    api.get("/api/conversations?search=unmistakable&agent_uid=00000000-0000-4000-8000-0000000000aa", token)
    api.get("/unmistakable", token)
    text = api.get("/metrics").text
    for hidden in ("unmistakable", "0000000000aa", "tester", *map(str, ORGANIZATIONS)):
        assert hidden not in text


def test_without_a_cluster_metrics_say_so_and_still_describe_the_process(cluster: Cluster) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        for api in serving(cluster.settings, url):
            assert api.get("/api/conversations", api.token(ORGANIZATIONS[0])).status_code == 503
            found = families(api)
            assert value(found, "conversations_cluster_up") == 0
            assert value(found, "conversations_request_seconds_count", status="503") >= 1
            assert value(found, "conversations_opensearch_failures_total", status="0") >= 1


@pytest.fixture
def busy(fresh: Cluster) -> Iterator[Api]:
    """A service during a load and a reindex, with an older index, and after a bulk request."""
    fresh.load(corpus()[:50])

    async def begin(client: Client) -> None:
        await Lock.acquire(client, fresh.settings.alias, State("reindex", "backfill", "old", "new", ranges_done=7))

    fresh.act(begin)
    older = f"{fresh.settings.alias}-20200101t000000000-00000000"
    fresh.act(lambda client: aliases.create(client, fresh.settings.alias, mapping.load(), name=older))
    going, ended = threading.Event(), threading.Event()
    numbers = {"bytes_done": 10, "bytes": 40, "written": 3, "unchanged": 2, "rejected": 1}

    async def load(client: Client) -> None:
        async with load_progress.published(client, fresh.settings.alias, lambda: numbers):
            deadline = time.monotonic() + 30
            while not await load_progress.loads(client, fresh.settings.alias):
                assert time.monotonic() < deadline
                await client.indices.refresh(index=f"{fresh.settings.alias}_state")
            going.set()
            await asyncio.to_thread(ended.wait)

    thread = threading.Thread(target=lambda: fresh.act(load))
    thread.start()
    try:
        assert going.wait(30)
        for api in serving(fresh.settings, fresh.url):
            token = api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))
            lines = api.http.post(
                f"{api.address}/api/conversations/bulk", content=b"{}\n", headers={"Authorization": f"Bearer {token}"}
            )
            assert lines.json()["data"]["rejected"] == 1
            yield api
    finally:
        ended.set()
        thread.join(30)
    assert fresh.act(lambda client: load_progress.loads(client, fresh.settings.alias)) == []


def test_loads_and_reindexes_are_shown_while_they_go_on(busy: Api) -> None:
    found = families(busy)
    assert value(found, "conversations_loads_running") == 1
    assert value(found, "conversations_load_input_bytes_done") == 10
    assert value(found, "conversations_load_input_bytes") == 40
    assert value(found, "conversations_load_lines", outcome="written") == 3
    assert value(found, "conversations_reindex_running", action="reindex", step="backfill") == 1
    assert value(found, "conversations_reindex_ranges_done") == 7
    assert value(found, "conversations_differing_ranges") > 0


def expressions() -> list[str]:
    rules = yaml.safe_load((MONITORING / "alerts.yml").read_text("utf-8"))
    board = json.loads((MONITORING / "grafana.json").read_text("utf-8"))
    alerts = [rule["expr"] for group in rules["groups"] for rule in group["rules"]]
    return alerts + [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def test_alert_rules_and_the_grafana_dashboard_use_only_metrics_that_exist(busy: Api) -> None:
    found = families(busy)
    busy.get("/nowhere")
    samples: dict[str, set[str]] = {}
    for family in found.values():
        for sample in family.samples:
            samples.setdefault(sample.name, set()).update(sample.labels)
    # A counter that has not counted yet has no sample and no labels. These are known:
    samples.setdefault("conversations_opensearch_failures_total", set()).update({"call", "status"})
    samples.setdefault("conversations_pages_total", set()).add("plan")
    told = expressions()
    assert len(told) > 25
    for expression in told:
        names = set(_NAME.findall(expression))
        assert names <= samples.keys(), expression
        for name, matchers in _SELECTOR.findall(expression):
            assert set(_LABEL.findall(matchers)) <= samples[name], expression
        known = set().union(*(samples[name] for name in names))
        for labels in _GROUPING.findall(expression):
            assert set(filter(None, map(str.strip, labels.split(",")))) <= known, expression


def test_traces_put_a_request_and_its_calls_into_the_callers_trace_without_secrets(cluster: Cluster, api: Api) -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    sink = Sink()
    thread = threading.Thread(target=sink.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    traced = {"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{sink.server_port}", "OTEL_BSP_SCHEDULE_DELAY": "100"}
    token = api.token(ORGANIZATIONS[0])
    try:
        with serve_process(cluster, **traced) as (_process, address, _log):
            answer = api.http.get(
                f"{address}/api/conversations?search=unmistakable",
                headers={"Authorization": f"Bearer {token}", "traceparent": parent},
            )
            assert answer.status_code == 200
            nowhere = f"{address}/api/conversations/00000000-0000-4000-8000-00000000beef"
            assert api.http.get(nowhere, headers={"Authorization": f"Bearer {token}"}).status_code == 404
            deadline = time.monotonic() + 30
            while not any(span.name.endswith("{uid}") for span in sink.spans()):
                assert time.monotonic() < deadline
                time.sleep(0.05)
    finally:
        sink.shutdown()
        thread.join(30)
        sink.server_close()
    request = next(span for span in sink.spans() if span.name == "GET /api/conversations")
    assert request.trace_id.hex() == parent.split("-")[1]
    assert request.parent_span_id.hex() == parent.split("-")[2]
    attributes = {one.key: one.value for one in request.attributes}
    assert attributes["http.response.status_code"].int_value == 200
    assert attributes["request_id"].string_value == answer.headers["x-request-id"]
    search = next(span for span in sink.spans() if span.name == "opensearch _search")
    assert (search.trace_id, search.parent_span_id) == (request.trace_id, request.span_id)
    (failed,) = (span for span in sink.spans() if span.name == "opensearch _doc")
    assert {one.key: one.value.string_value for one in failed.attributes}["error.type"] == "NotFoundError"
    everything = b"".join(sink.bodies)
    for hidden in ("unmistakable", "beef", token, str(ORGANIZATIONS[0])):
        assert hidden.encode() not in everything


def doctor(cluster: Cluster, *arguments: str, **more: str) -> tuple[int, dict[str, dict[str, str]]]:
    done = run_here(("doctor", "--json", *arguments), environment=cluster.environment | more, folder=Path.cwd())
    checks = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode == 1:
        assert len(done.stderr.strip().splitlines()) == 1
    return done.returncode, {check["check"]: check for check in checks}


def test_doctor_finds_nothing_wrong_with_a_good_deployment(cluster: Cluster) -> None:
    code, checks = doctor(cluster)
    assert {name: check["verdict"] for name, check in checks.items()} == dict.fromkeys(checks, "ok"), checks
    assert len(checks) == len(CHECKS) + 1
    assert code == 0


def test_doctor_warns_of_a_replica_without_a_node(fresh: Cluster) -> None:
    fresh.load(corpus()[:3])
    body = {"index": {"number_of_replicas": 1}}
    fresh.act(lambda client: client.indices.put_settings(index=fresh.settings.alias, body=body))
    code, checks = doctor(fresh)
    assert (code, checks["cluster"]["verdict"]) == (3, "warning")
    assert "replicas" in checks["cluster"]["advice"]


@pytest.mark.parametrize("name", ["other_{}", "{}_other"])
def test_doctor_does_not_warn_of_the_indices_of_another_alias(name: str, cluster: Cluster) -> None:
    other = Cluster(cluster.settings.but(alias=name.format(cluster.settings.alias), replicas=1), cluster.url)
    try:
        other.load(corpus()[:3])
        code, checks = doctor(cluster)
    finally:
        other.drop()
    assert (code, checks["cluster"]["verdict"]) == (0, "ok"), checks["cluster"]
    assert re.search(": green, [0-9]+ nodes?; other indices are (yellow|red)$", checks["cluster"]["found"])


@pytest.mark.parametrize("block", ["write", "read_only_allow_delete", "read_only"])
def test_doctor_notices_that_nothing_can_be_written(fresh: Cluster, block: str) -> None:
    fresh.load(corpus()[:3])
    setting = f"index.blocks.{block}"
    try:
        fresh.act(lambda client: client.indices.put_settings(index=fresh.settings.alias, body={setting: True}))
        code, checks = doctor(fresh)
    finally:
        fresh.act(lambda client: client.indices.put_settings(index=fresh.settings.alias, body={setting: None}))
    assert (code, checks["writes"]["verdict"]) == (1, "failed"), checks
    assert doctor(fresh)[1]["writes"]["verdict"] == "ok"


def test_doctor_looks_for_the_name_of_the_icu_plugin_if_it_may_not_analyze_text(fresh: Cluster) -> None:
    """Before there is an index, OpenSearch's security plugin lets only administrators analyze text."""
    with Proxy(fresh.url) as proxy, proxy.faulty(faults.error(403, "security_exception"), "_analyze"):
        _code, checks = doctor(fresh, OPENSEARCH_URL=proxy.url)
    assert proxy.met == 1
    assert checks["icu plugin"]["verdict"] in ("ok", "warning")
    assert "there is" in checks["icu plugin"]["found"]
    assert "user" not in checks["icu plugin"]["found"]


def test_doctor_says_what_is_wrong_and_what_to_do(fresh: Cluster) -> None:
    code, checks = doctor(fresh, CONVERSATIONS_TOKEN_SECRET="a" * 40)
    assert code == 1
    assert (checks["alias"]["verdict"], checks["alias"]["advice"]) == (
        "failed",
        "run 'conversations create', or if you restore a snapshot, wait for its end",
    )
    assert checks["mapping"]["verdict"] == "skipped"
    assert checks["token settings"]["verdict"] == "failed"
    fresh.load(corpus()[:3])
    name = next(iter(fresh.act(lambda client: client.indices.get_alias(name=fresh.settings.alias))))
    fresh.act(lambda client: client.indices.put_mapping(index=name, body={"properties": {"x": {"type": "long"}}}))
    fresh.act(lambda client: client.indices.delete_alias(index=name, name=f"{fresh.settings.alias}_writes"))
    code, checks = doctor(fresh)
    assert code == 1
    assert "x" in checks["mapping"]["found"]
    assert "reindex" in checks["mapping"]["advice"]
    assert f"{fresh.settings.alias}_writes" in checks["alias"]["advice"]


def test_doctor_finds_a_disk_below_its_watermark(
    settings: Settings, distribution: Distribution, tmp_path: Path
) -> None:
    """A node of its own: watermarks are settings of a whole cluster."""
    disk = "cluster.routing.allocation.disk"
    marks: dict[str, Any] = {f"{disk}.watermark.{mark}": "9000tb" for mark in ("low", "high", "flood_stage")}
    body = {"transient": {**marks, f"{disk}.threshold_enabled": False}}
    with LocalNode(tmp_path, distribution) as node:
        own = Cluster(settings, node.url)
        own.load(corpus()[:3])
        own.act(lambda client: client.cluster.put_settings(body=body))
        code, checks = doctor(own)
    assert code == 1
    assert checks["disk"]["verdict"] == "failed"
    assert "flood_stage" in checks["disk"]["found"]


def test_doctor_without_a_cluster_skips_the_checks_that_need_one(cluster: Cluster) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        code, checks = doctor(cluster, "--opensearch-url", f"http://127.0.0.1:{nobody.getsockname()[1]}")
    assert code == 1
    assert checks["cluster"]["verdict"] == "failed"
    assert checks["disk"]["verdict"] == "skipped"
