"""Shards, replicas and refresh interval: settings of each index, no part of the mapping and its checksum.

What an option or the environment says goes first. Then a reindex takes over what the running index has, and a first
index has the defaults. The names and values are OpenSearch's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from service.client.responses import unusable
from service.settings import Settings

IndexSettings = Mapping[str, int | str | None]
"""Settings of an index by OpenSearch's names. None leaves one to OpenSearch's default."""

DEFAULTS: IndexSettings = {"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "1s"}
KEPT = ("number_of_shards", "number_of_replicas", "auto_expand_replicas", "refresh_interval")
"""What an operator may have chosen for the running index, and its successor takes over."""


def chosen(settings: Settings) -> dict[str, int | str]:
    """What the options or the environment say, without what they leave open."""
    said = {
        "number_of_shards": settings.shards,
        "number_of_replicas": settings.replicas,
        "refresh_interval": settings.refresh_interval,
    }
    return {name: value for name, value in said.items() if value is not None}


def of_successor(running: IndexSettings, chosen: IndexSettings) -> IndexSettings:
    """The settings of an index that a reindex makes, from those of the running index and what was chosen."""
    kept = {name: running.get(name) for name in KEPT}
    if "number_of_replicas" in chosen:
        kept["auto_expand_replicas"] = None  # it would go before the number
    return {**kept, **chosen}


@dataclass(frozen=True, slots=True)
class Shown:
    """The same by the names of the options, for records."""

    shards: int
    replicas: int
    refresh_interval: str | None


def shown(settings: IndexSettings) -> Shown:
    """Raises AnswerUnusable where shards or replicas are missing or no numbers."""
    shards, replicas = settings.get("number_of_shards"), settings.get("number_of_replicas")
    interval = settings.get("refresh_interval")
    try:
        if shards is not None and replicas is not None:
            return Shown(int(shards), int(replicas), None if interval is None else str(interval))
    except ValueError:
        pass
    raise unusable("an index lacks its number of shards or of replicas")
