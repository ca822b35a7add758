"""A real OpenSearch for the tests: that at OPENSEARCH_URL if it is set, else one that all processes of the run share.

The shared one runs in a container if a container engine runs, else as a local node.
"""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from service.api.sign_in import SignInCodes
from service.conversation import Conversation
from service.node import Distribution, LocalCluster, prepare
from service.reindex import lock as reindex_lock
from service.search.paging.rank_descent import Windows
from service.settings import Settings
from tests import logged, oracle, processes
from tests.corpus import corpus
from tests.node import shared_node
from tests.node.analysis import tokens_of
from tests.node.clusters import Cluster, await_room, own_alias, unique_alias
from tests.node.impatient import DEAD_AFTER_SECONDS
from tests.node.pages import Site, sample, site
from tests.node.serving import Api, serving

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


@pytest.fixture(scope="session", autouse=True)
def _nodes_start_sooner() -> Iterator[None]:
    """For nodes of a test's own: without Java's second compiler, a start takes half of the processor's time.

    The shared node, which works for the whole run, has both compilers.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1")
        yield


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
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("JDK_JAVA_OPTIONS")  # the class cache outlasts the tests
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
    yield from tokens_of(cluster, {one.subject for one in conversations if one.subject is not None})


@pytest.fixture
def fresh(settings: Settings, opensearch_url: str) -> Iterator[Cluster]:
    """An empty alias for one test."""
    with own_alias(settings, opensearch_url) as cluster:
        yield cluster


@pytest.fixture
def dead_owners_are_known_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests in which no owner of a lock is alive. Changes only commands in this process."""
    monkeypatch.setattr(reindex_lock, "DEAD_AFTER_SECONDS", DEAD_AFTER_SECONDS)


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
    codes = SignInCodes()
    with own_alias(settings, opensearch_url) as cluster:
        cluster.load(sample(samples))
        for api in serving(cluster.settings, cluster.url, codes=codes):
            yield api, codes


@pytest.fixture(scope="module")
def opened_site(page_service: tuple[Api, SignInCodes]) -> Iterator[Site]:
    """The page for people in one browser: not for the whole session, because its driver has an event loop running."""
    with site(*page_service) as opened:
        yield opened


@pytest.fixture
def web(opened_site: Site) -> Iterator[Site]:
    yield from opened_site.watched()
