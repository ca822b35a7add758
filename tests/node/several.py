"""The service behind three proxies before one real node. Each proxy can change the node's answers."""

from __future__ import annotations

import math
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

import httpx
import pytest

from service.api import readiness
from service.settings import Settings
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.asking import error
from tests.node.clusters import Cluster
from tests.node.proxy import Fault, Proxy
from tests.node.serving import Api, serving
from tests.processes import wait_until

MINE = ORGANIZATIONS[0]
TIMEOUT = 6.0
AT_ONCE = 0.25  # seconds: no call waits for a node whose circuit is open
ALL = (
    "_search", "_search/point_in_time", "_doc", "_bulk", "_alias", "_mapping", "_settings", "/", "", "_nodes",
    "_cluster/state",
)  # fmt: skip


def refused_at_once(ask: Callable[[], httpx.Response]) -> str:
    """The message of a 503 that comes at once. A busy machine may delay an answer, so the soonest of three counts."""
    soonest, messages = math.inf, set()
    for _ask in range(3):
        started = time.monotonic()
        answer = ask()
        soonest = min(soonest, time.monotonic() - started)
        messages.add(error(answer, 503, "search_unavailable")["message"])
    assert soonest < AT_ONCE
    (message,) = messages
    return str(message)


@dataclass
class Several:
    """The service behind three proxies, and the addresses in the order of OPENSEARCH_URL."""

    proxies: list[Proxy]
    api: Api
    cluster: Cluster

    def page(self) -> httpx.Response:
        return self.api.get("/api/conversations?per_page=5", self.api.token(MINE))

    def write(self) -> httpx.Response:
        token = self.api.token(MINE, scopes=("conversations:write",))
        return self.api.http.post(
            f"{self.api.address}/api/conversations/bulk",
            content=corpus()[0].model_dump_json(), headers={"Authorization": f"Bearer {token}"},
        )  # fmt: skip

    @contextmanager
    def sick(self, fault: Fault, *numbers: int) -> Iterator[None]:
        """Applies `fault` to every answer of these nodes."""
        with ExitStack() as stack:
            for number in numbers:
                stack.enter_context(self.proxies[number].faulty(fault, *ALL))
            yield

    def await_all_ready(self) -> None:
        def state() -> object:
            return self.api.get("/health/ready").json()

        wait_until(lambda: state() == {"status": "ready", "nodes": "3 of 3 nodes of OpenSearch answer"}, says=state)


@contextmanager
def several_nodes(settings: Settings, opensearch_url: str) -> Iterator[Several]:
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(readiness, "REMEMBERED_SECONDS", 0.0)
        proxies = [stack.enter_context(Proxy(opensearch_url)) for _node in range(3)]
        own = settings.but(
            alias=f"test_{secrets.token_hex(4)}", opensearch_url=", ".join(one.url for one in proxies),
            request_timeout=TIMEOUT, opensearch_probe_seconds=0.2,
        )  # fmt: skip
        cluster = Cluster(own, opensearch_url)
        cluster.load([one for one in corpus() if one.organization_uid == MINE][:50])
        assert own.opensearch_url is not None
        api = stack.enter_context(contextmanager(serving)(own, own.opensearch_url))
        found = Several(proxies, api, cluster)
        found.await_all_ready()
        yield found
        cluster.drop()
