"""Index names and the alias: which index answers, whether it fits the mapping, and how one is made.

An index is named `conversations-<UTC time>-<checksum of the mapping>` and never edited. Readers and writers use the
alias. What the cluster holds is compared with the mapping at every start, so that a drift is told and not served.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from opensearchpy.exceptions import RequestError

from service.answers import part
from service.client import Client, translated
from service.errors import AnswerUnusable, IndexUnusable
from service.index.mapping import Mapping
from service.index.targets import holders, own_alias, writes_alias

META = "conversation_search"


def index_name(alias: str, mapping: Mapping, now: datetime) -> str:
    """Such as conversations-20240701t120000123-1f2e3d4c: sorts by age, and tells its mapping."""
    return f"{alias}-{now.strftime('%Y%m%dt%H%M%S')}{now.microsecond // 1000:03d}-{mapping.checksum}"


async def current_index(client: Client, alias: str) -> str | None:
    """The index behind the alias, or None. Raises IndexUnusable where the alias is ambiguous or is an index."""
    found = await holders(client, alias)
    if alias in found:
        raise IndexUnusable(f"{alias} is an index, not an alias: rename it, or set CONVERSATIONS_ALIAS to another name")
    if len(found) > 1:
        raise IndexUnusable(f"{alias} points to several indices ({', '.join(sorted(found))}): leave it one")
    return next(iter(found), None)


async def all_indices(client: Client, alias: str) -> list[str]:
    """Every index of this alias's name, the oldest first."""
    with translated(alias=alias):
        return sorted(await client.indices.get(index=f"{alias}-*", params={"expand_wildcards": "open"}))


async def create(client: Client, alias: str, mapping: Mapping, *, name: str | None = None) -> str:
    """A new, empty index of this mapping, which is neither read nor written yet. Returns its name."""
    name = name or index_name(alias, mapping, datetime.now(UTC))
    body = {
        "settings": mapping.settings,
        "mappings": {"_meta": {META: {"mapping": mapping.checksum}}, **mapping.mappings},
        "aliases": {own_alias(name): {}},
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
        add = [{"add": {"index": made, "alias": name}} for name in (alias, writes_alias(alias))]
        await client.indices.update_aliases(body={"actions": add})
        first = min(await holders(client, alias))
        if first != made:
            await client.indices.delete(index=made)
    return first, first == made


async def check(client: Client, alias: str, mapping: Mapping) -> str:
    """The index behind the alias, where it fits the mapping. Raises IndexUnusable saying what differs."""
    name = await current_index(client, alias)
    if name is None:
        raise IndexUnusable(f"{alias} does not exist in OpenSearch: create it with 'conversations create'")
    if (problem := await drift(client, name, mapping)) is not None:
        raise IndexUnusable(problem)
    return name


async def drift(client: Client, name: str, mapping: Mapping) -> str | None:
    """What differs between the index and the mapping, in words; None where they fit."""
    with translated(alias=name):
        live = part(await client.indices.get_mapping(index=name), name, "mappings", expected=dict[str, Any])
    checksum = made_from(live)
    if checksum != mapping.checksum:
        return (
            f"{name} was made from the mapping {checksum or 'of something else'}, this service needs "
            f"{mapping.checksum}: run 'conversations reindex', or the version of the service that made it"
        )
    changed = sorted(_differences(mapping.mappings["properties"], live.get("properties", {})))
    if changed or live.get("dynamic") != mapping.mappings["dynamic"]:
        where = ", ".join(changed) or "dynamic"
        return f"the mapping of {name} was changed in the cluster ({where}): run 'conversations reindex'"
    return None


def made_from(live: dict[str, Any]) -> str | None:
    """The checksum of the mapping that an index was made from; None where something else made it."""
    try:
        return part(live, "_meta", META, "mapping", expected=str)
    except AnswerUnusable:
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
