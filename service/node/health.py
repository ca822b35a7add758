"""Checks whether the local node responds and has all of its shards, and finds out why not."""

from __future__ import annotations

import http.client
import json
from typing import Any

ATTEMPTS = 5  # OpenSearch gives up on a shard after these (index.allocation.max_retries)
NO_COPY = "no_valid_shard_copy"  # OpenSearch looked for copies of the shard and found none
REASON_CHARACTERS = 400


def is_own(url: str, pid: int) -> bool:
    """Whether the node that responds at `url` is the process `pid`, and not another node."""
    nodes = _get_json(url, "/_nodes/_local/process")
    return nodes is not None and any(node["process"]["id"] == pid for node in nodes["nodes"].values())


def is_usable(url: str) -> bool:
    """Whether all primary shards are started. Waits up to 2 s for them."""
    health = _get_json(url, "/_cluster/health?wait_for_status=yellow&timeout=2s")
    return health is not None and health["status"] in ("yellow", "green")


def shard_problem(url: str) -> tuple[str | None, bool]:
    """Why a primary shard is missing (None if none is known to be), and whether that is permanent."""
    explanation = _get_json(url, "/_cluster/allocation/explain")
    if explanation is None or not explanation.get("primary"):
        return None, False
    why = explanation.get("unassigned_info", {})
    details = str(why.get("details") or why.get("last_allocation_status") or "no reason is known")
    name = f"shard {explanation['shard']} of the index {explanation['index']}"
    is_lasting = why.get("failed_allocation_attempts", 0) >= ATTEMPTS or explanation.get("can_allocate") == NO_COPY
    return (
        f"{name} cannot be read ({_short(details)}): "
        "restore a snapshot into another folder, or start anew with another --data",
        is_lasting,
    )


def _short(details: str) -> str:
    return " ".join(details.split())[:REASON_CHARACTERS]


def _get_json(url: str, path: str) -> dict[str, Any] | None:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=5)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return json.loads(answer.read()) if answer.status == 200 else None
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()
