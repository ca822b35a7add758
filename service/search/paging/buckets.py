"""Buckets and steps. A bucket is a range of documents in an order: between two values of a column, or without a value.

A step counts the documents of a range in finer buckets.
"""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from service.search.clauses import Clause
from service.search.compiler import missing

Bounds = Mapping[str, int | str]
"""Bounds by operator: gte or gt for the lower bound, lte or lt for the upper one. Empty if there is no bound."""


class Column(Protocol):
    """What a step counts by: a field, or the scores of the matches."""

    @property
    def name(self) -> str: ...

    @property
    def descending(self) -> bool: ...

    def between(self, lower: Bounds, upper: Bounds) -> Clause:
        """The clause for the documents whose value is in these bounds."""

    def is_empty(self, bounds: Bounds) -> bool:
        """Whether no value that the column can have is in these bounds."""


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """A field of the index. Dates are counted and bounded in milliseconds, booleans as 0 and 1."""

    name: str
    descending: bool = False
    kind: Literal["number", "date", "boolean", "text"] = "number"

    def between(self, lower: Bounds, upper: Bounds) -> Clause:
        if not lower and not upper:
            return {"exists": {"field": self.name}}
        if self.kind == "boolean":
            return {"terms": {self.name: [bool(value) for value in (0, 1) if _holds({**lower, **upper}, value)]}}
        unit: Bounds = {"format": "epoch_millis"} if self.kind == "date" else {}
        return {"range": {self.name: {**lower, **upper, **unit}}}

    def is_empty(self, bounds: Bounds) -> bool:
        return self.kind == "boolean" and not any(_holds(bounds, value) for value in (0, 1))


def _holds(bounds: Bounds, value: int) -> bool:
    compares = {"gte": operator.ge, "gt": operator.gt, "lte": operator.le, "lt": operator.lt}
    return all(compares[name](value, int(bound)) for name, bound in bounds.items())


@dataclass(frozen=True, slots=True)
class Bucket:
    """Documents that are neighbours in the order. `inside` are the steps that divide them further by the same key.

    If there are none, all documents are equal by that key.
    """

    column: Column
    count: int
    lower: Bounds
    upper: Bounds
    inside: tuple[Step, ...] = ()
    is_without_value: bool = False

    @property
    def clause(self) -> Clause:
        return missing(self.column.name) if self.is_without_value else self.column.between(self.lower, self.upper)

    @property
    def before(self) -> Clause | None:
        """The clause for the documents before the bucket; None if it has no bound there, or none can be before it."""
        if self.is_without_value:
            return self.column.between({}, {})
        found = bounds_before(self)
        if not found or self.column.is_empty(found):
            return None
        return self.column.between(found, {}) if self.column.descending else self.column.between({}, found)


class TooManyBuckets(Exception):
    """More buckets than the cluster counts at once (search.max_buckets): count coarser ones."""


class Counter(Protocol):
    """The counts that steps request from OpenSearch, always for the same query and the same state of the index."""

    async def histogram(self, narrowing: Sequence[Clause], field: str, width: int) -> tuple[int, dict[int, int]]:
        """How many documents there are, and how many in each bucket, by its lower end. Raises TooManyBuckets."""

    async def total(self, narrowing: Sequence[Clause]) -> int:
        """How many documents there are."""

    async def sample(self, narrowing: Sequence[Clause], field: str) -> list[str]:
        """The field's values in some documents, taken at random."""

    async def counts(self, narrowing: Sequence[Clause], clauses: Sequence[Clause]) -> list[int]:
        """How many documents match each clause."""


class Step(Protocol):
    """One count. `rest` are the steps of the same key that follow."""

    @property
    def column(self) -> Column: ...

    @property
    def is_of_numbers(self) -> bool: ...

    async def ask(self, counter: Counter, narrowing: Sequence[Clause], rest: tuple[Step, ...]) -> list[Bucket]:
        """The buckets that hold documents, in the order. Raises TooManyBuckets."""

    def inside(self, lower: Bounds, upper: Bounds, rest: tuple[Step, ...]) -> tuple[Step, ...]:
        """The steps that divide one of its buckets, which has these bounds."""

    def within(self, lower: Bounds, upper: Bounds) -> Step:
        """A step for several neighbouring buckets, which together have these bounds. Its own are as fine, or finer."""

    def coarser(self) -> Step:
        """The step to take first if this one has too many buckets. Raises SearchUnavailable if there is none."""


_OPPOSITE = {"gte": "lt", "gt": "lte", "lt": "gte", "lte": "gt"}


def bounds_before(bucket: Bucket) -> Bounds:
    """The bound that separates the documents before the bucket from the bucket."""
    return _opposite(bucket.upper if bucket.column.descending else bucket.lower)


def bounds_behind(bucket: Bucket) -> Bounds:
    """The bound that separates the documents after the bucket from the bucket."""
    return _opposite(bucket.lower if bucket.column.descending else bucket.upper)


def _opposite(bounds: Bounds) -> Bounds:
    return {_OPPOSITE[name]: value for name, value in bounds.items()}


def together(buckets: Sequence[Bucket], inside: tuple[Step, ...]) -> list[Bucket]:
    """Joins neighbouring buckets into one with these steps inside. Documents without a value stay apart."""
    valued = [bucket for bucket in buckets if not bucket.is_without_value]
    others = [bucket for bucket in buckets if bucket.is_without_value]
    if len(valued) < 2:
        return [*valued, *others]
    lowest, highest = (valued[-1], valued[0]) if valued[0].column.descending else (valued[0], valued[-1])
    count = sum(bucket.count for bucket in valued)
    return [Bucket(valued[0].column, count, lowest.lower, highest.upper, inside), *others]
