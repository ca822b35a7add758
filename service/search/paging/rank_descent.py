"""Page number -> plan. Near pages are from/size; deep ones are found by rank descent, at about a first page's cost.

To reach rank k, count the matching documents in buckets of the first sort key, find the bucket that holds rank k, and
descend into it: finer buckets of the same key, then the next key, until so few remain that sorting them is cheap. All
keys are numbers and all buckets powers of two wide, so a histogram counts them exactly (its arithmetic is in doubles,
of 53 bits); only subjects that agree in their first 24 bytes are parted at sampled subjects instead.

Round trips of a page: a point in time, at most one count a step, and one slice (or up to three side by side, where the
page crosses buckets). The steps of a date are 4 (5 where the dates span more than 250 years), of a status 1, of a
subject 12 and then about two for each factor of 60 among those that agree so far, of the uid 16. A million
conversations take one or two counts for dates and three to five for subjects.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Protocol

from service.client.responses import unusable
from service.errors import SearchUnavailable
from service.query.conversation_query import Sort
from service.query.fields import DEEP_FIELDS, FIELDS_BY_NAME, SORT_KEYS
from service.search.compiler import missing
from service.search.paging.rank_cache import Bounds, CachedCounts
from service.search.subject_clauses import Clause

DATE_WIDTHS = (27, 19, 11, 0)  # 37 hours, 9 minutes, 2 seconds, 1 millisecond
WIDEST_DATE = 33  # 99 days: 36 700 buckets for all the years from 1 to 9999
PREFIX_WIDTHS = (32, 16, 0)  # two bytes of UTF-8 a step
NAME_SORTS = frozenset(name for name in DEEP_FIELDS if FIELDS_BY_NAME[name].kind == "choice")
UID_WIDTHS = (40, 32, 24, 16, 8, 0)
SUBJECT_PREFIXES = tuple(f"order.subject_{number}" for number in range(1, 5))
UID_PARTS = (("order.uid_1", UID_WIDTHS), ("order.uid_2", UID_WIDTHS), ("order.uid_3", UID_WIDTHS[2:]))


@dataclass(frozen=True, slots=True)
class Windows:
    """Where one way of paging gives way to the other, in documents; measured in docs/performance.md.

    `dates`, `names`, `subject`: up to this rank, from either end, from/size is quicker than a descent. They differ
    since from/size keeps that many sort values in a heap, texts being the dearest. `slice`: so few documents are
    sorted at once in the end.
    """

    dates: int = 8_000
    names: int = 6_000
    subject: int = 2_000
    slice: int = 4_000

    def plain(self, sort: Sort) -> int:
        if sort.field == "subject":
            return self.subject
        return self.names if sort.field in NAME_SORTS else self.dates


class TooManyBuckets(Exception):
    """More buckets than the cluster counts at once (search.max_buckets): count coarser ones."""


class Counter(Protocol):
    """What a descent asks of OpenSearch: over the same query and the same state of the index each time."""

    async def histogram(self, narrowing: Sequence[Clause], field: str, width: int) -> tuple[int, dict[int, int]]:
        """How many documents there are, and how many in each bucket, by its lower end. Raises TooManyBuckets."""

    async def total(self, narrowing: Sequence[Clause]) -> int:
        """How many documents there are."""

    async def sample(self, narrowing: Sequence[Clause], field: str) -> list[str]:
        """The field's values in some documents, taken at random."""

    async def counts(self, narrowing: Sequence[Clause], clauses: Sequence[Clause]) -> list[int]:
        """How many documents each clause leaves."""


class Next(Enum):
    """Where a descent goes on inside a bucket."""

    STEP = "the next step"
    SAME = "the same step again"
    TIES = "the tie-breaks"


@dataclass(frozen=True, slots=True)
class Bucket:
    """Documents that stand together in the order: between two bounds of a field, or all without a value."""

    field: str
    count: int
    lower: Bounds
    upper: Bounds
    next: Next = Next.STEP

    @property
    def clause(self) -> Clause:
        if self.next is Next.TIES:
            return missing(self.field)
        return {"range": {self.field: {**self.lower, **self.upper}}}


