"""Checks how many shards answer for an organization: one, or the routing partition of the index.

If more answer, the alias points to several indices, and every count would be too high.
"""

from __future__ import annotations

from uuid import UUID

from service.client import Client
from service.client.responses import SearchAnswer
from service.errors import SearchUnavailable
from service.message_texts import counted


class Spread:
    """Remembers the number for the index behind the alias, and for the one before it, which may still answer."""

    def __init__(self, client: Client, alias: str) -> None:
        self._client = client
        self._alias = alias
        self._known: tuple[int, ...] = (1,)

    async def check(self, answered: int, organization_uid: UUID) -> None:
        """Raises SearchUnavailable if another number of shards answered than there are for an organization."""
        if answered in self._known:
            return
        found: SearchAnswer = await self._client.search_shards(
            index=self._alias, params={"routing": str(organization_uid)}
        )
        indices = {copy.index for shard in found.copies for copy in shard}
        if len(indices) == 1 and answered == len(found.copies):
            self._known = (answered, self._known[0])
            return
        raise SearchUnavailable(
            f"{counted(answered, 'shard')} answered where an organization is in {_expected(indices, found)}: "
            "the alias may point to several indices, see 'conversations doctor'"
        )


def _expected(indices: set[str], found: SearchAnswer) -> str:
    expected = len(found.copies) // max(1, len(indices))
    return "one shard" if expected == 1 else counted(expected, "shard")
