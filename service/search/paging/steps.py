"""Steps: the ways to count the documents of a region in buckets, by one column."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar

from service.client.responses import unusable
from service.errors import SearchUnavailable
from service.search.clauses import Clause
from service.search.paging.buckets import Bounds, Bucket, Counter, FieldColumn, Step
from service.search.paging.tiers import EVERYTHING, Tiers

MOST_TIERS = 16  # buckets of scores in one request; each is a filter over all matches
WITHIN = 5  # bits: several neighbouring buckets are divided into 32 to 64
FEW = 4_000  # documents; they have at most as many buckets, whatever the width


@dataclass(frozen=True, slots=True)
class Numbers:
    """A count of a numeric column, in buckets 2 ** width wide. If they are too many, the `wider` ones are tried.

    `is_crowded` means that many values may be in few buckets, because many subjects begin with the same words.
    """

    column: FieldColumn
    width: int
    wider: tuple[int, ...] = ()
    is_crowded: bool = False
    is_of_numbers: ClassVar[bool] = True

    async def ask(self, counter: Counter, narrowing: Sequence[Clause], rest: tuple[Step, ...]) -> list[Bucket]:
        total, found = await counter.histogram(narrowing, self.column.name, self.width)
        buckets = [
            Bucket(self.column, found[low], {"gte": low}, {"lt": low + 2**self.width}, rest)
            for low in sorted(found, reverse=self.column.descending)
        ]
        if without := total - sum(found.values()):
            buckets.append(Bucket(self.column, without, {}, {}, is_without_value=True))
        return buckets

    def inside(self, lower: Bounds, upper: Bounds, rest: tuple[Step, ...]) -> tuple[Step, ...]:
        return rest

    def within(self, lower: Bounds, upper: Bounds) -> Step:
        if not {"gte", "lt"} <= {*lower, *upper}:
            return self
        span = int(upper["lt"]) - int(lower["gte"])
        return replace(self, width=max(0, min(self.width, span.bit_length() - 1 - WITHIN)))

    def coarser(self) -> Step:
        if not self.wider:
            raise too_few_buckets()
        return replace(self, width=self.wider[0], wider=self.wider[1:])


@dataclass(frozen=True, slots=True)
class Scores:
    """A count by score: at most MOST_TIERS buckets of neighbouring sums, from `highest` down to `lowest`."""

    column: Tiers
    highest: int
    lowest: int = 0
    is_of_numbers: ClassVar[bool] = True

    async def ask(self, counter: Counter, narrowing: Sequence[Clause], rest: tuple[Step, ...]) -> list[Bucket]:
        bounds = self._bounds()
        above = [self.column.at_least(low) for low, _high in bounds[:-1]]
        upto = await counter.counts(narrowing, [*above, EVERYTHING])
        counts = [upto[0], *(many - few for few, many in pairwise(upto))]
        if any(count < 0 for count in counts):
            raise unusable("its counts of scores contradict one another")
        return [
            Bucket(self.column, count, lower, upper, self.inside(lower, upper, rest))
            for (low, high), count in zip(bounds, counts, strict=True)
            if count
            for lower, upper in [({"gte": low}, {"lt": high})]
        ]

    def _bounds(self) -> list[tuple[int, int]]:
        """The bounds of the buckets, the highest first: the lowest sum of each, and its highest sum plus 1."""
        sums = self.column.within(self.lowest, self.highest)
        each = -(-len(sums) // MOST_TIERS)
        groups = [sums[at : at + each] for at in range(0, len(sums), each)]
        return [(group[-1], group[0] + 1) for group in groups]

    def inside(self, lower: Bounds, upper: Bounds, rest: tuple[Step, ...]) -> tuple[Step, ...]:
        within = self.column.within(int(lower["gte"]), int(upper["lt"]) - 1)
        return (Scores(self.column, within[0], within[-1]), *rest) if len(within) > 1 else rest

    def within(self, lower: Bounds, upper: Bounds) -> Step:
        highest = int(upper["lt"]) - 1 if "lt" in upper else self.highest
        return Scores(self.column, highest, int(lower.get("gte", self.lowest)))

    def coarser(self) -> Step:
        raise too_few_buckets()


@dataclass(frozen=True, slots=True)
class Texts:
    """A count of a text column, divided at sampled values: each value is a bucket, and so is each gap between values.

    `lower` and `upper` are the bounds of the gap that this step divides; they are empty if it divides the whole column.
    """

    column: FieldColumn
    lower: Bounds = field(default_factory=dict)
    upper: Bounds = field(default_factory=dict)
    is_of_numbers: ClassVar[bool] = False

    async def ask(self, counter: Counter, narrowing: Sequence[Clause], rest: tuple[Step, ...]) -> list[Bucket]:
        values = sorted(set(await counter.sample(narrowing, self.column.name)))
        if not values:
            raise unusable("it has no values where it counted some")
        lowers: list[Bounds] = [self.lower, *({"gt": value} for value in values)]
        uppers: list[Bounds] = [*({"lt": value} for value in values), self.upper]
        gaps = [
            Bucket(self.column, 0, lower, upper, self.inside(lower, upper, rest))
            for lower, upper in zip(lowers, uppers, strict=True)
        ]
        exact = [Bucket(self.column, 0, {"gte": value}, {"lte": value}, rest) for value in values]
        buckets = [gaps[0], *(bucket for pair in zip(exact, gaps[1:], strict=True) for bucket in pair)]
        counts = await counter.counts(narrowing, [bucket.clause for bucket in buckets])
        counted = [replace(bucket, count=count) for bucket, count in zip(buckets, counts, strict=True) if count]
        return counted[::-1] if self.column.descending else counted

    def inside(self, lower: Bounds, upper: Bounds, rest: tuple[Step, ...]) -> tuple[Step, ...]:
        is_value = "gte" in lower and lower["gte"] == upper.get("lte")
        return rest if is_value else (Texts(self.column, lower, upper), *rest)

    def within(self, lower: Bounds, upper: Bounds) -> Step:
        return Texts(self.column, lower, upper)

    def coarser(self) -> Step:
        raise too_few_buckets()


def for_few(steps: tuple[Step, ...], documents: int) -> tuple[Step, ...]:
    """The steps for so many documents. For few documents, a crowded column needs only the last of its steps."""
    if documents > FEW:
        return steps
    first, *rest = steps
    while isinstance(first, Numbers) and first.is_crowded and rest and rest[0].column == first.column:
        first, *rest = rest
    return (first, *rest)


def too_few_buckets() -> SearchUnavailable:
    return SearchUnavailable("the cluster counts too few buckets at once: raise its search.max_buckets").for_operators()