@dataclass(frozen=True, slots=True)
class Numbers:
    """One count of a numeric key, in buckets 2 ** width wide. Raises TooManyBuckets where `coarser` is not set."""

    field: str
    descending: bool
    width: int
    is_date: bool = False
    coarser: int | None = None

    async def ask(self, counter: Counter, narrowing: Sequence[Clause]) -> list[Bucket]:
        total, found = await counter.histogram(narrowing, self.field, self.width)
        unit: Bounds = {"format": "epoch_millis"} if self.is_date else {}
        buckets = [
            Bucket(self.field, found[low], {"gte": low, **unit}, {"lt": low + 2**self.width})
            for low in sorted(found, reverse=self.descending)
        ]
        if without := total - sum(found.values()):
            buckets.append(Bucket(self.field, without, {}, {}, Next.TIES))
        return buckets

    def cached_counts(self, buckets: list[Bucket]) -> CachedCounts:
        """What these buckets, counted over everything, tell for another time."""
        found = {int(bucket.lower["gte"]): bucket.count for bucket in buckets if bucket.next is not Next.TIES}
        return CachedCounts.of(self.field, self.width, self.descending, self.is_date, found)


@dataclass(frozen=True, slots=True)
class Texts:
    """One count of the subject's own key, parted at sampled values: each value a bucket, and each gap between two."""

    field: str
    descending: bool

    async def ask(self, counter: Counter, narrowing: Sequence[Clause]) -> list[Bucket]:
        values = sorted(set(await counter.sample(narrowing, self.field)))
        if not values:
            raise unusable("it has no values where it counted some")
        lowest, highest = self._gap(narrowing)
        bounds: list[tuple[Bounds, Bounds, Next]] = []
        lowers: list[Bounds] = [lowest, *({"gt": below} for below in values)]
        for lower, value in zip(lowers, values, strict=False):
            bounds.append((lower, {"lt": value}, Next.SAME))
            bounds.append(({"gte": value}, {"lte": value}, Next.STEP))
        bounds.append(({"gt": values[-1]}, highest, Next.SAME))
        buckets = [Bucket(self.field, 0, *bound) for bound in bounds]
        counts = await counter.counts(narrowing, [bucket.clause for bucket in buckets])
        counted = [replace(bucket, count=count) for bucket, count in zip(buckets, counts, strict=True) if count]
        return counted[::-1] if self.descending else counted

    def _gap(self, narrowing: Sequence[Clause]) -> tuple[Bounds, Bounds]:
        """The bounds of the gap that is parted once more, if it is one: its outermost buckets keep them."""
        for clause in narrowing:
            match clause:
                case {"range": {self.field: {**gap}}}:
                    return _bound("gt", gap), _bound("lt", gap)
        return {}, {}


def _bound(operator: str, gap: Mapping[object, object]) -> Bounds:
    return {operator: str(gap[operator])} if operator in gap else {}


Step = Numbers | Texts


def primary_steps(sort: Sort) -> list[Step]:
    field = SORT_KEYS[sort.field]
    if sort.field == "subject":
        return [
            *(Numbers(prefix, sort.descending, width) for prefix in SUBJECT_PREFIXES for width in PREFIX_WIDTHS),
            Texts(field, sort.descending),
        ]
    if sort.field in NAME_SORTS:
        return [Numbers(field, sort.descending, 0)]
    return _date_steps(field, sort.descending)


def tie_steps(sort: Sort) -> list[Step]:
    uid: list[Step] = [Numbers(field, False, width) for field, widths in UID_PARTS for width in widths]
    return uid if sort.field == "updated_on" else [*_date_steps("updated_on", True), *uid]


def _date_steps(field: str, descending: bool) -> list[Step]:
    first, *finer = (Numbers(field, descending, width, is_date=True) for width in DATE_WIDTHS)
    return [replace(first, coarser=WIDEST_DATE), *finer]


@dataclass(frozen=True, slots=True)
class Slice:
    """`size` documents from `start` among those that `narrowing` leaves; from the far end where `reverse`."""

    narrowing: tuple[Clause, ...]
    start: int
    size: int
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """The exact total, the slices that make up the page, in order, and how many counts it took to find them."""

    total: int
    slices: tuple[Slice, ...]
    counts: int
    cached_counts: CachedCounts | None = None


async def descend(
    counter: Counter, sort: Sort, offset: int, size: int, *, windows: Windows, cached_counts: CachedCounts | None = None
) -> Plan:
    """Finds the documents with the ranks offset .. offset + size - 1, counted from 0.

    The plan carries the counts for the next page of the same query, where everything was counted.
    """
    steps = [*primary_steps(sort), *tie_steps(sort)]
    narrowing: dict[str, Clause] = {}
    total: int | None = None
    requests = 0
    if cached_counts is not None and (place := cached_counts.place(offset, size)) is not None:
        requests += 1
        everything, before, inside = await asyncio.gather(
            counter.total(()), counter.total((place.before,)), counter.total((place.clause,))
        )
        if before <= offset and offset + size <= before + inside:  # else the index has changed: from the top
            total = everything
            narrowing[place.field] = place.clause
            offset -= before
            if inside <= windows.slice:
                return Plan(everything, (_nearer((place.clause,), offset, size, inside),), requests)
    plan = await _from_here(counter, sort, offset, size, windows=windows, steps=steps, narrowing=narrowing, total=total)
    return replace(plan, counts=plan.counts + requests)


