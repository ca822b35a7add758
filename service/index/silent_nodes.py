"""Finds the nodes of the cluster that do not answer the others, such as one that is frozen.

The cluster keeps such a node for 30 s by default. Until then, a call that asks every node, or that node's copy of a
shard, waits for it. Such a call gives up on a node after its parameter `timeout`, if it has one.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import msgspec
from opensearchpy.exceptions import TransportError

from service.client import Client
from service.client.responses import convert
from service.errors import ConversationsError

NODE_SHARE = 0.2  # of the time of a call: each node must answer within it, and the rest is for the answer to the caller


@dataclass(frozen=True, slots=True)
class Members:
    """How many nodes the cluster has, and the names of those that do not answer the others."""

    count: int
    silent: tuple[str, ...] = ()

    @property
    def is_minority_silent(self) -> bool:
        """Whether some are silent, and the others can go on without them."""
        return 0 < 2 * len(self.silent) < self.count


class _Node(msgspec.Struct):
    name: str


class _Nodes(msgspec.Struct):
    nodes: dict[str, _Node] = {}


def within(seconds: float, *, share: float = NODE_SHARE) -> dict[str, str | float]:
    """The parameters of a call to all nodes that must end after `seconds`.

    Nodes that do not answer within this share of the time are left out.
    """
    return {"timeout": f"{seconds * share * 1000:.0f}ms", "request_timeout": seconds}


async def members(client: Client, *, seconds: float) -> Members | None:
    """The nodes of the cluster, within `seconds`. None if no node answers, or if the user may not ask."""
    local = {"local": "true", "filter_path": "nodes.*.name", "request_timeout": seconds}
    try:
        async with asyncio.timeout(seconds):
            answered, known = await asyncio.gather(
                client.nodes.info(metric="http", params={**within(seconds), "filter_path": "nodes.*.name"}),
                client.cluster.state(metric="nodes", params=local),
            )
        answers, nodes = convert(answered, _Nodes).nodes, convert(known, _Nodes).nodes
    except (TransportError, ConversationsError, TimeoutError):
        return None  # the caller has a problem of its own to report
    silent = sorted(node.name for number, node in nodes.items() if number not in answers)
    return Members(len(nodes), tuple(silent)) if nodes else None
