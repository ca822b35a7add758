"""Asks a node whether it answers, and whether it knows what the others know.

A node that was frozen, or is cut off from its cluster, has an old state. It takes its copies of shards for current, and
answers searches from them with status 200, even once it has noticed that it has no cluster manager. (With OpenSearch's
setting `cluster.no_cluster_manager_block: all` it refuses them, but then every election of a manager closes all shards
of all nodes.) So if there are several nodes, all are asked regularly. One that was silent, failed or seems to be cut
off is trusted again only once it has a cluster manager, and a cluster state no older than those of the others.

A node is outside of its cluster if its cluster state is older than a state that another node had before this node was
asked. A node that belongs to another cluster than most of the nodes is outside, too.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar
from urllib.parse import quote

import msgspec
from opensearchpy.exceptions import TransportError

from service.client import error_types, responses
from service.client.connection import Connection
from service.client.node_health import OPENS_CIRCUIT
from service.errors import ConversationsError

TIMEOUT = 1.5
LEAST_SEARCH_SECONDS = 3.0  # that a probe waits for a search at least
SILENT_SECONDS = 5.0  # after which a node may have been removed from its cluster
_STATE = "/_cluster/state/version,cluster_manager_node"
MOST_QUESTIONS = 5  # for the id of a node
_OWN_NAME = "/_nodes/_local/http"
_LOCAL = {"local": "true"}
_ONE_DOCUMENT = {
    "preference": "_only_local",
    "size": "1",
    "_source": "false",
    "terminate_after": "1",
    "track_total_hits": "false",
}
Expected = TypeVar("Expected")


class _Info(msgspec.Struct):
    cluster_name: str


class _State(msgspec.Struct):
    """What a node knows of its cluster. Without a cluster manager, its knowledge may be old."""

    cluster_name: str
    cluster_uuid: str = ""
    version: int = -1
    cluster_manager_node: str | None = None


class _Nodes(msgspec.Struct):
    nodes: dict[str, object] = {}


class _Searched(msgspec.Struct):
    timed_out: bool


class Probes:
    """Separate connections for probes, because all others may be in use. `connect` opens one to the node with a number.

    A probe searches in `alias`, and waits for the answer for `search_seconds`.
    `witness_failed` gets the number and the error of a node that was asked about another one and did not answer.
    """

    def __init__(
        self,
        connect: Callable[[int], Connection],
        alias: str,
        search_seconds: float,
        witness_failed: Callable[[int, Exception], None],
    ) -> None:
        self._connect = connect
        self._search = f"/{quote(alias)}/_search"
        self._search_seconds = search_seconds
        self._witness_failed = witness_failed
        self._connections: dict[int, Connection] = {}
        self._states: dict[int, _State] = {}  # by each node, when it was last asked
        self._behind: set[int] = set()
        self._asked_for_id = Counter[int]()

    async def close(self) -> None:
        for connection in self._connections.values():
            await connection.close()

    async def check_answers(self, number: int) -> None:
        """Raises an error unless OpenSearch answers."""
        await self._ask(number, "/", {}, _Info)

    async def check_member(self, number: int, others: Collection[int]) -> None:
        """Raises an error unless the node is part of the same cluster as the others that answer.

        If the node refuses to report its state, the error is an answer of OpenSearch itself.
        """
        known = asyncio.gather(*(self._version(other) for other in others))
        found, versions = await asyncio.gather(self._state(number), known)
        if isinstance(found, Exception):
            raise found
        if found.cluster_manager_node is None:
            raise responses.unusable("its node has no cluster manager")
        if self.is_outside(number) or found.version < max(versions, default=-1):
            raise responses.unusable("its node knows an older state of the cluster than the others")

    async def is_cut_off(self, number: int) -> bool:
        """Whether the node is silent, has no cluster manager, or is outside of its cluster.

        If it refuses to report its state, this is unknown, and the result is False.
        """
        state = await self._state(number, SILENT_SECONDS)
        if isinstance(state, Exception):
            return error_types.failure_of(state) in OPENS_CIRCUIT
        return state.cluster_manager_node is None or self.is_outside(number)

    async def search_problem(self, number: int) -> Exception | None:
        """The error if the node answers no search; None if it answers, even with an error of OpenSearch.

        A node reports its state from memory, even while its disk hangs or all its threads for searches are busy. The
        search reads one document of a shard on this node, so that no other node can be the cause.
        """
        seconds = self._search_seconds
        params = {**_ONE_DOCUMENT, "cancel_after_time_interval": f"{seconds * 1000:.0f}ms"}
        try:
            await self._ask(number, self._search, params, _Searched, seconds)
        except TransportError as error:
            return None if error_types.is_from_opensearch(error) else error
        except Exception as error:  # such as a file of the certificate authority that is just being replaced
            return error
        return None

    async def id_of(self, number: int) -> str | None:
        """The id of the node at this URL. None if the node does not report it; later calls ask again, a few times."""
        if self._asked_for_id[number] >= MOST_QUESTIONS:
            return None
        self._asked_for_id[number] += 1
        try:
            found = await self._ask(number, _OWN_NAME, {"filter_path": "nodes.*.name"}, _Nodes)
        except Exception:  # nothing depends on it
            return None
        return next(iter(found.nodes)) if len(found.nodes) == 1 else None

    def has_no_manager(self, number: int) -> bool:
        """Whether the node, when it was last asked, had no cluster manager."""
        return number in self._states and self._states[number].cluster_manager_node is None

    def is_outside(self, number: int) -> bool:
        """Whether the node, when it was last asked, had an older state than others had before, or another cluster."""
        if number in self._behind:
            return True
        clusters = Counter(state.cluster_uuid for state in self._states.values())
        own = self._states[number].cluster_uuid if number in self._states else None
        return own is not None and clusters[own] < max(clusters.values())

    async def _version(self, number: int) -> int:
        found = await self._state(number)
        if isinstance(found, Exception):
            self._witness_failed(number, found)
            return -1
        return -1 if found.cluster_manager_node is None or self.is_outside(number) else found.version

    async def _state(self, number: int, seconds: float = TIMEOUT) -> _State | TransportError | ConversationsError:
        """The state that the node reports, or the error. If this raised, asyncio.gather could hide a cancellation."""
        known = [state for other, state in self._states.items() if other != number]
        try:
            found = await self._ask(number, _STATE, _LOCAL, _State, seconds)
        except (TransportError, ConversationsError) as error:
            return error
        self._states[number] = found
        if any(found.cluster_uuid == state.cluster_uuid and found.version < state.version for state in known):
            self._behind.add(number)
        else:
            self._behind.discard(number)
        return found

    async def _ask(
        self, number: int, path: str, params: Mapping[str, str], expected: type[Expected], seconds: float = TIMEOUT
    ) -> Expected:
        if number not in self._connections:
            self._connections[number] = self._connect(number)
        _status, _headers, data = await self._connections[number].perform_request(
            "GET", path, params=params, timeout=seconds
        )
        try:
            return msgspec.json.decode(data, type=expected)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise responses.unusable("a probe got another answer than OpenSearch gives") from error
