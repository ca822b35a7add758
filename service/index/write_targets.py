"""Which indices must be written: the one that is read, and beside it the one of a reindex or of a rollback.

The cluster knows, by an alias: `<alias>_writes` stands on every index that must receive writes. A writer looks at it
at most half a lease before it sends, and acknowledges a write only if it has looked at it at most a lease before. So
who changes the alias and then waits for a lease knows that every write acknowledged from then on is in all of them.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from opensearchpy.exceptions import NotFoundError

from service.client import Client, translated
from service.errors import SearchUnavailable, WriteFailed


def writes_alias(alias: str) -> str:
    return f"{alias}_writes"


def own_alias(index: str) -> str:
    """The index's alias of its own. A write that requires an alias cannot make an index by mistake."""
    return f"{index}_own"


def foreign(index: str) -> str:
    """Why an index that a write target's alias points to cannot be written."""
    return (
        f"{index} was removed, or this service did not make it (it lacks the alias {own_alias(index)}): "
        "remove the alias for writes from it, see 'conversations status'"
    )


async def holders(client: Client, *aliases: str) -> dict[str, frozenset[str]]:
    """The indices behind these aliases, and all the aliases that each has; none where none of them is there.

    Asked by index and not by name of alias: a user with rights to nothing but these indices may ask that.
    """
    with translated(alias=aliases[0]):
        try:
            found = await client.indices.get_alias(index=",".join(aliases), params={"ignore_unavailable": "true"})
        except NotFoundError:
            return {}
    return {name: frozenset(held.get("aliases", {})) for name, held in found.items()}


@dataclass(frozen=True, slots=True)
class Looked:
    """The names to write to, the index that is read first, and when the cluster was asked (the loop's time)."""

    names: tuple[str, ...]
    at: float


class Targets:
    """The targets of one alias, asked for at most every half `lease` (in seconds)."""

    def __init__(self, client: Client, alias: str, *, lease: float) -> None:
        self._client = client
        self._alias = alias
        self.lease = lease
        self._looked: Looked | None = None

    async def look(self, *, again: bool = False) -> Looked:
        """Raises WriteFailed where there is no index to write to."""
        now = asyncio.get_running_loop().time()
        if again or self._looked is None or now - self._looked.at > self.lease / 2:
            self._looked = Looked(await self._ask(), now)
        return self._looked

    def is_current(self, looked: Looked) -> bool:
        """Whether what was seen then may still be relied upon now."""
        return asyncio.get_running_loop().time() - looked.at <= self.lease

    async def _ask(self) -> tuple[str, ...]:
        found = await holders(self._client, self._alias, writes_alias(self._alias))
        read = [name for name, held in found.items() if self._alias in held]
        others = sorted(name for name, held in found.items() if writes_alias(self._alias) in held)
        names = tuple(dict.fromkeys([*read, *others]))
        if len(read) > 1:
            raise SearchUnavailable(
                f"{self._alias} points to several indices: leave it one, see 'conversations status'"
            )
        if not read:
            raise WriteFailed(f"{self._alias} does not exist in OpenSearch: create it with 'conversations create'")
        for name in names:
            if own_alias(name) not in found[name]:
                raise WriteFailed(foreign(name))
        return names


class Only:
    """One index, whatever the cluster says: for a backfill."""

    def __init__(self, name: str) -> None:
        self._names = (name,)

    async def look(self, *, again: bool = False) -> Looked:
        if again:
            raise WriteFailed(f"{self._names[0]} was removed")
        return Looked(self._names, asyncio.get_running_loop().time())

    def is_current(self, looked: Looked) -> bool:
        return looked.names == self._names
