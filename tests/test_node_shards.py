"""Why some shards of a local node are missing, and whether waiting helps."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.node import health
from tests.scripted_server import Answer, Server

BUSY = "failed to create shard, failure ShardLockObtainFailedException[[faults][0]: obtaining shard lock timed out]"
BROKEN = "failed recovery, failure CorruptIndexException[codec footer mismatch]"


@pytest.fixture
def node() -> Iterator[Server]:
    server = Server()
    yield server
    server.close()


def explanation(details: str, attempts: int, **fields: Any) -> Answer:
    why = {"details": details, "failed_allocation_attempts": attempts}
    found = {"shard": 0, "index": "faults", "primary": True, "unassigned_info": why} | fields
    return 200, {}, json.dumps(found).encode()


ACKNOWLEDGED: Answer = (200, {}, b'{"acknowledged": true}')


def test_a_shard_that_was_busy_is_tried_again(node: Server) -> None:
    node.answers = [explanation(BUSY, 5), ACKNOWLEDGED]
    problem, is_lasting = health.shard_problem(node.url)
    assert problem is not None
    assert "shard 0 of the index faults" in problem
    assert not is_lasting
    assert [request[0] for request in node.requests] == ["GET", "POST"]
    assert node.requests[1][1].startswith("/_cluster/reroute?retry_failed=true")


@pytest.mark.parametrize(
    ("details", "attempts", "fields", "is_lasting"),
    [
        (BUSY, 4, {}, False), (BROKEN, 4, {}, False), (BROKEN, 5, {}, True),
        (BUSY, 0, {"can_allocate": "no_valid_shard_copy"}, True), (BROKEN, 5, {"primary": False}, False),
    ],
)  # fmt: skip
def test_no_retry_is_asked_for_while_opensearch_retries_or_if_that_cannot_help(
    details: str, attempts: int, fields: dict[str, Any], is_lasting: bool, node: Server
) -> None:
    node.answers = [explanation(details, attempts, **fields)]
    assert health.shard_problem(node.url)[1] is is_lasting
    assert [request[0] for request in node.requests] == ["GET"]
