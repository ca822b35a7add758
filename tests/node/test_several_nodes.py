"""Several URLs of a cluster, some of which fail: proxies before one real node, each with faults of its own."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from service import telemetry
from service.errors import NOT_NOW
from service.search.paging.rank_descent import Windows
from service.settings import Settings
from tests.commands import run_here
from tests.corpus import corpus
from tests.node import faults, proxy
from tests.node.asking import error
from tests.node.proxy import Answer, Call, Proxy
from tests.node.serving import serving
from tests.node.several import ALL, MINE, TIMEOUT, Several, refused_at_once, several_nodes
from tests.processes import wait_until

DEEP = Windows(dates=0, numbers=0, texts=0, scores=0, slice=3)
LATE = 2.5  # seconds: longer than a read waits before it asks another node, and less than its deadline
NOTHING = b"""{"took":1,"timed_out":false,"_shards":{"total":1,"successful":1,"skipped":0,"failed":0},
    "hits":{"total":{"value":0,"relation":"eq"},"max_score":null,"hits":[]}}"""
CALLERS, NEXT_CALLER = 12, 0.5  # the seconds from one caller to the next
FOUND_SILENT = 7.25  # seconds, with the default settings: docs/nodes.md
BUSY = 1.0  # seconds more, on a busy machine


@pytest.fixture(scope="module")
def several(settings: Settings, opensearch_url: str) -> Iterator[Several]:
    with several_nodes(settings, opensearch_url) as found:
        yield found


@pytest.fixture(autouse=True)
def _each_begins_with_all_nodes(several: Several) -> Iterator[None]:
    several.await_all_ready()
    yield
    several.await_all_ready()


def count(name: str, **labels: str) -> float:
    return telemetry.REGISTRY.get_sample_value(name, labels) or 0.0


SICK = {
    name: faults.ANY[name]
    for name in (
        "a page, 200", "a page, 404", "a page, 429", "a page, 502", "a page, 503", "no manager", "nothing", "null",
        "HTML that says it is JSON", "cut JSON", "longer than sent", "half a gzip", "reset", "closed in the body",
        "closed before the headers", "no HTTP", "an error in 200",
    )
}  # fmt: skip


@pytest.mark.parametrize("name", SICK)
def test_a_read_goes_to_another_node(several: Several, name: str) -> None:
    right = several.page().text
    before = count("conversations_opensearch_retried_total", reason="failed")
    with several.sick(SICK[name], 0, 1):
        for _read in range(4):
            answer = several.page()
            if answer.status_code != 200:  # both of the sick ones were asked
                assert answer.status_code in (429, 503)
                assert answer.headers["retry-after"] == "1"
            else:
                assert answer.text == right
    several.await_all_ready()
    with several.sick(SICK[name], 2):
        assert [(several.page().status_code, several.page().text) for _read in range(4)] == [(200, right)] * 4
    assert count("conversations_opensearch_retried_total", reason="failed") > before


def test_a_failed_node_gets_no_reads_until_it_recovers(several: Several) -> None:
    with several.sick(faults.ANY["a page, 502"], 0):
        for _read in range(6):
            assert several.page().status_code == 200
        wait_until(lambda: "2 of 3" in several.api.get("/health/ready").text)
        met = several.proxies[0].met
        for _read in range(6):
            assert several.page().status_code == 200
        assert several.proxies[0].met - met <= 6  # its probes, and no read
    several.await_all_ready()
    reached: list[str] = []
    with several.proxies[0].answering(lambda call: reached.append(call.kind)):
        for _read in range(6):
            assert several.page().status_code == 200
    assert "_search" in reached


def test_a_silent_node_costs_a_read_a_part_of_its_deadline(several: Several) -> None:
    right = several.page().text
    with several.sick(faults.ANY["silence"], 1):
        times = []
        for _read in range(6):
            started = time.monotonic()
            answer = several.page()
            times.append(time.monotonic() - started)
            assert (answer.status_code, answer.text) == (200, right)
        assert max(times) < TIMEOUT / 2
        assert sum(one > TIMEOUT / 8 for one in times) <= 2
    assert count("conversations_opensearch_retried_total", reason="slow") >= 1


def _frozen(call: Call, answer: Answer) -> Answer:
    """A node that was suspended and removed from its cluster: its answers are late, and from an old state."""
    if call.kind == "_cluster/state":
        return faults.put("version", value=1)(call, answer)
    if call.kind == "_doc":
        return faults.error(404, "index_not_found_exception")(call, answer).but(send=proxy.late(LATE))
    return faults.body(NOTHING)(call, answer).but(send=proxy.late(LATE)) if call.kind == "_search" else answer


def test_a_resumed_node_gets_no_reads_until_it_knows_the_current_cluster_state(several: Several) -> None:
    right = several.page().text
    with several.sick(_frozen, 1), ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _read: several.page(), range(12)))
        assert {(answer.status_code, answer.text) for answer in answers} == {(200, right)}
        wait_until(lambda: "2 of 3" in several.api.get("/health/ready").text)
    searched: list[str] = []
    woken = several.proxies[1]
    with several.sick(lambda call, answer: _frozen(call, answer).but(send=None), 1):
        met = woken.met
        wait_until(lambda: woken.met > met + 2)  # its probes, which it answers at once, but from its old state
        with woken.answering(lambda call: searched.append(call.kind) if call.kind == "_search" else None):
            assert {several.page().text for _read in range(6)} == {right}
        assert "2 of 3" in several.api.get("/health/ready").text
    assert searched == []


def test_a_node_without_a_manager_is_not_asked_before_others(several: Several) -> None:
    def alone(call: Call, answer: Answer) -> Answer:
        if call.kind == "_cluster/state":
            return faults.put("cluster_manager_node", value=None)(call, answer)
        return answer.but(send=proxy.reset) if call.kind == "_search" else answer

    with several.sick(alone, 1):
        assert {several.page().status_code for _read in range(6)} == {200}
        met = several.proxies[1].met
        wait_until(lambda: several.proxies[1].met > met + 2)
        assert "2 of 3" in several.api.get("/health/ready").text


def test_many_readers_beside_a_silent_node_get_right_answers(several: Several) -> None:
    right = several.page().text
    with several.sick(faults.ANY["silence"], 2), ThreadPoolExecutor(12) as pool:
        answers = list(pool.map(lambda _read: several.page(), range(60)))
    assert {(answer.status_code, answer.text) for answer in answers} == {(200, right)}


@pytest.mark.parametrize("name", ["silence", "headers, then silence"])
def test_a_dead_cluster_is_503_at_once_and_recovers_by_itself(several: Several, name: str) -> None:
    opened = count("conversations_opensearch_circuits_opened_total")
    unsent = count("conversations_opensearch_unsent_total")
    with several.sick(faults.ANY[name], 0, 1, 2):
        wait_until(lambda: several.page().headers.get("retry-after") == "1")
        assert refused_at_once(several.page) == "none of the 3 nodes of OpenSearch answers: try again shortly"
        assert "none of the 3 nodes of OpenSearch answers" in error(
            several.api.get("/health/ready"), 503, "search_unavailable"
        )["message"]  # fmt: skip
    wait_until(lambda: several.page().status_code == 200)
    assert count("conversations_opensearch_circuits_opened_total") >= opened + 3
    assert count("conversations_opensearch_unsent_total") >= unsent + 4


@pytest.mark.parametrize("nodes", [1, 3])
def test_no_caller_of_a_silent_cluster_waits_for_the_whole_timeout(several: Several, nodes: int) -> None:
    """With the default settings. The time counts from the first caller on."""
    urls = ",".join(one.url for one in several.proxies[:nodes])
    defaults = several.cluster.settings.but(opensearch_url=urls, request_timeout=10.0, opensearch_probe_seconds=1.0)
    with contextmanager(serving)(defaults, urls) as api, ThreadPoolExecutor(CALLERS) as pool, ExitStack() as stack:
        token = api.token(MINE)

        def page() -> tuple[float, httpx.Response]:
            started = time.monotonic()
            answer = api.get("/api/conversations?per_page=1", token)
            return time.monotonic() - started, answer

        assert page()[1].status_code == 200
        stack.enter_context(several.sick(faults.ANY["silence"], *range(nodes)))
        callers = []
        for _caller in range(CALLERS):
            callers.append(pool.submit(page))
            wait([callers[0]], timeout=NEXT_CALLER)
        for took, answer in (caller.result() for caller in callers):
            error(answer, 503, "search_unavailable")
            assert answer.headers["retry-after"] == "1"
            assert took < FOUND_SILENT + BUSY
        refused_at_once(lambda: page()[1])


@pytest.mark.parametrize("name", ["a failed shard", "timed out", "a shard that is missing", "no shards"])
def test_a_partial_answer_is_never_returned(several: Several, name: str) -> None:
    right = several.page().text
    with several.sick(faults.WHOLE[name], 0, 1):
        answers = [several.page() for _read in range(6)]
    assert {answer.status_code for answer in answers} == {200, 503 if name != "timed out" else 504}
    assert {answer.text for answer in answers if answer.status_code == 200} == {right}


def test_a_write_whose_connection_was_lost_is_sent_again_by_its_version(several: Several) -> None:
    outcomes = []
    with several.sick(faults.sent(proxy.reset), 0, 1):
        for _write in range(4):
            answer = several.write()
            assert answer.status_code == 200, answer.text
            outcomes.append(answer.json()["data"]["items"][0]["outcome"])
    assert set(outcomes) == {"unchanged"}


def test_the_pages_of_a_walk_ask_the_same_copy_unless_a_read_is_sent_again(several: Several) -> None:
    """Each copy of a shard refreshes at its own time. A read that is sent again may ask any copy."""
    asked: list[str | None] = []

    def listen(call: Call) -> None:
        preference = httpx.URL(call.path).params.get("preference")
        if call.kind == "_search" and preference != "_only_local":  # that of a probe, after a failure
            asked.append(preference)

    def walk(sort: str) -> set[str | None]:
        asked.clear()
        cursor = "*"
        for _page in range(3):
            path = f"/api/conversations?per_page=5&sort={sort}&cursor={cursor}"
            cursor = several.api.get(path, several.api.token(MINE)).json()["data"]["pagination"]["next_cursor"]
        return set(asked)

    with ExitStack() as stack:
        for one in several.proxies:
            stack.enter_context(one.answering(listen))
        first, second = walk("subject"), walk("-sent_at")
        assert (len(first), len(second), len(first | second)) == (1, 1, 2)
        assert None not in first | second
        with several.sick(faults.sent(proxy.reset), 0):
            assert walk("subject") == first | {None}
        asked.clear()
        several.page()
        assert asked == [None]


@pytest.mark.parametrize("page", [2, 30])
def test_a_page_goes_on_with_a_newer_snapshot_if_the_first_is_lost(several: Several, page: int) -> None:
    """As when the node of a snapshot dies: it is closed once, before the first search that needs it."""
    own = several.cluster.settings
    assert own.opensearch_url is not None
    path = f"/api/conversations?per_page=1&page={page}"
    lost: list[bytes] = []

    def lose(call: Call) -> None:
        if call.kind == "_search" and b'"pit"' in call.body and not lost:
            lost.append(call.body)
            ids = {"pit_id": [json.loads(call.body)["pit"]["id"]]}
            httpx.request("DELETE", f"{several.cluster.url}/_search/point_in_time", json=ids, timeout=60)

    with contextmanager(serving)(own, own.opensearch_url, DEEP) as api, ExitStack() as stack:
        right = api.get(path, api.token(MINE)).json()
        for one in several.proxies:
            stack.enter_context(one.answering(lose))
        answer = api.get(path, api.token(MINE))
    assert lost
    assert (answer.status_code, answer.json()) == (200, right)


def test_metrics_exist_from_the_start(several: Several) -> None:
    text = several.api.get("/metrics").text
    for name in (
        'conversations_opensearch_retried_total{reason="failed"}', 'conversations_opensearch_retried_total{reason="slow"}',
        "conversations_opensearch_circuits_opened_total", "conversations_opensearch_unsent_total",
        'conversations_opensearch_nodes{state="ready"}', 'conversations_opensearch_nodes{state="dead"}',
    ):  # fmt: skip
        assert f"\n{name} " in text, name


def test_a_port_where_nothing_listens_is_passed_over_by_reads_writes_and_commands(
    several: Several, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = "http://127.0.0.1:9"
    urls = f"{gone},{several.cluster.url} {gone}1"
    own = several.cluster.settings.but(opensearch_url=urls)
    assert own.opensearch_url is not None
    with contextmanager(serving)(own, own.opensearch_url) as api:
        token = api.token(MINE, scopes=("conversations:write",))
        for _read in range(4):
            assert api.get("/api/conversations?per_page=1", token).status_code == 200
            written = api.http.post(
                f"{api.address}/api/conversations/bulk",
                content=corpus()[0].model_dump_json(), headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            assert written.status_code == 200


def test_a_single_dead_url_is_503_at_once_until_it_answers(several: Several, opensearch_url: str) -> None:
    with Proxy(opensearch_url) as one:
        own = several.cluster.settings.but(opensearch_url=one.url, opensearch_probe_seconds=0.2, request_timeout=4.0)
        with contextmanager(serving)(own, one.url) as api:
            token = api.token(MINE)

            def page() -> httpx.Response:
                return api.get("/api/conversations?per_page=1", token)

            assert page().status_code == 200
            with one.faulty(faults.ANY["silence"], *ALL):
                wait_until(lambda: page().status_code == 503)
                assert refused_at_once(page) == "OpenSearch does not answer: try again shortly"
            wait_until(lambda: page().status_code == 200)
            assert api.get("/health/ready").json() == {"status": "ready"}


def test_a_wrong_path_is_reported_and_passed_over_if_another_url_is_right(
    several: Several, opensearch_url: str
) -> None:
    wrong = f"{opensearch_url}/search"
    own = several.cluster.settings.but(opensearch_url=f"{wrong},{opensearch_url}")
    assert own.opensearch_url is not None
    with contextmanager(serving)(own, own.opensearch_url) as api:
        token = api.token(MINE, scopes=("conversations:read", "conversations:write"))
        for _read in range(4):
            written = api.http.post(
                f"{api.address}/api/conversations/bulk",
                content=corpus()[0].model_dump_json(), headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip
            assert written.status_code == 200, written.text
            assert api.get("/api/conversations?per_page=1", token).status_code == 200
    with contextmanager(serving)(several.cluster.settings.but(opensearch_url=wrong), wrong) as api:
        told = error(api.get("/api/conversations?per_page=1", api.token(MINE)), 503, "search_unavailable")["message"]
        assert told == NOT_NOW
        told = error(api.get("/health/ready"), 503, "search_unavailable")["message"]
        assert "check the path in OPENSEARCH_URL" in told


def test_doctor_reports_that_two_urls_are_one_node(several: Several, opensearch_url: str) -> None:
    other = opensearch_url.replace("127.0.0.1", "localhost")
    environment = several.cluster.environment | {"OPENSEARCH_URL": f"{opensearch_url},{other}"}
    done = run_here(("doctor",), environment=os.environ | environment, folder=Path.cwd())
    assert f"{opensearch_url} and {other} are the same node, " in done.stdout
    assert "name each node once in OPENSEARCH_URL" in done.stdout
