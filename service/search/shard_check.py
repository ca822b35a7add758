"""Checks that an answer from several shards covers an organization's whole routing partition, in one index.

If the alias points to several indices, each of them answers, and every count is too high.
"""

from __future__ import annotations

from uuid import UUID

from service.client import Client
from service.client.responses import SearchAnswer
from service.errors import SearchUnavailable
from service.message_texts import counted


class ShardCheck:
    """Asks the cluster, after every answer from several shards, in how many indices and shards the organization is.

    An answer from one shard can only be from one index, so it needs no check. The number of shards of the previous
    index is remembered, because it may still have given an answer while the alias moved.
    """

    def __init__(self, client: Client, alias: str) -> None:
        self._client = client
        self._alias = alias
        self._now = self._before = 1

    async def check(self, answered: int, organization_uid: UUID) -> None:
        """Raises SearchUnavailable unless as many shards answered as the alias's one index has for the organization."""
        if answered == 1:
            return
        found: SearchAnswer = await self._client.search_shards(
            index=self._alias, params={"routing": str(organization_uid)}
        )
        indices = {copy.index for shard in found.copies for copy in shard}
        if len(indices) == 1:
            if len(found.copies) != self._now:
                self._now, self._before = len(found.copies), self._now
            if answered in (self._now, self._before):
                return
        raise SearchUnavailable(
            f"{counted(answered, 'shard')} answered where an organization is in {_expected(indices, found)}: "
            "the alias may point to several indices, see 'conversations doctor'"
        ).for_operators()


def _expected(indices: set[str], found: SearchAnswer) -> str:
    expected = len(found.copies) // max(1, len(indices))
    return "one shard" if expected == 1 else counted(expected, "shard")
