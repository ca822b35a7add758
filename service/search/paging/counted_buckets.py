"""Counts of earlier pages, as a tree: the buckets of one step, and in some of them the buckets of a further step.

A tree finds a place: the range of the order that probably holds the ranks of a page. The caller then counts the
documents before the place and in it, in the state of the index that the page is read from. So a tree may be out of
date: a wrong place costs time, but the page is right.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from service.search.clauses import Clause
from service.search.paging.buckets import Bounds, Bucket, Step, bounds_before, bounds_behind, together

Ends = tuple[Bounds, Bounds]
BYTES_OF_A_TEXT = 500  # the two ends of a bucket of texts, about


class NumberEnds:
    """The ends of buckets of numbers, from `gte` to below `lt`, in two arrays."""

    def __init__(self, ends: Iterable[Ends]) -> None:
        self._lows, self._highs = array("q"), array("q")
        for lower, upper in ends:
            self._lows.append(int(lower["gte"]))
            self._highs.append(int(upper["lt"]))
        self.bytes = 2 * len(self._lows) * self._lows.itemsize

    def __len__(self) -> int:
        return len(self._lows)

    def __getitem__(self, at: int) -> Ends:
        return {"gte": self._lows[at]}, {"lt": self._highs[at]}


class TextEnds:
    """The ends of buckets of texts."""

    def __init__(self, ends: Iterable[Ends]) -> None:
        self._ends = list(ends)
        self.bytes = len(self._ends) * BYTES_OF_A_TEXT

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, at: int) -> Ends:
        return self._ends[at]


@dataclass(frozen=True, slots=True)
class Place:
    """`buckets` are neighbours inside `narrowing`. The parts of `before` are the documents before them.

    No document is in two parts. Each part is counted alone, because OpenSearch counts their union much more slowly.

    All documents of `narrowing` are equal by the first `fixed` keys, and `steps` count inside. `at` is the position of
    the bucket in the tree, if there is only one bucket and its inside must be counted.
    """

    narrowing: Mapping[str, Clause]
    buckets: tuple[Bucket, ...]
    before: tuple[tuple[Clause, ...], ...]
    steps: tuple[Step, ...]
    fixed: int
    at: tuple[CountedBuckets, int] | None


@dataclass(slots=True)
class CountedBuckets:
    """The buckets of a step in their order: their ends, and the number of documents up to the end of each.

    Documents without a value are one bucket more, after these.
    """

    step: Step
    rest: tuple[Step, ...]
    ends: NumberEnds | TextEnds
    upto: array[int]
    inside: dict[int, CountedBuckets] = field(default_factory=dict)

    @classmethod
    def of(cls, step: Step, rest: tuple[Step, ...], buckets: Sequence[Bucket]) -> CountedBuckets:
        bounds = [(bucket.lower, bucket.upper) for bucket in buckets if not bucket.is_without_value]
        ends = NumberEnds(bounds) if step.is_of_numbers else TextEnds(bounds)
        return cls(step, rest, ends, array("q", accumulate(bucket.count for bucket in buckets)))

    @property
    def total(self) -> int:
        """How many documents were counted."""
        return self.upto[-1] if self.upto else 0

    @property
    def buckets(self) -> list[Bucket]:
        return [self.bucket(at) for at in range(len(self.upto))]

    @property
    def bytes(self) -> int:
        """The memory that the counts take, here and inside."""
        own = self.ends.bytes + len(self.upto) * self.upto.itemsize
        return own + sum(one.bytes for one in self.inside.values())

    def place(self, offset: int, size: int, *, small: int) -> Place | None:
        """The place of the ranks from `offset` on, by the remembered counts; None if they end before `offset`.

        Neighbouring buckets with at most `small` documents together become one.
        """
        node, narrowing, before, fixed = self, dict[str, Clause](), dict[str, tuple[Clause, ...]](), 0
        while node.upto and offset < node.upto[-1]:
            first = bisect_right(node.upto, offset)
            last = min(bisect_right(node.upto, offset + size - 1), len(node.upto) - 1)
            if first < last or first not in node.inside:
                around = {f"around {name}": clause for name, clause in narrowing.items()}
                buckets, at = node._candidates(first, last, small)
                before |= _in_front(buckets[0], narrowing)
                return Place(around, tuple(buckets), tuple(before.values()), node._steps, fixed, at)
            bucket = node.bucket(first)
            before |= _in_front(bucket, narrowing)
            narrowing[bucket.column.name] = bucket.clause
            fixed += not bucket.inside
            offset -= node.start(first)
            node = node.inside[first]
        return None

    def _candidates(self, first: int, last: int, small: int) -> tuple[list[Bucket], tuple[CountedBuckets, int] | None]:
        wide = (max(first - 1, 0), min(last + 1, len(self.upto) - 1))
        if self.upto[wide[1]] - self.start(wide[0]) <= small:
            return self._as_one(*wide), None
        if first == last:
            return [self.bucket(first)], (self, first)
        return self._apart(first, last), None

    @property
    def _steps(self) -> tuple[Step, ...]:
        return (self.step, *self.rest)

    def start(self, at: int) -> int:
        """How many documents are before the bucket."""
        return self.upto[at - 1] if at else 0

    def bucket(self, at: int) -> Bucket:
        """The bucket as it was counted."""
        count = self.upto[at] - self.start(at)
        if at == len(self.ends):
            return Bucket(self.step.column, count, {}, {}, is_without_value=True)
        lower, upper = self.ends[at]
        return Bucket(self.step.column, count, lower, upper, self.step.inside(lower, upper, self.rest))

    def _apart(self, first: int, last: int) -> list[Bucket]:
        """The first and the last of these buckets, and everything that is now between the two."""
        one, other = self.bucket(first), self.bucket(last)
        count = self.upto[last] - self.upto[first] - other.count
        behind, before = bounds_behind(one), bounds_before(other)
        lower, upper = (before, behind) if self.step.column.descending else (behind, before)
        return [one, self._merged(count, lower, upper), other]

    def _as_one(self, first: int, last: int) -> list[Bucket]:
        """Joins these buckets into one. At an end of the order it has no bound, so it includes new documents there."""
        merged = together([self.bucket(at) for at in range(first, last + 1)], self._steps)
        if merged[0].is_without_value:
            return merged
        valued, *others = merged
        is_open = (first == 0, last >= len(self.ends) - 1)
        open_below, open_above = is_open[::-1] if self.step.column.descending else is_open
        lower, upper = {} if open_below else valued.lower, {} if open_above else valued.upper
        return [self._merged(valued.count, lower, upper), *others]

    def _merged(self, count: int, lower: Bounds, upper: Bounds) -> Bucket:
        return Bucket(self.step.column, count, lower, upper, (self.step.within(lower, upper), *self.rest))


def _in_front(bucket: Bucket, narrowing: Mapping[str, Clause]) -> dict[str, tuple[Clause, ...]]:
    """The part of `before` for this bucket, by its column. It replaces the part for a coarser bucket of the column."""
    if bucket.before is None:
        return {}
    name = bucket.column.name
    return {name: (*(clause for other, clause in narrowing.items() if other != name), bucket.before)}
