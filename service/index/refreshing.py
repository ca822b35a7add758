"""Refreshes indices, so that searches on any copy of a shard find what was written so far."""

from __future__ import annotations

import re
from collections.abc import Collection

from service.client import SLOW_SECONDS, Client, translated
from service.client.responses import Json, part
from service.errors import ConversationsError, SearchUnavailable
from service.message_texts import counted

_TIME = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)")
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0}


async def refresh(
    client: Client, names: str, *, alias: str, may_lack: bool = False, seconds: float = SLOW_SECONDS
) -> None:
    """Refreshes these indices, within `seconds`. With `may_lack`, names that do not exist are ignored.

    Raises SearchUnavailable if a copy of a shard could not be refreshed: a search on it would miss documents.
    """
    ignoring = {"ignore_unavailable": "true"} if may_lack else {}
    with translated(alias=alias):
        answer = await client.indices.refresh(index=names, params={**ignoring, "request_timeout": seconds})
    if failed := part(answer, "_shards", "failed", expected=int):
        copies = counted(failed, "copy", "copies")
        raise SearchUnavailable(f"{copies} of shards could not be refreshed: try again shortly")


async def is_soon(client: Client, names: Collection[str], *, alias: str, within: float, seconds: float) -> bool:
    """Whether each of these indices refreshes by itself at least every `within` seconds.

    False if this is not known within `seconds`. The caller then refreshes the indices itself.
    """
    params = {"ignore_unavailable": "true", "request_timeout": seconds}
    try:
        with translated(alias=alias):
            found = await client.indices.get_settings(
                index=",".join(names), name="index.refresh_interval", params=params
            )
            intervals = [_interval(part(found, name, "settings", "index", expected=Json)) for name in names]
    except ConversationsError:
        return False
    return all(interval is not None and 0 < interval <= within for interval in intervals)


def _interval(index: Json) -> float | None:
    """The refresh interval in seconds; None if it is off, not set, or in another unit."""
    found = _TIME.fullmatch(str(index.get("refresh_interval")))
    return None if found is None else float(found[1]) * _SECONDS[found[2]]
