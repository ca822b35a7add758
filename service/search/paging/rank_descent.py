"""Rank descent: finds the conversations at some ranks of an order by counting, at about a first page's cost.

To reach rank k, count the matching documents in buckets of the first key, find the bucket that holds rank k, and go on
inside it: finer buckets of the same key, then the next key, until so few documents remain that sorting them is cheap.
What was counted is remembered (remembered.py), so that the next page of the same query begins near its place.

Round trips of a page: a point in time, at most one count a step, and one slice (or up to three side by side, where the
page crosses buckets). A date has 4 steps (5 where the dates span more than 250 years), a status 1, relevance one for
each factor of 16 in its possible scores, a subject 12 and then about two for each factor of 60 among those that agree
so far, the uid 16. A million conversations take one or two counts for dates and three to five for subjects.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace

from service.client.responses import unusable
from service.search.paging.buckets import Bucket
from service.search.paging.order import Key
from service.search.paging.remembered import CountedBuckets
from service.search.paging.slices import Slice, crossing, nearer
from service.search.paging.steps import Counter, TooManyBuckets
from service.search.subject_clauses import Clause


@dataclass(frozen=True, slots=True)
class Windows:
    """Where one way of paging gives way to the other, in documents; measured in docs/performance.md.

    By the dearest key of the order: up to this rank, from either end, from/size is quicker than a descent. They differ
    since from/size keeps that many sort values in a heap, texts being the dearest. `slice`: so few documents are
    sorted at once in the end.
    """

    dates: int = 8_000
    numbers: int = 6_000
    texts: int = 2_000
    scores: int = 2_000
    slice: int = 4_000

    def plain(self, keys: tuple[Key, ...]) -> int:
        limits = {"date": self.dates, "number": self.numbers, "text": self.texts, "score": self.scores}
        return min(limits[key.weight] for key in keys if not key.is_tie_break)


@dataclass(frozen=True, slots=True)
class Plan:
    """The exact total, the slices that make up the page, in order, and how many counts it took to find them.

    `counted` is for the next page of the same query.
    """

    total: int
    slices: tuple[Slice, ...]
    counts: int
    counted: CountedBuckets
    was_remembered: bool


async def descend(
    counter: Counter,
    keys: tuple[Key, ...],
    offset: int,
    size: int,
    *,
    windows: Windows,
    remembered: CountedBuckets | None = None,
) -> Plan:
    """Finds the documents with the ranks offset .. offset + size - 1, counted from 0."""
    way = _Way(counter, keys, windows, offset, size)
    slices = await way.begin_at(remembered) if remembered is not None else None
    was_remembered = way.total is not None
    if not was_remembered:  # also where the index has changed since: from the top
        requests = way.requests
        way = _Way(counter, keys, windows, offset, size)
        way.requests = requests
    while slices is None:
        slices = await way.step()
    if way.total is None or way.counted is None:
        raise AssertionError("a descent counts everything first")
    return Plan(way.total, slices, way.requests, way.counted, was_remembered)


class _Way:
    """Where a descent stands: `offset` is the rank among the documents that `narrowing` leaves.

    These are equal by all keys of the order that are not in `keys`; `steps` are those that remain of the first key.
    """

    def __init__(self, counter: Counter, keys: tuple[Key, ...], windows: Windows, offset: int, size: int) -> None:
        self._counter, self._all_keys, self._windows = counter, keys, windows
        self._offset, self._size = offset, size
        self._keys, self._steps = keys, keys[0].steps
        self._narrowing: dict[str, Clause] = {}
        self._belongs: tuple[CountedBuckets, int] | None = None  # the bucket in which the next step counts
        self.counted: CountedBuckets | None = None
        self.requests = 0
        self.total: int | None = None

    async def begin_at(self, remembered: CountedBuckets) -> tuple[Slice, ...] | None:
        """Goes where the remembered counts say that the page is, if that is true now; else `total` stays unknown."""
        place = remembered.place(self._offset, self._size, small=self._windows.slice)
        if place is None:
            return None
        self.requests += 1
        around = tuple(place.narrowing.values())
        total, before, *counts = await asyncio.gather(
            self._counter.total(()),
            _none() if place.before is None else self._counter.total((place.before,)),
            *(self._counter.total((*around, bucket.clause)) for bucket in place.buckets),
        )
        size = min(self._size, total - self._offset)
        if size > 0 and not before <= self._offset <= self._offset + size <= before + sum(counts):
            return None
        self.total, self._size, self.counted = total, size, remembered
        self._offset -= before
        self._narrowing, self._keys = dict(place.narrowing), self._keys[place.fixed :]
        buckets = [replace(bucket, count=count) for bucket, count in zip(place.buckets, counts, strict=True) if count]
        self._steps = place.steps
        slices, self._belongs = self._enter(buckets, None), place.at
        return slices

    async def step(self) -> tuple[Slice, ...] | None:
        """Counts once. Returns the slices of the page as soon as they are known."""
        self.requests += 1
        step, *rest = self._steps
        try:
            buckets = await step.ask(self._counter, tuple(self._narrowing.values()), tuple(rest))
        except TooManyBuckets:
            self._steps = (step.coarser(), *self._steps)
            return None
        counted = CountedBuckets.of(step, tuple(rest), buckets)
        if self._belongs is not None:
            node, at = self._belongs
            node.inside[at] = counted
        if self.total is None:
            self.counted, self.total = counted, sum(bucket.count for bucket in buckets)
            self._size = min(self._size, self.total - self._offset)
            if self._size > 0:
                near = nearer((), self._offset, self._size, count=self.total)
                if near.start + near.size <= self._windows.plain(self._all_keys):
                    return (near,)
        return self._enter(buckets, counted)

    def _enter(self, buckets: list[Bucket], counted: CountedBuckets | None) -> tuple[Slice, ...] | None:
        """Goes into the bucket that holds the page. Returns the slices of the page if they are known then."""
        if self._size <= 0:
            return ()
        at, self._offset = _find(buckets, self._offset)
        bucket = buckets[at]
        self._belongs = None if counted is None else (counted, at)
        if self._offset + self._size > bucket.count:
            narrowing = tuple(self._narrowing.values())
            return crossing(narrowing, buckets[at:], self._offset, self._size, steps=self._steps, fixed=self._fixed)
        self._narrowing[bucket.column.name] = bucket.clause
        self._steps = bucket.inside
        if not bucket.inside:
            self._keys = self._keys[1:]
            self._steps = self._keys[0].steps if self._keys else ()
        if bucket.count > self._windows.slice:
            return None
        return (
            nearer(tuple(self._narrowing.values()), self._offset, self._size, count=bucket.count, fixed=self._fixed),
        )

    @property
    def _fixed(self) -> int:
        return len(self._all_keys) - len(self._keys)


async def _none() -> int:
    return 0


def _find(buckets: list[Bucket], offset: int) -> tuple[int, int]:
    """Which bucket holds this rank, and its rank in there."""
    for at, bucket in enumerate(buckets):
        if offset < bucket.count:
            return at, offset
        offset -= bucket.count
    raise unusable("its counts add up to less than its total")
