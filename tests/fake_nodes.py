"""Fake nodes, which replace the connections of a transport. They work in virtual time, and without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import msgspec
from hypothesis import strategies as st
from opensearchpy.exceptions import ConnectionError as Unreachable
from opensearchpy.exceptions import ConnectionTimeout, TransportError

from service.client import _Json
from service.client.connection import Connection
from service.client.probes import TIMEOUT as PROBE
from service.client.transport import Policy, Transport
from service.client.watch import FIRST_PAUSE_SECONDS
from service.errors import CircuitOpen

SECONDS = 10.0
SHARE = 0.25
POLICY = Policy(alias="x", timeout=SECONDS, slow_share=SHARE, failures=3, probe_seconds=1.1)
LATE = SHARE * SECONDS
ALL_DEAD = LATE + 3 * PROBE + FIRST_PAUSE_SECONDS
"""The greatest time until three silent probes of each node: the second begins when the first has ended."""
SOON = 1e-6


@dataclass(frozen=True)
class Behaviour:
    """What a node does with a call: it "answers", "breaks" the connection or is "sick" (a proxy's page), after a delay.

    Or it "refuses" connections at once, "refuses for the moment" (429), or is "silent". A node that answers, or refuses
    for the moment, answers probes at once: with its cluster, the version of its state, whether it has a cluster
    manager, and its `id`; or with the error `probe_status`. The delay is `after` seconds, but `search_after` for the
    searches of probes and `other_after` for calls that are no searches, if these are set.
    """

    does: str
    after: float = 0.0
    version: int = 2
    has_manager: bool = True
    cluster: str = "c"
    id: str | None = None
    probe_status: int = 200
    search_after: float | None = None
    other_after: float | None = None

    @property
    def is_silent_to_probes(self) -> bool:
        return self.does != "answers" and self.after >= PROBE


REFUSES, SILENT = Behaviour("refuses"), Behaviour("silent", 1e9)
BEHAVIOURS = (
    st.sampled_from((REFUSES, SILENT))
    | st.builds(Behaviour, st.just("answers"), st.sampled_from((0.0, 1.0, 5.0, 8.5)))
    | st.builds(Behaviour, st.sampled_from(("breaks", "sick")), st.sampled_from((0.0, 1.0, 3.0, 8.5)))
)
PROBED = b'{"cluster_name":"c","cluster_uuid":"%s","version":%d,"cluster_manager_node":%s}'
COUNTED = b'{"count":%d,"pit_id":"p","_shards":{"total":1,"successful":1,"skipped":0,"failed":0}}'
ANSWERS = Behaviour("answers")
ALONE = Behaviour("answers", has_manager=False)
OLD = Behaviour("answers", version=1)
FOREIGN = Behaviour("answers", version=9, cluster="other")
HUNG = Behaviour("answers", 1e9)
"""Its disk hangs: it answers probes, but nothing else."""
HUNG_AT_SEARCHES = Behaviour("answers", 1e9, other_after=0.0)
NOTICED = 2 * POLICY.probe_seconds + SOON
"""The greatest time until a node that is cut off is found: by its version, it takes two rounds."""


@dataclass
class World:
    """The behaviours of the nodes 1, 2, ..., and which of them got which calls, apart from probes."""

    behaviours: list[Behaviour]
    asked: list[tuple[int, str]] = field(default_factory=list)


class FakeNode(Connection):
    """A node, in place of a connection to it. Its number is its port."""

    def __init__(self, *, world: World, **options: Any) -> None:
        super().__init__(**options)
        self.world = world

    async def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 (the base class has it)
        ignore: Collection[int] = (),
        headers: Mapping[str, str] | None = None,
    ) -> Any:
        assert self.port is not None
        assert timeout is not None
        behaviour = self.world.behaviours[self.port - 1]
        is_probe = url == "/" or url.startswith(("/_cluster/state", "/_nodes/_local"))
        is_search_of_a_probe = params is not None and params.get("preference") == "_only_local"
        if not (is_probe or is_search_of_a_probe):
            self.world.asked.append((self.port, method))
        if behaviour == REFUSES:
            raise Unreachable("N/A", "", aiohttp.ClientConnectorError(None, OSError()))  # type: ignore[arg-type]
        is_probed = is_probe and behaviour.does in ("answers", "refuses for the moment")
        after = 0.0 if is_probed else behaviour.after
        if is_search_of_a_probe and behaviour.search_after is not None:
            after = behaviour.search_after
        if not (is_probe or url.endswith(("_count", "_search"))) and behaviour.other_after is not None:
            after = behaviour.other_after
        await asyncio.sleep(min(after, timeout))
        if after >= timeout:
            raise ConnectionTimeout("TIMEOUT", "", TimeoutError())
        if behaviour.does == "breaks":
            raise Unreachable("N/A", "", aiohttp.ServerDisconnectedError())
        if behaviour.does == "sick":
            raise TransportError(502, "unknown", None)
        if behaviour.does == "refuses for the moment" and not is_probe:
            raise TransportError(429, "x", {"error": {"type": "x", "reason": "y"}, "status": 429})
        if is_probe and behaviour.probe_status != 200:
            info = {"error": {"type": "x", "reason": "y"}, "status": behaviour.probe_status}
            raise TransportError(behaviour.probe_status, "x", info)
        manager = b'"m"' if behaviour.has_manager else b"null"
        probed = PROBED % (behaviour.cluster.encode(), behaviour.version, manager)
        if url.startswith("/_nodes"):
            probed = msgspec.json.encode({"nodes": {behaviour.id: {"name": "x"}} if behaviour.id else {}})
        data = probed if is_probe else b'{"timed_out":false}' if is_search_of_a_probe else COUNTED % self.port
        return 200, {"content-type": "application/json"}, data


@asynccontextmanager
async def connected(
    world: World,
    policy: Policy = POLICY,
    same_cluster_as: Transport | None = None,
    report: Callable[[int, str | None], None] = lambda _number, _problem: None,
) -> AsyncIterator[Transport]:
    """A transport that asks these nodes in their order. It shares what `same_cluster_as` knows of them."""
    hosts = [{"host": "node", "port": number, "world": world} for number in range(1, len(world.behaviours) + 1)]
    client = Transport(
        hosts, policy=policy, same_cluster_as=same_cluster_as, report=report, connection_class=FakeNode,
        serializer=_Json(), max_retries=0, retry_on_status=(),
    )  # fmt: skip
    try:
        yield client
    finally:
        await client.close()


async def ask_at(times: Sequence[float], nodes: list[Behaviour]) -> list[tuple[float, int | str, float]]:
    """Reads that are sent at these times: when each was sent, what it got, and when."""
    async with connected(World(nodes)) as client:
        ends = await asyncio.gather(*(ask(client, at=time) for time in times))
    return [(time, what, when) for time, (what, when) in zip(times, ends, strict=True)]


def named(error: TransportError) -> str:
    """The kind of an error, as the model calls it."""
    if isinstance(error, ConnectionTimeout):
        return "silent"
    if isinstance(error, Unreachable):
        return {CircuitOpen: "dead", aiohttp.ClientConnectorError: "refuses"}.get(type(error.info), "breaks")
    assert error.status_code == 502
    return "sick"


async def ask(client: Transport, url: str = "/x/_count", *, at: float = 0.0) -> tuple[int | str, float]:
    """Sends a call at this time. Returns the node that answered, or the kind of the error; and when it ended."""
    clock = asyncio.get_running_loop().time
    await asyncio.sleep(at - clock())
    try:
        answer = await client.perform_request("POST", url, body=b"{}")
    except TransportError as error:
        return named(error), clock()
    assert isinstance(answer, dict)
    return answer["count"], clock()
