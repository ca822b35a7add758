"""Names, creates and checks indices, and finds the index behind the alias.

An index is named `conversations-<UTC time>-<checksum of the mapping>`, and its mapping never changes. Readers and
writers use the alias. `check` reports if the mapping in the cluster differs from the file.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypeVar

from opensearchpy.exceptions import RequestError

from service.client import Client, translated
from service.client.responses import Json, part
from service.errors import AnswerUnusable, IndexMissing, IndexUnusable
from service.index.index_settings import DEFAULTS, IndexSettings, for_opensearch, partition_of
from service.index.mapping import Mapping
from service.index.write_targets import holders, own_alias

META = "conversation_search"
Value = TypeVar("Value")


def index_name(alias: str, mapping: Mapping, now: datetime) -> str:
    """A name such as conversations-20240701t120000123-1f2e3d4c. It shows when and from which mapping it was made."""
    return f"{alias}-{now.strftime('%Y%m%dt%H%M%S')}{now.microsecond // 1000:03d}-{mapping.checksum}"


async def current_index(client: Client, alias: str) -> str | None:
    """The index behind the alias, or None. Raises IndexUnusable if the alias is ambiguous or is an index."""
    found = await holders(client, alias)
    if alias in found:
        raise IndexUnusable(f"{alias} is an index, not an alias: rename it, or set CONVERSATIONS_ALIAS to another name")
    if len(found) > 1:
        raise IndexUnusable(
            f"{alias} points to several indices ({', '.join(sorted(found))}): remove it from all but one"
        )
    return next(iter(found), None)


@dataclass(frozen=True, slots=True)
class Owned:
    """An index that this service made for the alias. `created` is in milliseconds since 1970."""

    name: str
    created: int


async def owned(client: Client, alias: str) -> list[Owned]:
    """The indices that this service made for this alias, the oldest first.

    Its name, its own alias and its `_meta` must say so. An index with a similar name that somebody else made, or that
    this service made for another alias (such as conversations-eu), is not included.
    """
    with translated(alias=alias):
        found = await client.indices.get(index=f"{alias}-*", params={"expand_wildcards": "open"})
    own = [
        Owned(name, int(index["settings"]["index"]["creation_date"]))
        for name, index in found.items()
        if _is_owned(alias, name, index)
    ]
    return sorted(own, key=lambda index: (index.created, index.name))


def _is_owned(alias: str, name: str, index: Json) -> bool:
    made = index["mappings"].get("_meta", {}).get(META)
    return (
        isinstance(made, dict)
        and made.get("alias", alias) == alias
        and own_alias(name) in index["aliases"]
        and re.fullmatch(re.escape(alias) + _SUFFIX, name) is not None
    )


_SUFFIX = r"-\d{8}t\d{9}-[0-9a-f]{8}"


async def all_indices(client: Client, alias: str) -> list[str]:
    """The names of the indices that this service made for this alias, the oldest first."""
    return [index.name for index in await owned(client, alias)]


async def create(
    client: Client,
    alias: str,
    mapping: Mapping,
    *,
    name: str | None = None,
    settings: IndexSettings | None = None,
    aliases: tuple[str, ...] = (),
) -> str:
    """Creates an empty index with this mapping and returns its name.

    Without `aliases`, it is not read or written yet. `settings` override the defaults; None means OpenSearch's default.
    """
    name = name or index_name(alias, mapping, datetime.now(UTC))
    index = for_opensearch({**mapping.settings["index"], **DEFAULTS, **(settings or {})})
    own = {**mapping.settings, "index": index}
    routing = {"_routing": {"required": True}} if partition_of(index) > 1 else {}  # OpenSearch demands it then
    meta = {"mapping": mapping.checksum, "derived_version": mapping.derived_version, "alias": alias}
    body = {
        "settings": own,
        "mappings": {"_meta": {META: meta}, **routing, **mapping.mappings},
        "aliases": {one: {} for one in (own_alias(name), *aliases)},
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


async def check(client: Client, alias: str, mapping: Mapping) -> str:
    """The index behind the alias. Raises IndexUnusable if it does not fit the mapping."""
    name = await current_index(client, alias)
    if name is None:
        raise IndexMissing(f"{alias} does not exist in OpenSearch: create it with 'conversations create'")
    if (problem := await drift(client, name, mapping)) is not None:
        raise IndexUnusable(problem)
    return name


async def drift(client: Client, name: str, mapping: Mapping) -> str | None:
    """A sentence that says how the index differs from the mapping; None if it fits."""
    with translated(alias=name):
        live = part(await client.indices.get_mapping(index=name), name, "mappings", expected=Json)
    made = origin(live)
    if made.mapping != mapping.checksum:
        return (
            f"{name} was made from the mapping {made.mapping or 'of something else'}, this service needs "
            f"{mapping.checksum}: {_ADVICE}"
        )
    if made.derived_version != mapping.derived_version:
        return (
            f"the documents of {name} have derived fields of version {made.derived_version or 'unknown'}, this service "
            f"needs version {mapping.derived_version}: {_ADVICE}"
        )
    changed = sorted(_differences(mapping.mappings["properties"], live.get("properties", {})))
    if changed or live.get("dynamic") != mapping.mappings["dynamic"]:
        where = ", ".join(changed) or "dynamic"
        return f"the mapping of {name} was changed in the cluster ({where}): run 'conversations reindex'"
    return None


_ADVICE = "run 'conversations reindex', or the version of the service that made it"


@dataclass(frozen=True, slots=True)
class Origin:
    """What an index was made from, according to its `_meta`.

    `mapping` is a checksum, or None if this service did not make the index. `derived_version` is None for indices that
    were made before such versions existed.
    """

    mapping: str | None
    derived_version: int | None


def origin(live: Json) -> Origin:
    """The origin of an index, from its mappings in the cluster."""
    return Origin(_meta(live, "mapping", str), _meta(live, "derived_version", int))


def _meta(live: Json, name: str, expected: type[Value]) -> Value | None:
    try:
        return part(live, "_meta", META, name, expected=expected)
    except AnswerUnusable:
        return None


def _differences(wanted: Json, live: Json, prefix: str = "") -> set[str]:
    """The fields that only one of the two has, or that differ."""
    changed = {prefix + name for name in wanted.keys() ^ live.keys()}
    for name in wanted.keys() & live.keys():
        one, other = dict(wanted[name]), dict(live[name])
        nested = ("properties", "fields")
        for key in nested:
            changed |= _differences(one.pop(key, {}), other.pop(key, {}), f"{prefix}{name}.")
        if one != other:
            changed.add(prefix + name)
    return changed
