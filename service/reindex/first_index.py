"""The first index of an alias: made under the lock of a reindex, so that of many processes one makes it."""

from __future__ import annotations

import asyncio

from service.client import Client
from service.errors import UnderWay
from service.index.aliases import check, create, current_index
from service.index.index_settings import IndexSettings
from service.index.mapping import Mapping
from service.index.write_targets import writes_alias
from service.reindex.lock import LOOK, State, holding


async def ensure(
    client: Client, alias: str, mapping: Mapping, *, settings: IndexSettings | None = None
) -> tuple[str, bool]:
    """The index behind the alias, made first if there is none, with these settings; and whether it was made.

    It is made under the lock that a reindex holds, and together with its aliases, so that of any number of processes
    one makes it and the others find it. Raises IndexUnusable where the index there does not fit the mapping, and
    UnderWay where another process held the lock all the time.
    """
    ends = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while (name := await current_index(client, alias)) is None:
        try:
            async with holding(client, alias, State("create", LOOK, "", "")) as lock:
                if await current_index(client, alias) is None:
                    await lock.save()  # the lock is still ours
                    own = (alias, writes_alias(alias))
                    return await create(client, alias, mapping, settings=settings, aliases=own), True
        except UnderWay:
            if asyncio.get_running_loop().time() > ends:
                raise
            await asyncio.sleep(LOOK_SECONDS)
    await check(client, alias, mapping)
    return name, False


LOOK_SECONDS = 0.1
PATIENCE_SECONDS = 60.0
