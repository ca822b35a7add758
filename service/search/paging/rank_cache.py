"""A cache of the latest queries, with what makes their next page faster: see counted_buckets.py and near_pages.py."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

from service.search.paging.rank_descent import Known

REMEMBERED = 1024
BUDGET_BYTES = 16_000_000  # for all counts; 256 buckets take 6 kB, and 65,536 (the maximum) take 1.5 MB

SortValues = tuple[int | float | str | None, ...]


@dataclass(frozen=True, slots=True)
class Memory:
    """`known` are the counts of deep pages; `end` is where a near page ended, as the sort values of its last item."""

    known: Known | None = None
    end: SortValues | None = None

    @property
    def bytes(self) -> int:
        """The memory of the counts. That of the sort values is small, and not counted."""
        return self.known.bytes if self.known is not None else 0


class RankCache:
    """The memories of the latest queries, within a budget of bytes that includes the keys."""

    def __init__(self, *, budget: int = BUDGET_BYTES) -> None:
        self._known: OrderedDict[bytes, tuple[Memory, int]] = OrderedDict()
        self._budget = budget
        self.bytes = 0

    def get(self, key: bytes) -> Memory:
        """What is remembered of the query; an empty memory if nothing is."""
        found = self._known.get(key)
        if found is None:
            return Memory()
        self._known.move_to_end(key)
        return found[0]

    def put(self, key: bytes, memory: Memory) -> None:
        """Replaces what is remembered of the query. Counts that have grown since must be put again."""
        _memory, before = self._known.pop(key, (None, 0))
        size = len(key) + memory.bytes
        self._known[key] = (memory, size)
        self.bytes += size - before
        while self._known and (self.bytes > self._budget or len(self._known) > REMEMBERED):
            _oldest, (_memory, dropped) = self._known.popitem(last=False)
            self.bytes -= dropped
