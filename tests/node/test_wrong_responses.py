"""Whatever is wrong with OpenSearch's answers: no route answers 500, or takes a wrong answer for a right one."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from service import app
from service.api import metrics, readiness
from service.conversation import Conversation
from service.search.paging.rank_cache import Memory, RankCache
from service.search.paging.rank_descent import Windows
from service.settings import Settings
from tests.corpus import ORGANIZATIONS, corpus
from tests.node import faults
from tests.node.clusters import Cluster
from tests.node.proxy import Fault, Proxy
from tests.node.serving import Api, serving

MINE = ORGANIZATIONS[0]
SEARCH, PIT = "_search", "_search/point_in_time"
ALL_KINDS = (SEARCH, PIT, "_doc", "_bulk")
EXPECTED = {429: "too_many_requests", 503: "search_unavailable", 504: "search_timeout"}


@dataclass(frozen=True)
class Route:
    """One request, and the kinds of calls that its answer comes from."""

    method: str
    path: str
    kinds: frozenset[str]
    body: str = ""
    is_deep: bool = False


def _routes(some: Conversation, cursor: str) -> dict[str, Route]:
    def get(path: str, *kinds: str, is_deep: bool = False) -> Route:
        return Route("GET", f"/api/conversations{path}", frozenset(kinds), is_deep=is_deep)

    return {
        "page": get("?per_page=10&page=2", SEARCH),
        "deep page": get("?per_page=7&page=4", SEARCH, PIT, is_deep=True),
        "deep page by subject": get("?per_page=7&page=4&sort=subject", SEARCH, PIT, is_deep=True),
        "walk": get("?per_page=10&cursor=*", SEARCH),
        "walk on": get(f"?per_page=10&cursor={cursor}", SEARCH),
        "count": get("/count?facets=status,category&facets[created_on]=month", SEARCH),
        "facets": get("?facets=status&status=active&per_page=5", SEARCH),
        "suggest": get("/suggest?q=bi", SEARCH),
        "nothing found": get("?search=invoicx&status=active&suggest=true", SEARCH),
        "highlight": get("?search=invoice&highlight=subject", SEARCH),
        "export": get("/export", SEARCH, PIT),
        "get": get(f"/{some.uid}", "_doc"),
        "delete": Route(
            "DELETE", f"/api/conversations/{some.uid}?deleted_on=1980-01-01T00:00:00Z", frozenset({"_bulk"})
        ),
        "bulk": Route("POST", "/api/conversations/bulk", frozenset({"_bulk"}), some.model_dump_json() + "\n" + MORE),
        "ready": Route("GET", "/health/ready", frozenset({SEARCH, "_bulk"})),
    }


MORE = "\n".join(one.model_dump_json() for one in corpus()[1:4])


@dataclass
class Behind:
    """The service with a proxy before its node: one app with the default windows, one with rank descents only."""

    proxy: Proxy
    api: Api
    deep: Api
    routes: dict[str, Route]
    right: dict[str, Any]

    def ask(self, name: str) -> httpx.Response:
        route = self.routes[name]
        api = self.deep if route.is_deep else self.api
        token = api.token(MINE, scopes=("conversations:write", "conversations:export"))
        return api.http.request(
            route.method, api.address + route.path, content=route.body, headers={"Authorization": f"Bearer {token}"}
        )

    def ask_all(self, names: list[str]) -> dict[str, httpx.Response]:
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(self.ask, names), strict=True))

    def check_recovered(self, names: list[str]) -> None:
        """Waits until all answers are right again: a probe must find the node, and a busy machine may time out."""
        deadline = time.monotonic() + 60
        while True:
            answers = self.ask_all(names)
            wrong = {name: answer for name, answer in answers.items() if answer.text != self.right[name]}
            if not wrong or time.monotonic() > deadline:
                assert {name: answer.text[:500] for name, answer in wrong.items()} == {}
                return
            for name, answer in wrong.items():  # a search for suggestions may be left out where time is short
                assert answer.status_code in EXPECTED or name == "nothing found", (name, answer.text[:500])
            names = list(wrong)


@pytest.fixture(scope="module")
def behind(settings: Settings, opensearch_url: str) -> Iterator[Behind]:
    own = settings.but(
        alias=f"test_{secrets.token_hex(4)}", request_timeout=5.0, opensearch_probe_seconds=0.1,
        opensearch_failures=1_000,  # an open circuit would keep calls from the fault: test_several_nodes.py
    )  # fmt: skip
    cluster = Cluster(own, opensearch_url)
    some = [one for one in corpus() if one.organization_uid == MINE][:60]
    cluster.load([*some, *[one for one in corpus() if one.organization_uid != MINE][:20]])
    with Proxy(opensearch_url) as proxy, pytest.MonkeyPatch.context() as patch:
        patch.setattr(readiness, "REMEMBERED_SECONDS", 0.0)
        patch.setattr(metrics, "FRESH_SECONDS", 0.0)
        patch.setattr(RankCache, "get", lambda _cache, _key: Memory())  # so each deep page counts again
        patch.setattr(app, "WRITE_SHARE", 0.3)  # many of these tests retry until the patience ends
        stack = ExitStack()
        api, deep = (
            stack.enter_context(contextmanager(serving)(own, proxy.url, windows))
            for windows in (None, Windows(dates=0, numbers=0, texts=0, scores=0, slice=3))
        )
        found = Behind(proxy, api, deep, {}, {})
        found.routes = _routes(some[0], "*")
        first = json.loads(_warm(found, "walk"))
        found.routes = _routes(some[0], first["data"]["pagination"]["next_cursor"])
        for name in found.routes:
            found.right[name] = _warm(found, name)
        with stack:
            yield found
    cluster.drop()


def _warm(behind: Behind, name: str) -> str:
    """The right answer. A node that was just started may need some tries to answer within the deadline."""
    for _attempt in range(30):
        answer = behind.ask(name)
        if answer.status_code == 200:
            return answer.text
        assert answer.status_code in (503, 504), (name, answer.text)
    raise AssertionError((name, answer.text))


def _check(name: str, answer: httpx.Response) -> None:
    """The answer is an error of the usual shape, without details of OpenSearch."""
    assert answer.status_code in EXPECTED, (name, answer.status_code, answer.text[:500])
    told = answer.json()["error"]
    assert told["code"] == EXPECTED[answer.status_code]
    assert "Exception" not in told["message"]
    assert str(ORGANIZATIONS[1]) not in answer.text


def _refused(behind: Behind, fault: Fault, kinds: tuple[str, ...], names: list[str]) -> None:
    with behind.proxy.faulty(fault, *kinds):
        for name, answer in behind.ask_all(names).items():
            _check(name, answer)
        assert behind.proxy.met >= len(names) - 1
    behind.check_recovered(names)


@pytest.mark.parametrize("name", faults.ANY)
def test_an_invalid_answer_of_opensearch_is_refused_on_every_route(behind: Behind, name: str) -> None:
    _refused(behind, faults.ANY[name], ALL_KINDS, list(behind.routes))


def test_a_fault_in_one_kind_of_call_is_refused_on_the_routes_that_need_it(behind: Behind) -> None:
    for kind in (PIT, "_doc", "_bulk"):
        names = [name for name, route in behind.routes.items() if kind in route.kinds]
        for fault in ("a page, 502", "cut JSON", "reset", "null"):
            _refused(behind, faults.ANY[fault], (kind,), names)


SEARCHES = ("page", "deep page", "deep page by subject", "walk", "walk on", "count", "facets", "suggest", "nothing found",
            "highlight", "export")  # fmt: skip
WITH_TOTAL = [name for name in SEARCHES if name != "suggest"]
WITH_HITS = ["page", "deep page", "walk", "walk on", "facets", "highlight", "export"]
WITH_COUNTS = ["deep page", "deep page by subject", "count", "facets", "suggest"]  # suggestions lose no page


@pytest.mark.parametrize("name", faults.WHOLE)
def test_a_search_that_is_not_whole_is_refused(behind: Behind, name: str) -> None:
    _refused(behind, faults.WHOLE[name], (SEARCH,), list(SEARCHES))


@pytest.mark.parametrize("name", faults.TOTALS)
def test_a_total_that_is_not_exact_is_refused(behind: Behind, name: str) -> None:
    _refused(behind, faults.TOTALS[name], (SEARCH,), WITH_TOTAL)


@pytest.mark.parametrize("name", faults.HITS)
def test_hits_that_are_not_those_asked_for_are_refused(behind: Behind, name: str) -> None:
    """A walk ends at a page with too few hits, so a missing hit is not noticed there: only a count would show it."""
    names = [one for one in WITH_HITS if (one, name) != ("walk on", "a hit too few")]
    _refused(behind, faults.HITS[name], (SEARCH,), names)


@pytest.mark.parametrize("name", faults.AGGREGATIONS)
def test_invalid_counts_are_refused(behind: Behind, name: str) -> None:
    _refused(behind, faults.AGGREGATIONS[name], (SEARCH,), WITH_COUNTS)


@pytest.mark.parametrize("name", faults.DOCUMENT)
def test_another_document_than_the_one_asked_for_is_refused(behind: Behind, name: str) -> None:
    _refused(behind, faults.DOCUMENT[name], ("_doc",), ["get"])


@pytest.mark.parametrize("name", faults.BULK)
def test_an_answer_to_writes_that_proves_nothing_is_refused(behind: Behind, name: str) -> None:
    names = ["bulk"] if name == "items in another order" else ["bulk", "delete"]
    _refused(behind, faults.BULK[name], ("_bulk",), names)


def test_an_export_whose_later_batch_fails_ends_without_its_last_line(behind: Behind, settings: Settings) -> None:
    """What was sent cannot be taken back: the export is cut off."""
    from service.search import export  # the size of the first batch is the module's own

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(export, "FIRST_BATCH", 5)
        patch.setattr(export, "BATCH_BYTES", 3_000)
        assert behind.ask("export").text == behind.right["export"]
        for name in ("a page, 502", "cut JSON", "reset", "null", "gzip garbage"):
            made = faults.ANY[name]

            def later(call: Any, answer: Any, made: Fault = made) -> Any:
                return made(call, answer) if "search_after" in json.loads(call.body) else answer

            with behind.proxy.faulty(later, SEARCH):
                try:
                    text = behind.ask("export").text
                except httpx.RemoteProtocolError:
                    text = ""
                assert '"complete":true' not in text
            behind.check_recovered(["export"])


def test_metrics_are_served_whatever_the_cluster_answers(behind: Behind) -> None:
    for name, fault in faults.ANY.items():
        if name in ("silence", "headers, then silence", "a slow drip"):
            continue
        with behind.proxy.faulty(fault, "/", "_cluster/health", "_stats", "_count", SEARCH, "_alias", "_mapping", ""):
            answer = behind.api.get("/metrics")
            assert answer.status_code == 200, (name, answer.text[:500])
            assert "conversations_cluster_up 0.0" in answer.text, name
    assert "conversations_cluster_up 1.0" in behind.api.get("/metrics").text
