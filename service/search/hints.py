"""Where a rank lay when its key was last counted: spares a deep page the one count over all that matches.

A hint is never believed. The page counts, in its own point in time, what stands before the place that the hint names
and what stands in it; only if the rank is really there does it go on from there, else it descends from the top. So a
hint may be of any age; it costs a little when it is wrong.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections import OrderedDict
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

Clause = dict[str, Any]

REMEMBERED = 256  # of at most about 20 kB each


@dataclass(frozen=True, slots=True)
class Place:
    """A range of the first key: the clause for what stands in it, and for what stands before it in the order."""

    field: str
    clause: Clause
    before: Clause


@dataclass(frozen=True, slots=True)
class Hint:
    """Buckets in their order: their lower ends, and how many documents stood up to and with each."""

    field: str
    width: int
    descending: bool
    is_date: bool
    lows: array[int]
    upto: array[int]

    @classmethod
    def of(cls, field: str, width: int, descending: bool, is_date: bool, found: dict[int, int]) -> Hint:
        lows = sorted(found, reverse=descending)
        return cls(
            field, width, descending, is_date, array("q", lows), array("q", accumulate(found[low] for low in lows))
        )

    def place(self, offset: int, size: int) -> Place | None:
        """The bucket of this rank and one more on either side; None where it stood among those without a value."""
        if not self.upto or offset + size > self.upto[-1]:
            return None
        first = max(bisect_right(self.upto, offset) - 1, 0)
        last = min(bisect_right(self.upto, offset + size - 1) + 1, len(self.lows) - 1)
        ends = sorted((self.lows[first], self.lows[last]))
        low, high = ends[0], ends[1] + 2**self.width
        unit = {"format": "epoch_millis"} if self.is_date else {}
        before = {"gte": high} if self.descending else {"lt": low}
        return Place(
            self.field,
            {"range": {self.field: {"gte": low, "lt": high, **unit}}},
            {"range": {self.field: {**before, **unit}}},
        )


class Hints:
    """The hints of the queries that were asked last."""

    def __init__(self) -> None:
        self._known: OrderedDict[bytes, Hint] = OrderedDict()

    def get(self, key: bytes) -> Hint | None:
        return self._known.get(key)

    def put(self, key: bytes, hint: Hint) -> None:
        self._known[key] = hint
        self._known.move_to_end(key)
        if len(self._known) > REMEMBERED:
            self._known.popitem(last=False)
