"""Refreshes indices, so that searches on any copy of a shard find what was written so far."""

from __future__ import annotations

from service.client import SLOW_SECONDS, Client, translated
from service.client.responses import part
from service.errors import SearchUnavailable
from service.message_texts import counted


async def refresh(
    client: Client, names: str, *, alias: str, may_lack: bool = False, seconds: float = SLOW_SECONDS
) -> None:
    """Refreshes these indices, within `seconds`. With `may_lack`, names that do not exist are ignored.

    Raises SearchUnavailable if a copy of a shard could not be refreshed: a search that asks it would miss something.
    """
    ignoring = {"ignore_unavailable": "true"} if may_lack else {}
    with translated(alias=alias):
        answer = await client.indices.refresh(index=names, params={**ignoring, "request_timeout": seconds})
    if failed := part(answer, "_shards", "failed", expected=int):
        copies = counted(failed, "copy", "copies")
        raise SearchUnavailable(f"{copies} of shards could not be refreshed: try again shortly")
