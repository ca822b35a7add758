"""Asks a node about its cluster."""

from __future__ import annotations

import httpx


def names(url: str) -> set[str]:
    """The names of all nodes in the cluster of this node."""
    return {row["name"] for row in httpx.get(f"{url}/_cat/nodes?format=json", timeout=60).raise_for_status().json()}


def copies(url: str, alias: str) -> list[dict[str, str]]:
    """One row for each copy of a shard of the index, with the node that has it."""
    found: list[dict[str, str]] = httpx.get(f"{url}/_cat/shards/{alias}?format=json", timeout=60).json()
    return found


def health(url: str, **wanted: str) -> dict[str, object]:
    found: dict[str, object] = httpx.get(
        f"{url}/_cluster/health", params={"timeout": "60s", **wanted}, timeout=90
    ).raise_for_status().json()  # fmt: skip
    return found


def manager(url: str) -> str:
    """The name of the node that is cluster manager."""
    name: str = httpx.get(f"{url}/_cat/cluster_manager?format=json", timeout=60).json()[0]["node"]
    return name
