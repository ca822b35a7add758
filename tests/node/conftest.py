"""A real OpenSearch for the tests: that at OPENSEARCH_URL if it is set, else one that all processes of the run share.

The shared one runs in a container if a container engine runs, else as a local node.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import secrets
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import UUID

import httpx
import pytest
import uvicorn
from pydantic import SecretStr

from service.api.auth import Tokens
from service.api.http_protocol import ConnectionLimits, bounded
from service.api.sign_in import SignInCodes
from service.app import create_app
from service.client import Client, connect
from service.conversation import Conversation
from service.index import index_settings, loader, mapping
from service.node import Distribution, LocalCluster, prepare
from service.reindex import first_index
from service.reindex import lock as reindex_lock
from service.search.paging.rank_descent import Windows
from service.settings import Settings
from tests import logged, oracle, processes
from tests.corpus import corpus
from tests.node import shared_node
from tests.node.impatient import DEAD_AFTER_SECONDS
from tests.processes import wait_until
from tests.served import CERTIFICATES, await_address

if TYPE_CHECKING:
    from tests.node.pages import Site

SECRET = SecretStr(secrets.token_urlsafe(48))


@pytest.fixture(autouse=True)
def _no_process_outlasts_its_test() -> Iterator[None]:
    yield
    processes.end_all()


@pytest.fixture(autouse=True)
def _node_has_room(request: pytest.FixtureRequest) -> None:
    """Waits before a test until the circuit breaker of the shared node accepts requests again."""
    if "opensearch_url" in request.fixturenames:
        await_room(request.getfixturevalue("opensearch_url"))


def await_room(url: str) -> None:
    deadline = time.monotonic() + 60
    while (answer := httpx.get(f"{url}/_search?size=0", timeout=60, verify=CERTIFICATES)).status_code == 429:
        assert time.monotonic() < deadline, answer.text[:500]
        time.sleep(0.1)


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The environment's settings with a secret, an alias and a data folder of the tests' own.

    The tests send more requests than a caller may, and export in four threads. test_request_limits.py tests the limits.
    """
    logged.hide(SECRET.get_secret_value())
    return Settings.load().but(
        token_secret=SECRET, alias=unique_alias(), data=tmp_path_factory.mktemp("data"),
        caller_rate=0.0, address_rate=0.0, exports=16, exports_per_organization=16,
    )  # fmt: skip


@pytest.fixture(scope="session")
def distribution(settings: Settings) -> Distribution:
    """OpenSearch for a test's own nodes, which it may stop, kill and configure."""
    return prepare(settings.cache, java_home=settings.java_home)


