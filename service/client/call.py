"""One call to OpenSearch, and whether it only reads."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace

from service.client import responses

_READS = frozenset({"_search", "_search/point_in_time", "_mget", "_count", "_analyze"})  # with POST
_SEARCHES = frozenset({"_search", "_count"})


@dataclass(frozen=True, slots=True)
class Call:
    """One call. It must have ended at `ends`, a time of the event loop's clock."""

    method: str
    url: str
    params: Mapping[str, object]
    body: bytes | None
    ends: float
    ignore: Collection[int]
    headers: Mapping[str, str] | None

    @property
    def kind(self) -> str:
        return responses.kind_of(self.url)

    @property
    def is_read(self) -> bool:
        return self.method in ("GET", "HEAD") or (self.method == "POST" and self.kind in _READS)

    @property
    def is_search(self) -> bool:
        """Whether the call searches shards. A node may hang in searches and still answer other calls."""
        return self.kind in _SEARCHES

    @property
    def anywhere(self) -> Call:
        """The same call without its preference: the preferred copy of a shard may be the one that does not answer."""
        return replace(self, params={name: value for name, value in self.params.items() if name != "preference"})