async def _from_here(
    counter: Counter,
    sort: Sort,
    offset: int,
    size: int,
    *,
    windows: Windows,
    steps: list[Step],
    narrowing: dict[str, Clause],
    total: int | None,
) -> Plan:
    """Descends through the steps among what `narrowing` leaves; without a `total`, that is everything."""
    requests = 0
    cached_counts: CachedCounts | None = None
    while True:
        requests += 1
        try:
            buckets = await steps[0].ask(counter, tuple(narrowing.values()))
        except TooManyBuckets:
            steps.insert(0, _coarser(steps[0]))
            continue
        if total is None and isinstance(steps[0], Numbers):
            cached_counts = steps[0].cached_counts(buckets)
        if total is None:
            total = sum(bucket.count for bucket in buckets)
            size = min(size, total - offset)
            if size <= 0:
                return Plan(total, (), requests, cached_counts)
            if (near := _nearer((), offset, size, total)).start + size <= windows.plain(sort):
                return Plan(total, (near,), requests, cached_counts)
        at, offset = _find(buckets, offset)
        bucket = buckets[at]
        if offset + size > bucket.count:
            return Plan(
                total, _crossing(tuple(narrowing.values()), buckets[at:], offset, size), requests, cached_counts
            )
        narrowing[bucket.field] = bucket.clause
        if bucket.count <= windows.slice:
            return Plan(
                total, (_nearer(tuple(narrowing.values()), offset, size, bucket.count),), requests, cached_counts
            )
        if bucket.next is Next.STEP:
            steps.pop(0)
        elif bucket.next is Next.TIES:
            steps = tie_steps(sort)


def _coarser(step: Step) -> Step:
    if not isinstance(step, Numbers) or step.coarser is None:
        raise SearchUnavailable("the cluster counts too few buckets at once: raise its search.max_buckets")
    return replace(step, width=step.coarser, coarser=None)


def _find(buckets: list[Bucket], offset: int) -> tuple[int, int]:
    """Which bucket holds this rank, and its rank in there."""
    for at, bucket in enumerate(buckets):
        if offset < bucket.count:
            return at, offset
        offset -= bucket.count
    raise unusable("its counts add up to less than its total")


def _nearer(narrowing: tuple[Clause, ...], start: int, size: int, count: int) -> Slice:
    """From whichever end of those documents is nearer."""
    behind = count - start - size
    return Slice(narrowing, min(start, behind), size, reverse=behind < start)


def _crossing(narrowing: tuple[Clause, ...], buckets: list[Bucket], inside: int, size: int) -> tuple[Slice, ...]:
    """The end of the first bucket, read backward; the next ones together; those without a value."""
    first, *rest = buckets
    slices = [Slice((*narrowing, first.clause), 0, first.count - inside, reverse=True)]
    size -= first.count - inside
    valued = [bucket for bucket in rest if bucket.next is not Next.TIES]
    for bucket in (*_together(valued, size), *(bucket for bucket in rest if bucket.next is Next.TIES)):
        if size > 0:
            slices.append(Slice((*narrowing, bucket.clause), 0, min(size, bucket.count)))
            size -= bucket.count
    return tuple(slices)


def _together(buckets: list[Bucket], size: int) -> list[Bucket]:
    """As many neighbouring buckets as hold `size` documents, as one."""
    needed: list[Bucket] = []
    for bucket in buckets:
        if sum(bucket.count for bucket in needed) >= size:
            break
        needed.append(bucket)
    if len(needed) < 2:
        return needed
    count = sum(bucket.count for bucket in needed)
    ends = (needed[0], needed[-1])
    low, high = ends if _is_ascending(*ends) else ends[::-1]
    return [Bucket(needed[0].field, count, low.lower, high.upper)]


def _is_ascending(one: Bucket, other: Bucket) -> bool:
    return _start(one) < _start(other)


def _start(bucket: Bucket) -> tuple[object, bool]:
    """Orders buckets of one field by their lower bound: without one, at it, behind it."""
    return bucket.lower.get("gte", bucket.lower.get("gt", "")), "gt" in bucket.lower
