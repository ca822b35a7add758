"""The indices that must receive writes: the one that is read, and a second one from a reindex until a prune.

The alias `<alias>_writes` points to all of them. Before it sends, a writer reads the alias again if its last
reading is older than half a lease. It acknowledges a write only if that reading is at most one lease old. So after the
alias was changed and one lease has passed, every acknowledged write is in all of these indices.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from opensearchpy.exceptions import NotFoundError

from service.client import Client, translated
from service.errors import SearchUnavailable, WriteFailed, WriteIndexMissing


def writes_alias(alias: str) -> str:
    return f"{alias}_writes"


def own_alias(index: str) -> str:
    """The alias that only this index has. Writes require an alias, so they cannot create an index by mistake."""
    return f"{index}_own"


def foreign(index: str) -> str:
    """The error for an index that has the alias for writes but cannot be written to."""
    return (
        f"{index} was removed, or this service did not make it (it lacks the alias {own_alias(index)}): "
        "remove the alias for writes from it, see 'conversations status'"
    )


async def holders(client: Client, *aliases: str) -> dict[str, frozenset[str]]:
    """The indices behind these aliases, each with all of its aliases. It is empty if no alias exists.

    The request names the aliases as indices, because then users with rights only to these indices may send it.
    """
    with translated(alias=aliases[0]):
        try:
            found = await client.indices.get_alias(index=",".join(aliases), params={"ignore_unavailable": "true"})
        except NotFoundError:
            return {}
    return {name: frozenset(held.get("aliases", {})) for name, held in found.items()}


@dataclass(frozen=True, slots=True)
class Looked:
    """The indices to write to, the one that is read first, and the event loop's time when the alias was read."""

    names: tuple[str, ...]
    at: float


class Targets:
    """The write targets of one alias. They are read again after half a `lease` (in seconds)."""

    def __init__(self, client: Client, alias: str, *, lease: float) -> None:
        self._client = client
        self._alias = alias
        self.lease = lease
        self._looked: Looked | None = None

    async def look(self, *, again: bool = False) -> Looked:
        """The write targets. Raises WriteFailed if there is no index to write to."""
        now = asyncio.get_running_loop().time()
        if again or self._looked is None or now - self._looked.at > self.lease / 2:
            self._looked = Looked(await self._ask(), now)
        return self._looked

    def is_current(self, looked: Looked) -> bool:
        """Whether the alias was read within the last lease."""
        return asyncio.get_running_loop().time() - looked.at <= self.lease

    async def _ask(self) -> tuple[str, ...]:
        found = await holders(self._client, self._alias, writes_alias(self._alias))
        read = [name for name, held in found.items() if self._alias in held]
        others = sorted(name for name, held in found.items() if writes_alias(self._alias) in held)
        names = tuple(dict.fromkeys([*read, *others]))
        if len(read) > 1:
            raise SearchUnavailable(
                f"{self._alias} points to several indices: remove it from all but one, see 'conversations status'"
            ).for_operators()
        if not read:
            raise WriteIndexMissing(
                f"{self._alias} does not exist in OpenSearch: create it with 'conversations create'"
            )
        for name in names:
            if own_alias(name) not in found[name]:
                raise WriteFailed(foreign(name))
        return names


class Only:
    """One given index, for a backfill. The alias for writes does not matter."""

    def __init__(self, name: str) -> None:
        self._names = (name,)

    async def look(self, *, again: bool = False) -> Looked:
        if again:
            raise WriteFailed(f"{self._names[0]} was removed")
        return Looked(self._names, asyncio.get_running_loop().time())

    def is_current(self, looked: Looked) -> bool:
        return looked.names == self._names
