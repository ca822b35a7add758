"""Index names and the alias: which index answers, whether it fits the mapping, and how one is made.

An index is named `conversations-<UTC time>-<checksum of the mapping>` and never edited. Readers and writers use the
alias. What the cluster holds is compared with the mapping at every start, so that a drift is told and not served.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from opensearchpy.exceptions import NotFoundError, RequestError

from service.client import Client, translated
from service.errors import IndexUnusable
from service.index.mapping import Mapping

META = "conversation_search"


@dataclass(frozen=True, slots=True)
class Status:
    """What `conversations status` prints."""

    cluster: str
    version: str
    health: str
    nodes: int
    alias: str
    index: str | None
    other_indices: list[str]
    conversations: int
    tombstones: int
    bytes: int
    mapping_of_index: str | None
    mapping_of_service: str
    problem: str | None

    def record(self) -> dict[str, Any]:
        return asdict(self)


def index_name(alias: str, mapping: Mapping, now: datetime) -> str:
    """Such as conversations-20240701t120000123-1f2e3d4c: sorts by age, and tells its mapping."""
    return f"{alias}-{now.strftime('%Y%m%dt%H%M%S')}{now.microsecond // 1000:03d}-{mapping.checksum}"


async def current_index(client: Client, alias: str) -> str | None:
    """The index behind the alias, or None. Raises IndexUnusable where the alias is ambiguous or is an index."""
    with translated(alias=alias):
        try:
            found: dict[str, Any] = await client.indices.get_alias(name=alias)
        except NotFoundError:
            if await client.indices.exists(index=alias):
                raise IndexUnusable(
                    f"{alias} is an index, not an alias: rename it, or set CONVERSATIONS_ALIAS to another name"
                ) from None
            return None
    if len(found) > 1:
        raise IndexUnusable(f"{alias} points to several indices ({', '.join(sorted(found))}): leave it one")
    return next(iter(found))


async def create(client: Client, alias: str, mapping: Mapping, *, now: datetime | None = None) -> str:
    """A new, empty index of this mapping, without an alias. Returns its name."""
    name = index_name(alias, mapping, now or datetime.now(UTC))
    body = {
        "settings": mapping.settings,
        "mappings": {"_meta": {META: {"mapping": mapping.checksum}}, **mapping.mappings},
    }
    with translated(alias=alias):
        try:
            await client.indices.create(index=name, body=body)
        except RequestError as error:
            if "icu_" in str(error.info):
                raise IndexUnusable(
                    "OpenSearch lacks the analysis-icu plugin: "
                    "run 'opensearch-plugin install analysis-icu' on every node and restart it"
                ) from None
            raise
    return name


async def ensure(client: Client, alias: str, mapping: Mapping) -> tuple[str, bool]:
    """The index behind the alias, made first if there is none; and whether it was made.

    Raises IndexUnusable where the index there does not fit the mapping. Two that start at once may both make an index:
    the alias is then given to both for an instant, and the younger takes itself away.
    """
    if (name := await current_index(client, alias)) is not None:
        await check(client, alias, mapping)
        return name, False
    made = await create(client, alias, mapping)
    with translated(alias=alias):
        await client.indices.put_alias(index=made, name=alias)
        holders = sorted(await client.indices.get_alias(name=alias))
        if holders[0] != made:
            await client.indices.delete(index=made)
    return holders[0], holders[0] == made


async def check(client: Client, alias: str, mapping: Mapping) -> str:
    """The index behind the alias, where it fits the mapping. Raises IndexUnusable saying what differs."""
    name = await current_index(client, alias)
    if name is None:
        raise IndexUnusable(f"{alias} does not exist in OpenSearch: create it with 'conversations create'")
    if (drift := await _drift(client, name, mapping)) is not None:
        raise IndexUnusable(drift)
    return name


async def _drift(client: Client, name: str, mapping: Mapping) -> str | None:
    """What differs between the index and the mapping, in words; None where they fit."""
    with translated(alias=name):
        live = (await client.indices.get_mapping(index=name))[name]["mappings"]
    made_from = live.get("_meta", {}).get(META, {}).get("mapping")
    if made_from != mapping.checksum:
        return (
            f"{name} was made from the mapping {made_from or 'of something else'}, this service needs "
            f"{mapping.checksum}: run 'conversations reindex', or the version of the service that made it"
        )
    changed = sorted(_differences(mapping.mappings["properties"], live.get("properties", {})))
    if changed or live.get("dynamic") != mapping.mappings["dynamic"]:
        where = ", ".join(changed) or "dynamic"
        return f"the mapping of {name} was changed in the cluster ({where}): run 'conversations reindex'"
    return None


def _differences(wanted: dict[str, Any], live: dict[str, Any], prefix: str = "") -> set[str]:
    """Fields that the one has and the other has not, or has otherwise."""
    changed = {prefix + name for name in wanted.keys() ^ live.keys()}
    for name in wanted.keys() & live.keys():
        one, other = dict(wanted[name]), dict(live[name])
        nested = ("properties", "fields")
        for key in nested:
            changed |= _differences(one.pop(key, {}), other.pop(key, {}), f"{prefix}{name}.")
        if one != other:
            changed.add(prefix + name)
    return changed


async def status(client: Client, alias: str, mapping: Mapping) -> Status:
    """Everything an operator asks first. A problem is told in the record, not raised."""
    with translated(alias=alias):
        info = await client.info()
        health = await client.cluster.health()
        indices = sorted((await client.indices.get(index=f"{alias}-*", params={"expand_wildcards": "open"})).keys())
    name, problem = None, None
    try:
        name = await current_index(client, alias)
        problem = await _drift(client, name, mapping) if name else f"the alias {alias} does not exist"
    except IndexUnusable as error:
        problem = str(error)
    counts = await _counts(client, name) if name else (0, 0, 0, None)
    return Status(
        cluster=info["cluster_name"],
        version=info["version"]["number"],
        health=health["status"],
        nodes=health["number_of_nodes"],
        alias=alias,
        index=name,
        other_indices=[other for other in indices if other != name],
        conversations=counts[0],
        tombstones=counts[1],
        bytes=counts[2],
        mapping_of_index=counts[3],
        mapping_of_service=mapping.checksum,
        problem=problem,
    )


async def _counts(client: Client, name: str) -> tuple[int, int, int, str | None]:
    with translated(alias=name):
        await client.indices.refresh(index=name)
        everything = (await client.count(index=name))["count"]
        live = (await client.count(index=name, body={"query": {"exists": {"field": "organization_uid"}}}))["count"]
        stats = (await client.indices.stats(index=name, metric="store"))["_all"]["primaries"]
        meta = (await client.indices.get_mapping(index=name))[name]["mappings"].get("_meta", {})
    return live, everything - live, stats["store"]["size_in_bytes"], meta.get(META, {}).get("mapping")
