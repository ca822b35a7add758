"""The status of a deployment: its cluster, indices, counts, newest write, and running reindexes and loads."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

from opensearchpy.exceptions import NotFoundError

from service.client import Client, translated
from service.client.responses import Json, part
from service.errors import IndexUnusable
from service.index import aliases, index_settings
from service.index.mapping import Mapping
from service.index.write_targets import writes_alias
from service.operations import load_progress
from service.operations.load_progress import Load
from service.reindex import comparison, documents, lock
from service.times import EPOCH, format_time


@dataclass(frozen=True, slots=True)
class IndexStatus:
    """One index. `reads` and `writes` say whether the service searches it and writes to it.

    `differing_ranges` is the number of the 256 ranges of uids in which it has other documents or versions than the
    index that is read; None for the index that is read.
    """

    name: str
    mapping: str | None
    derived_version: int | None
    reads: bool
    writes: bool
    conversations: int
    tombstones: int
    bytes: int
    shards: int
    replicas: int
    routing_partition: int
    refresh_interval: str | None
    differing_ranges: int | None


@dataclass(frozen=True, slots=True)
class Status:
    """What `conversations status` prints. `newest_write` is the newest version: an `updated_on` or a `deleted_on`."""

    cluster: str
    version: str
    health: str
    nodes: int
    alias: str
    index: str | None
    conversations: int
    tombstones: int
    newest_write: str | None
    newest_write_age_seconds: float | None
    mapping_of_service: str
    derived_version_of_service: int
    indices: list[IndexStatus]
    reindex: Json | None
    loads: list[Load]
    problem: str | None

    def record(self) -> dict[str, object]:
        return asdict(self)


async def status(
    client: Client, alias: str, mapping: Mapping, *, refresh: bool = True, is_watched: bool = False
) -> Status:
    """Reads the status. A missing alias or an index that does not fit is reported in `problem`, not raised.

    With `refresh`, the indices are refreshed first. Otherwise the counts are those of their last refresh. With
    `is_watched`, an unfinished reindex is watched for a few seconds, and its `is_running` says whether a process works
    on it.
    """
    with translated(alias=alias):
        info = await client.info()
        health = await client.cluster.health()
    name, problem = None, None
    try:
        name = await aliases.current_index(client, alias)
        problem = await aliases.drift(client, name, mapping) if name else f"the alias {alias} does not exist"
    except IndexUnusable as error:
        problem = str(error)
    names = await aliases.all_indices(client, alias)
    if refresh and names:
        with translated(alias=alias):
            await client.indices.refresh(index=f"{alias}-*")  # a list of all names could be too long for a URL
    indices = [await _index(client, alias, index, name) for index in names]
    read = next((index for index in indices if index.reads), None)
    newest = await _newest(client, name) if name else None
    return Status(
        cluster=info["cluster_name"],
        version=info["version"]["number"],
        health=health["status"],
        nodes=health["number_of_nodes"],
        alias=alias,
        index=name,
        conversations=read.conversations if read else 0,
        tombstones=read.tombstones if read else 0,
        newest_write=None if newest is None else format_time(newest),
        newest_write_age_seconds=None if newest is None else age_of(newest),
        mapping_of_service=mapping.checksum,
        derived_version_of_service=mapping.derived_version,
        indices=indices,
        reindex=await _reindex(client, alias, is_watched=is_watched),
        loads=await load_progress.loads(client, alias),
        problem=problem,
    )


async def _index(client: Client, alias: str, name: str, read: str | None) -> IndexStatus:
    with translated(alias=name):
        details = part(await client.indices.get(index=name), name, expected=Json)
        live = (await client.count(index=name, body={"query": {"exists": {"field": "organization_uid"}}}))["count"]
        tombstones = (await client.count(index=name, body={"query": {"exists": {"field": "tombstone.uid"}}}))["count"]
        stats = await client.indices.stats(index=name, metric="store")
    made = aliases.origin(details["mappings"])
    settings = index_settings.shown(part(details, "settings", "index", expected=Json))
    differing = None
    if read is not None and name != read:
        differing = len(comparison.differing(await documents.sums(client, read), await documents.sums(client, name)))
    return IndexStatus(
        name=name,
        mapping=made.mapping,
        derived_version=made.derived_version,
        reads=name == read,
        writes=writes_alias(alias) in details["aliases"],
        conversations=live,
        tombstones=tombstones,
        bytes=part(stats, "indices", name, "primaries", "store", "size_in_bytes", expected=int),
        shards=settings.shards,
        replicas=settings.replicas,
        routing_partition=settings.routing_partition,
        refresh_interval=settings.refresh_interval,
        differing_ranges=differing,
    )


async def _reindex(client: Client, alias: str, *, is_watched: bool) -> Json | None:
    state = await lock.read(client, alias)
    if state is None:
        return None
    return asdict(state) | {"is_running": await lock.is_running(client, alias, state) if is_watched else None}


def age_of(newest: datetime) -> float:
    """The seconds since a version; 0 if it is ahead of the clock, as of mail with a wrong date."""
    return max(0.0, round((datetime.now(UTC) - newest).total_seconds(), 3))


async def _newest(client: Client, name: str) -> datetime | None:
    newest = {field: {"max": {"field": field}} for field in ("updated_on", "tombstone.deleted_on")}
    with translated(alias=name):
        try:
            answer = await client.search(index=name, body={"size": 0, "aggs": newest})
        except NotFoundError:
            return None
    values = [found["value"] for found in answer["aggregations"].values() if found["value"] is not None]
    return EPOCH + timedelta(milliseconds=int(max(values))) if values else None