@pytest.fixture(scope="session")
def _node_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the shared node: the same for all processes of a run."""
    return logged.shared(tmp_path_factory.getbasetemp(), "shared-node")


@pytest.fixture(scope="session")
def opensearch_url(settings: Settings, _node_folder: Path) -> Iterator[str]:
    """The node for all tests that need none of their own. They must change nothing that other tests see."""
    if settings.opensearch_url is not None:
        yield settings.opensearch_url
        return
    with shared_node.used(_node_folder) as url:
        yield url


@pytest.fixture(scope="session")
def node_log(_node_folder: Path) -> Path:
    """What the shared node prints, if the run has started it and it is a process of this machine."""
    return shared_node.log(_node_folder)


@pytest.fixture(scope="session")
def _one_cluster(tmp_path_factory: pytest.TempPathFactory, distribution: Distribution) -> Iterator[LocalCluster]:
    with LocalCluster(tmp_path_factory.mktemp("cluster"), distribution) as nodes:
        yield nodes


@pytest.fixture
def three_nodes(_one_cluster: LocalCluster) -> Iterator[LocalCluster]:
    """A cluster of three nodes that are processes of their own, which a test may kill, suspend and restart.

    All tests that ask for it share one, which starts with the first of them. After each, all nodes run again.
    """
    yield _one_cluster
    _one_cluster.revive()


@pytest.fixture
def on_three_nodes(settings: Settings, three_nodes: LocalCluster) -> Iterator[Cluster]:
    """An empty alias for one test in the cluster of three nodes."""
    with own_alias(settings, three_nodes.urls[0]) as cluster:
        yield cluster
        three_nodes.revive()  # so that the indices can be removed


@dataclass
class Cluster:
    """A cluster and an alias in it, with plain functions over the asynchronous client."""

    settings: Settings
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that works on this cluster and alias."""
        assert self.settings.token_secret is not None
        return os.environ | {
            "OPENSEARCH_URL": self.url,
            "CONVERSATIONS_ALIAS": self.settings.alias,
            "CONVERSATIONS_TOKEN_SECRET": self.settings.token_secret.get_secret_value(),
            "CONVERSATIONS_LOG_FORMAT": "json",
        }

    def act(self, action: Callable[[Client], Any]) -> Any:
        async def run() -> Any:
            client = connect(self.settings, self.url)
            try:
                return await action(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def load(self, conversations: list[Conversation]) -> loader.Tally:
        async def load(client: Client) -> loader.Tally:
            chosen = index_settings.chosen(self.settings)
            await first_index.ensure(client, self.settings.alias, mapping.load(), settings=chosen)
            rejected: list[str] = []
            pairs = [(conversation.uid, conversation) for conversation in conversations]
            tally = await loader.load(
                client, self.settings.alias, pairs, reject=lambda uid, why: rejected.append(f"{uid}: {why}")
            )
            assert rejected == []
            return tally

        result: loader.Tally = self.act(load)
        return result

    def points_in_time(self) -> tuple[int, int]:
        """How many points in time of this alias are open, and how many were opened so far."""
        stats = self.act(lambda client: client.indices.stats(index=self.settings.alias, metric="search"))
        search = stats["_all"]["total"]["search"]
        now, closed = int(search["point_in_time_current"]), int(search["point_in_time_total"])
        return now, now + closed

    def await_no_points_in_time(self) -> None:
        """Waits until all points in time are closed, which happens after the answers."""
        wait_until(lambda: self.points_in_time()[0] == 0, says=self.points_in_time)

    def drop(self) -> None:
        async def drop(client: Client) -> None:
            patterns = f"{self.settings.alias}-*,{self.settings.alias}_state*"
            if names := list(await client.indices.get(index=patterns, params={"expand_wildcards": "all"})):
                await client.indices.delete(index=",".join(names))

        self.act(drop)


@pytest.fixture(scope="session")
def conversations() -> list[Conversation]:
    return corpus()


@pytest.fixture(scope="session")
def cluster(settings: Settings, opensearch_url: str, conversations: list[Conversation]) -> Iterator[Cluster]:
    """The corpus, loaded. Tests that write use `fresh`."""
    cluster = Cluster(settings, opensearch_url)
    tally = cluster.load(conversations)
    assert tally.written == len(conversations)
    yield cluster
    cluster.drop()


@pytest.fixture(scope="session")
def tokens(cluster: Cluster, conversations: list[Conversation]) -> Iterator[oracle.Tokens]:
    from tests.node.analysis import tokens_of  # it imports this module

    yield from tokens_of(cluster, {one.subject for one in conversations if one.subject is not None})


@contextmanager
def own_alias(settings: Settings, opensearch_url: str) -> Iterator[Cluster]:
    """A new, empty alias in the same cluster, until the block ends."""
    cluster = Cluster(settings.but(alias=unique_alias()), opensearch_url)
    try:
        yield cluster
    finally:
        cluster.drop()


def unique_alias() -> str:
    """An alias that no other run of the tests uses: the cluster may be shared."""
    return f"test_{secrets.token_hex(4)}"


@pytest.fixture
def fresh(settings: Settings, opensearch_url: str) -> Iterator[Cluster]:
    """An empty alias for one test."""
    with own_alias(settings, opensearch_url) as cluster:
        yield cluster


@pytest.fixture
def nodes_start_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """For nodes with few requests: without the second JIT compiler, a start takes half of the processor time."""
    monkeypatch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")


@pytest.fixture
def dead_owners_are_known_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which no owner of a lock is alive. Changes only commands in this process."""
    monkeypatch.setattr(reindex_lock, "DEAD_AFTER_SECONDS", DEAD_AFTER_SECONDS)


@dataclass
class Api:
    """The service over real HTTP, on a port of its own, and callers for it."""

    settings: Settings
    address: str
    http: httpx.Client = field(default_factory=lambda: httpx.Client(timeout=60, verify=CERTIFICATES))

    def token(self, *organizations: UUID, **options: Any) -> str:
        return Tokens(self.settings).mint("tester", list(organizations), **options)

    def get(self, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token is not None else {}
        return self.http.get(f"{self.address}{path}", headers=headers, **options)

    def conversations(self, token: str, parameters: dict[str, Any] | None = None) -> dict[str, Any]:
        answer = self.get("/api/conversations", token, params=parameters or {})
        assert answer.status_code == 200, answer.text[:1000]
        body: dict[str, Any] = answer.json()
        return body


def serving(
    settings: Settings, url: str, windows: Windows | None = None, codes: SignInCodes | None = None
) -> Iterator[Api]:
    """Runs the application in a thread until the generator is closed."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(
            uvicorn.Config(
                create_app(settings, url, windows=windows, codes=codes),
                http=bounded(ConnectionLimits.of(settings)),
                ws="none",
                log_config=None,
                access_log=False,
            )
        )
        ready = threading.Event()
        started = server.startup

        async def startup(sockets: list[socket.socket] | None = None) -> None:
            await started(sockets)
            ready.set()

        server.startup = startup  # type: ignore[method-assign]
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        assert ready.wait(30)
        api = Api(settings, f"http://127.0.0.1:{listener.getsockname()[1]}")
        try:
            yield api
        finally:
            api.http.close()
            server.should_exit = True
            thread.join(30)
            assert not thread.is_alive()


