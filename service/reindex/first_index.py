"""Creates the first index of an alias, under the lock of a reindex, so that only one of many processes creates it."""

from __future__ import annotations

import asyncio

from service.client import Client
from service.errors import UnderWay
from service.index.aliases import check, create, current_index
from service.index.index_settings import IndexSettings, defaults
from service.index.mapping import Mapping
from service.index.write_targets import writes_alias
from service.reindex.lock import LOOK, State, holding


async def ensure(
    client: Client, alias: str, mapping: Mapping, *, settings: IndexSettings | None = None
) -> tuple[str, bool]:
    """Returns the name of the index behind the alias, and whether it was created now, with these settings.

    If there is none, it is created together with its aliases. Raises IndexUnusable if an existing index does not fit
    the mapping, and UnderWay if another process has the lock for longer than PATIENCE_SECONDS.
    """
    ends = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while (name := await current_index(client, alias)) is None:
        try:
            async with holding(client, alias, State("create", LOOK, "", "")) as lock:
                if await current_index(client, alias) is None:
                    await lock.save()  # raises if the lock was lost
                    own = (alias, writes_alias(alias))
                    made = {**await defaults(client), **(settings or {})}
                    return await create(client, alias, mapping, settings=made, aliases=own), True
        except UnderWay:
            if asyncio.get_running_loop().time() > ends:
                raise
            await asyncio.sleep(LOOK_SECONDS)
    await check(client, alias, mapping)
    return name, False


LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 60.0
