"""Asks a node whether it answers, and whether it knows what the others know.

A node that was frozen, or cut off from its cluster, wakes up with an old state. Until it notices that the cluster has
gone on without it, it treats its copies of shards as current, and answers searches from them with status 200. So if
there are several nodes, one that was silent or failed is trusted again only once it has a cluster manager, and a
cluster state no older than those of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import TypeVar

import msgspec
from opensearchpy.exceptions import TransportError

from service.client import responses
from service.client.connection import Connection
from service.errors import ConversationsError

TIMEOUT = 1.5
_STATE = "/_cluster/state/version,cluster_manager_node"
_LOCAL = {"local": "true"}
Told = TypeVar("Told")


class _Info(msgspec.Struct):
    cluster_name: str


class _State(msgspec.Struct):
    """What a node knows of its cluster. Without a cluster manager, its knowledge may be old."""

    cluster_name: str
    version: int = -1
    cluster_manager_node: str | None = None


class Probes:
    """Separate connections for probes, because all others may be in use. `connect` makes the one to a node's number.

    `witness_failed` gets the number and the error of a node that was asked about another one and did not answer.
    """

    def __init__(self, connect: Callable[[int], Connection], witness_failed: Callable[[int, Exception], None]) -> None:
        self._connect = connect
        self._witness_failed = witness_failed
        self._connections: dict[int, Connection] = {}

    async def close(self) -> None:
        for connection in self._connections.values():
            await connection.close()

    async def check_answers(self, number: int) -> None:
        """Raises an error unless OpenSearch answers."""
        await self._ask(number, "/", {}, _Info)

    async def check_member(self, number: int, others: Collection[int]) -> None:
        """Raises an error unless the node is part of the same cluster as the others that answer.

        A node that refuses to tell its state has answered: its error is one of OpenSearch's own.
        """
        known = asyncio.gather(*(self._version(other) for other in others))
        found, versions = await asyncio.gather(self._ask(number, _STATE, _LOCAL, _State), known)
        if found.cluster_manager_node is None:
            raise responses.unusable("its node has no cluster manager")
        if found.version < max(versions, default=-1):
            raise responses.unusable("its node knows an older state of the cluster than the others")

    async def _version(self, number: int) -> int:
        try:
            found = await self._ask(number, _STATE, _LOCAL, _State)
        except (TransportError, ConversationsError) as error:
            self._witness_failed(number, error)
            return -1
        return -1 if found.cluster_manager_node is None else found.version

    async def _ask(self, number: int, path: str, params: Mapping[str, str], expected: type[Told]) -> Told:
        if number not in self._connections:
            self._connections[number] = self._connect(number)
        _status, _headers, data = await self._connections[number].perform_request(
            "GET", path, params=params, timeout=TIMEOUT
        )
        try:
            return msgspec.json.decode(data, type=expected)
        except (msgspec.MsgspecError, ValueError, RecursionError) as error:
            raise responses.unusable("it does not name its cluster") from error
