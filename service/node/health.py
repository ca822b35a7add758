"""Checks whether the local node responds and has all of its shards, and finds out why not."""

from __future__ import annotations

import http.client
from typing import TypeVar

import msgspec

ATTEMPTS = 5  # after these, OpenSearch gives up on a shard (index.allocation.max_retries)
BUSY = "ShardLockObtainFailedException"  # the node is still closing the shard that it should open
NO_COPY = "no_valid_shard_copy"  # OpenSearch looked for copies of the shard and found none
REASON_CHARACTERS = 400


Expected = TypeVar("Expected")


class _Process(msgspec.Struct):
    id: int


class _Node(msgspec.Struct):
    process: _Process


class _Nodes(msgspec.Struct):
    nodes: dict[str, _Node]


class _Health(msgspec.Struct):
    status: str
    number_of_nodes: int = 1


class _Unassigned(msgspec.Struct):
    details: str | None = None
    last_allocation_status: str | None = None
    failed_allocation_attempts: int = 0


class _Explanation(msgspec.Struct):
    shard: int
    index: str
    primary: bool = False
    can_allocate: str | None = None
    unassigned_info: _Unassigned = msgspec.field(default_factory=_Unassigned)


class _Acknowledged(msgspec.Struct):
    acknowledged: bool


def is_own(url: str, pid: int) -> bool:
    """Whether the node that responds at `url` is the process `pid`, and not another node."""
    found = _ask(url, "/_nodes/_local/process", _Nodes)
    return found is not None and any(node.process.id == pid for node in found.nodes.values())


def is_usable(url: str) -> bool:
    """Whether all primary shards are started. Waits up to 2 s for them."""
    health = _ask(url, "/_cluster/health?wait_for_status=yellow&timeout=2s", _Health)
    return health is not None and health.status in ("yellow", "green")


def has_joined(url: str) -> bool:
    """Whether the node is in a cluster that has elected a manager."""
    return _ask(url, "/_cluster/health?timeout=2s&cluster_manager_timeout=2s", _Health) is not None


def is_complete(url: str, count: int, status: str) -> bool:
    """Whether this many nodes are in the cluster and its shards are yellow, or green. Waits up to 2 s for both."""
    path = f"/_cluster/health?wait_for_nodes={count}&wait_for_status={status}&timeout=2s&cluster_manager_timeout=2s"
    found = _ask(url, path, _Health)
    return found is not None and found.number_of_nodes == count and found.status in (status, "green")


def shard_problem(url: str) -> tuple[str | None, bool]:
    """Why a primary shard is missing, or None if none is known to be missing; and whether that is permanent.

    If OpenSearch gave up on the shard only because the node was slow to close it, OpenSearch is asked to try again.
    """
    explanation = _ask(url, "/_cluster/allocation/explain", _Explanation)
    if explanation is None or not explanation.primary:
        return None, False
    why = explanation.unassigned_info
    details = why.details or why.last_allocation_status or "no reason is known"
    name = f"shard {explanation.shard} of the index {explanation.index}"
    has_given_up = why.failed_allocation_attempts >= ATTEMPTS
    if has_given_up and BUSY in details:
        _ask(url, "/_cluster/reroute?retry_failed=true&metric=none", _Acknowledged, method="POST")
        has_given_up = False
    return (
        f"{name} cannot be read ({_short(details)}): "
        "restore a snapshot into another folder, or start again with another --data",
        has_given_up or explanation.can_allocate == NO_COPY,
    )


def _short(details: str) -> str:
    return " ".join(details.split())[:REASON_CHARACTERS]


def _ask(url: str, path: str, expected: type[Expected], *, method: str = "GET") -> Expected | None:
    """The node's response, or None if it is missing, reports an error, or is not JSON of this shape."""
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return msgspec.json.decode(answer.read(), type=expected) if answer.status == 200 else None
    except (OSError, http.client.HTTPException, msgspec.MsgspecError, UnicodeError, RecursionError):
        return None
    finally:
        connection.close()
