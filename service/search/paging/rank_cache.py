"""Caches the counts of deep pages, so that the next page of the same query need not count all matches again.

Cached counts are always checked. The page counts, in its own point in time, the documents before the cached place and
in it. If the rank is there, the descent continues from this place; otherwise it begins anew. So cached counts may be of
any age, and wrong ones only cost a little time.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate

from service.search.subject_clauses import Clause

Bounds = Mapping[str, int | str]
"""Bounds of a range by operator (gte, gt, lte, lt), and the format of its dates."""

REMEMBERED = 1024
BUDGET_BYTES = 16_000_000  # for all counts; 256 buckets take 4 kB, and 65,536 (the maximum) take 1 MB


@dataclass(frozen=True, slots=True)
class Place:
    """A range of the first key: the clauses for the documents in it, and for those before it in the order."""

    field: str
    clause: Clause
    before: Clause


@dataclass(frozen=True, slots=True)
class CachedCounts:
    """Buckets in order: their lower ends, and the number of documents up to the end of each."""

    field: str
    width: int
    descending: bool
    is_date: bool
    lows: array[int]
    upto: array[int]

    @classmethod
    def of(cls, field: str, width: int, descending: bool, is_date: bool, found: dict[int, int]) -> CachedCounts:
        lows = sorted(found, reverse=descending)
        return cls(
            field, width, descending, is_date, array("q", lows), array("q", accumulate(found[low] for low in lows))
        )

    @property
    def bytes(self) -> int:
        """The memory that the arrays take."""
        return (len(self.lows) + len(self.upto)) * self.lows.itemsize

    def place(self, offset: int, size: int) -> Place | None:
        """The bucket of this rank and one on each side; None if the rank is among the documents without a value."""
        if not self.upto or offset + size > self.upto[-1]:
            return None
        first = max(bisect_right(self.upto, offset) - 1, 0)
        last = min(bisect_right(self.upto, offset + size - 1) + 1, len(self.lows) - 1)
        ends = sorted((self.lows[first], self.lows[last]))
        low, high = ends[0], ends[1] + 2**self.width
        unit: Bounds = {"format": "epoch_millis"} if self.is_date else {}
        before: Bounds = {"gte": high} if self.descending else {"lt": low}
        return Place(
            self.field,
            {"range": {self.field: {"gte": low, "lt": high, **unit}}},
            {"range": {self.field: {**before, **unit}}},
        )


class RankCache:
    """The counts of the latest queries, within a budget of bytes that includes the keys."""

    def __init__(self, *, budget: int = BUDGET_BYTES) -> None:
        self._known: OrderedDict[bytes, CachedCounts] = OrderedDict()
        self._budget = budget
        self.bytes = 0

    def get(self, key: bytes) -> CachedCounts | None:
        found = self._known.get(key)
        if found is not None:
            self._known.move_to_end(key)
        return found

    def put(self, key: bytes, cached_counts: CachedCounts) -> None:
        before = self._known.pop(key, None)
        if before is not None:
            self.bytes -= len(key) + before.bytes
        self._known[key] = cached_counts
        self.bytes += len(key) + cached_counts.bytes
        while self._known and (self.bytes > self._budget or len(self._known) > REMEMBERED):
            oldest, dropped = self._known.popitem(last=False)
            self.bytes -= len(oldest) + dropped.bytes
