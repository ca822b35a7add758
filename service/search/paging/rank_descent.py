"""Rank descent: finds the conversations at some ranks of an order by counting, at about a first page's cost.

To reach rank k, count the matching documents in buckets of the first key, find the bucket that holds rank k, and go on
inside it: finer buckets of the same key, then the next key, until so few documents remain that sorting them is cheap.
The counts are remembered (counted_buckets.py), so that the next page of the same query needs fewer of them.

Round trips of a page: a point in time, at most one count for each step, and one slice (or up to three in parallel, if
the page crosses buckets). A date has 4 steps (5 if the dates span more than 1,100 years), a status 1, and the uid 16.
Relevance has one for each factor of 16 in the number of its possible scores. A subject has 12, and then about two for
each factor of 60 in the number of subjects that begin alike. A million conversations take one or two counts for dates
and three to five for subjects.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace

from service.client.responses import unusable
from service.query.conversation_query import ConversationQuery
from service.search.clauses import Clause
from service.search.paging.buckets import Bucket, Counter
from service.search.paging.counted_buckets import CountedBuckets, Place
from service.search.paging.order import Key, Weight, weight_of
from service.search.paging.sampling import Sample, Sampling, count, place_in, take
from service.search.paging.slices import Slice, crossing, nearer
from service.search.paging.steps import for_few

Known = CountedBuckets | Sample
"""What an earlier page of the same query counted."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Up to which rank, from either end, from/size is faster than a descent (docs/performance.md).

    The slowest kind of key in the order decides, because from/size keeps the sort values of all these ranks in a heap.
    `slice` is how many documents are sorted at once at the end of a descent.
    """

    dates: int = 4_000
    numbers: int = 500
    texts: int = 500
    scores: int = 500
    slice: int = 4_000
    sampling: Sampling = field(default_factory=Sampling)

    def plain(self, keys: tuple[Key, ...]) -> int:
        """The last rank that from/size reaches, in an order with these keys."""
        return min(self._of(key.weight) for key in keys if not key.is_tie_break)

    def is_deep(self, query: ConversationQuery) -> bool:
        """Whether the page is beyond that rank."""
        sorts = (query.sort, *query.then)
        return query.offset + query.per_page > min(self._of(weight_of(sort)) for sort in sorts)

    def _of(self, weight: Weight) -> int:
        return {"date": self.dates, "number": self.numbers, "text": self.texts, "score": self.scores}[weight]


@dataclass(frozen=True, slots=True)
class Plan:
    """The exact total, and the slices that make up the page, in order.

    `known` are the counts with which the next page of the same query may begin.
    """

    total: int
    slices: tuple[Slice, ...]
    known: Known | None
    was_remembered: bool = False


async def descend(
    counter: Counter,
    keys: tuple[Key, ...],
    offset: int,
    size: int,
    *,
    windows: Windows,
    remembered: Known | None = None,
) -> Plan:
    """Finds the documents with the ranks offset .. offset + size - 1, counted from 0."""
    known, total = remembered, None
    if known is None:
        known = await take(counter, keys, windows.sampling)
        total = known.total
        if (near := _near(offset, size, total, windows.plain(keys))) is not None:
            return Plan(total, near, None)
    descent = _Descent(counter, keys, windows, offset, size)
    place = await _place(counter, keys, range(offset, offset + size), windows, known)
    is_counted = isinstance(known, CountedBuckets)
    slices = await descent.begin_at(place, total, is_counted=is_counted) if place is not None else None
    was_there = descent.total is not None
    if not was_there:  # the index has changed since, or the sample was wrong: count everything
        descent, known = _Descent(counter, keys, windows, offset, size), None
    while slices is None:
        slices = await descent.step()
    if descent.total is None:
        raise AssertionError("a descent counts everything first")
    return Plan(descent.total, slices, known or descent.counted, was_there and remembered is not None)


async def _place(counter: Counter, keys: tuple[Key, ...], ranks: range, windows: Windows, known: Known) -> Place | None:
    if isinstance(known, CountedBuckets):
        return known.place(ranks.start, len(ranks), small=windows.slice)
    if known.counted.total < windows.sampling.least:
        return None
    return await place_in(known, counter, keys, ranks, sampling=windows.sampling, slice_size=windows.slice)


def _near(offset: int, size: int, total: int, window: int) -> tuple[Slice, ...] | None:
    """The page as one slice of everything, if it is within the window from either end."""
    size = min(size, total - offset)
    if size <= 0:
        return ()
    near = nearer((), offset, size, count=total)
    return (near,) if near.start + near.size <= window else None


class _Descent:
    """The state of a descent: `offset` is the rank among the documents that match `narrowing`.

    These are equal by all keys of the order that are not in `keys`; `steps` are the remaining steps of the first key.
    """

    def __init__(self, counter: Counter, keys: tuple[Key, ...], windows: Windows, offset: int, size: int) -> None:
        self._counter, self._all_keys, self._windows = counter, keys, windows
        self._offset, self._size = offset, size
        self._keys, self._steps = keys, keys[0].steps
        self._narrowing: dict[str, Clause] = {}
        self._belongs: tuple[CountedBuckets, int] | None = None  # the bucket in which the next step counts
        self._ahead: CountedBuckets | None = None  # the counts of the next step, if they are known already
        self.counted: CountedBuckets | None = None
        self.total: int | None = None

    async def begin_at(self, place: Place, total: int | None, *, is_counted: bool) -> tuple[Slice, ...] | None:
        """Goes to the place where the page should be. If the page is not there, `self.total` stays None.

        `total` is how many documents there are, or None if that is not counted yet. `is_counted` means that the place
        comes from counts of all documents, to which further counts are added. A place from a sample is larger, so its
        inside is counted at once.
        """
        parts = place.before if total is not None else ((), *place.before)
        totals, counts = await asyncio.gather(
            asyncio.gather(*map(self._counter.total, parts)),
            self._counted(place) if is_counted else self._counted_inside(place),
        )
        if total is None:
            total, *totals = totals
        before = sum(totals)
        size = min(self._size, total - self._offset)
        if size > 0 and not before <= self._offset <= self._offset + size <= before + sum(counts):
            return None
        self.total, self._size = total, size
        self._offset -= before
        self._narrowing, self._keys = dict(place.narrowing), self._keys[place.fixed :]
        buckets = [replace(bucket, count=count) for bucket, count in zip(place.buckets, counts, strict=True) if count]
        self._steps = place.steps
        slices, self._belongs = self._enter(buckets, None), place.at if is_counted else None
        return slices

    async def _counted(self, place: Place) -> list[int]:
        around = place.narrowing.values()
        return await asyncio.gather(*(self._counter.total((*around, bucket.clause)) for bucket in place.buckets))

    async def _counted_inside(self, place: Place) -> list[int]:
        bucket, *others = place.buckets
        if others or not bucket.inside:
            return await self._counted(place)
        self._ahead = await count(self._counter, bucket.inside, (*place.narrowing.values(), bucket.clause))
        return [self._ahead.total]

    async def step(self) -> tuple[Slice, ...] | None:
        """Counts once. Returns the slices of the page as soon as they are known."""
        counted = self._ahead or await count(self._counter, self._steps, tuple(self._narrowing.values()))
        self._ahead = None
        if self._belongs is not None:
            node, at = self._belongs
            node.inside[at] = counted
        if self.total is None:
            self.counted, self.total = counted, counted.total
            self._size = min(self._size, self.total - self._offset)
            if (near := _near(self._offset, self._size, self.total, self._windows.plain(self._all_keys))) is not None:
                return near
        return self._enter(counted.buckets, counted)

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
            self._steps = for_few(self._steps, bucket.count)
            return None
        return (
            nearer(tuple(self._narrowing.values()), self._offset, self._size, count=bucket.count, fixed=self._fixed),
        )

    @property
    def _fixed(self) -> int:
        return len(self._all_keys) - len(self._keys)


def _find(buckets: list[Bucket], offset: int) -> tuple[int, int]:
    """The number of the bucket that holds this rank, and the rank within that bucket."""
    for at, bucket in enumerate(buckets):
        if offset < bucket.count:
            return at, offset
        offset -= bucket.count
    raise unusable("its buckets hold fewer documents than its total")