@contextmanager
def serve_process(
    cluster: Cluster, *options: str, **environment: str
) -> Iterator[tuple[subprocess.Popen[bytes], str, Path]]:
    """`conversations serve` as a process of its own: the process, its address, and the file of its log."""
    log = logged.new_file("served")
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [sys.executable, "-m", "service", "serve", "--port", "0", *options],
            env=cluster.environment | environment, stderr=stderr,
        )  # fmt: skip
    try:
        yield process, await_address(process, log), log
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    yield from serving(cluster.settings, cluster.url)


@pytest.fixture(scope="session")
def deep_api(cluster: Cluster) -> Iterator[Api]:
    """The same, but every page is found by rank descent, down to slices of a few documents."""
    yield from serving(cluster.settings, cluster.url, Windows(dates=0, numbers=0, texts=0, scores=0, slice=3))


@pytest.fixture
def sample_api(fresh: Cluster, samples: Path) -> Iterator[Api]:
    """The service over the sample alone. A test may write to it."""
    with gzip.open(samples / "conversations.ndjson.gz", "rt") as lines:
        fresh.load([Conversation.model_validate_json(line) for line in lines])
    yield from serving(fresh.settings, fresh.url)


@pytest.fixture(scope="session")
def samples() -> Path:
    return Path(__file__).parents[1] / "samples"


@pytest.fixture(scope="session")
def page_service(settings: Settings, opensearch_url: str, samples: Path) -> Iterator[tuple[Api, SignInCodes]]:
    """The service over the sample, for all tests of the page."""
    from tests.node.pages import sample  # it imports this module, and a browser's driver

    codes = SignInCodes()
    with own_alias(settings, opensearch_url) as cluster:
        cluster.load(sample(samples))
        for api in serving(cluster.settings, cluster.url, codes=codes):
            yield api, codes


@pytest.fixture(scope="module")
def opened_site(page_service: tuple[Api, SignInCodes]) -> Iterator[Site]:
    """The page for people in one browser: not for the whole session, because its driver has an event loop running."""
    from tests.node.pages import site

    with site(*page_service) as opened:
        yield opened


@pytest.fixture
def web(opened_site: Site) -> Iterator[Site]:
    yield from opened_site.watched()
