"""Shards, replicas, routing partition and refresh interval. Each index has its own; they are not part of the mapping.

Options and the environment come first. Otherwise, a reindex takes the settings of the running index, and a first index
gets the defaults. Names and values are those of OpenSearch.

All documents of an organization have its uid as their routing, so they are in one shard. With a routing partition of 3,
they are spread over three shards by their ids, and a search of the organization queries these three.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.client import Client
from service.client.responses import part, unusable
from service.errors import Misconfigured
from service.settings import Settings

IndexSettings = Mapping[str, int | str | None]
"""Settings of an index by OpenSearch's names. None leaves one to OpenSearch's default."""

DEFAULTS: IndexSettings = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "1s"}
KEPT = ("number_of_shards", "number_of_replicas", "auto_expand_replicas", "routing_partition_size", "refresh_interval")
"""The settings that an operator may have changed, and that a reindex takes over."""


async def defaults(client: Client) -> IndexSettings:
    """The settings of a first index. If several nodes hold data, each shard has a copy on a second one."""
    nodes = part(await client.cluster.health(), "number_of_data_nodes", expected=int)
    return {**DEFAULTS, "number_of_replicas": 1 if nodes > 1 else 0}


def chosen(settings: Settings) -> dict[str, int | str]:
    """The settings in the options or the environment. Others are left out."""
    given = {
        "number_of_shards": settings.shards,
        "number_of_replicas": settings.replicas,
        "routing_partition_size": settings.routing_partition,
        "refresh_interval": settings.refresh_interval,
    }
    return {name: value for name, value in given.items() if value is not None}


def of_successor(running: IndexSettings, chosen: IndexSettings) -> IndexSettings:
    """The settings of a reindex's new index: the chosen ones, and the others of the running index."""
    kept = {name: running.get(name) for name in KEPT}
    if "number_of_replicas" in chosen:
        kept["auto_expand_replicas"] = None  # it would override the number of replicas
    return {**kept, **chosen}


def for_opensearch(settings: IndexSettings) -> dict[str, int | str]:
    """The settings as an index is created with them. Raises Misconfigured if shards and routing partition do not fit.

    By default, OpenSearch makes many more routing shards than shards, so that an index can be split. But then
    neighbouring routing shards are in the same shard, and a routing partition, which uses neighbours, would have no
    effect.
    """
    known = {name: value for name, value in settings.items() if value is not None}
    shards, partition = int(known["number_of_shards"]), partition_of(known)
    if partition == 1:
        known.pop("routing_partition_size", None)
    elif partition >= shards:
        raise Misconfigured(
            f"a routing partition of {partition} needs more shards than that, and this index would have {shards}: "
            "give a larger --shards, or a smaller --routing-partition (1 spreads no organization)"
        )
    else:
        known["number_of_routing_shards"] = shards
    return known


def partition_of(settings: IndexSettings) -> int:
    """The number of shards over which each organization is spread."""
    return int(settings.get("routing_partition_size") or 1)


@dataclass(frozen=True, slots=True)
class Shown:
    """The settings by the names of the options, for records."""

    shards: int
    replicas: int
    routing_partition: int
    refresh_interval: str | None


def shown(settings: IndexSettings) -> Shown:
    """The settings of an index. Raises AnswerUnusable if shards or replicas are missing or not numbers."""
    shards, replicas = settings.get("number_of_shards"), settings.get("number_of_replicas")
    interval = settings.get("refresh_interval")
    try:
        if shards is not None and replicas is not None:
            known = None if interval is None else str(interval)
            return Shown(int(shards), int(replicas), partition_of(settings), known)
    except ValueError:
        pass
    raise unusable("an index lacks its number of shards or of replicas")
