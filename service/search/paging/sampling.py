"""Estimates the place of a page from a sample of the matches, if no earlier page of the query is remembered.

Counting all of a million matches takes several times as long as a first page. One sixteenth of them, chosen by a hash
in each document, shows roughly where a rank is. The possible error follows from the size of the sample. The place is
then counted exactly, like a remembered place. So a wrong estimate costs time, but never makes a page wrong.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Sequence
from dataclasses import dataclass

from service.search.clauses import Clause
from service.search.paging.buckets import Counter, Step, TooManyBuckets
from service.search.paging.counted_buckets import CountedBuckets, Place
from service.search.paging.order import Key
from service.search.paging.steps import for_few

DIGEST, DIGEST_BITS = "order.digest_1", 32
DEVIATIONS = 3  # one place in 400 misses its rank; then everything is counted


@dataclass(frozen=True, slots=True)
class Sampling:
    """The sample holds one of `2 ** bits` documents. If it holds fewer than `least`, all documents are counted instead.

    Up to `equal` documents with the same value of a key, or with none, are also counted instead of sampled further.
    """

    bits: int = 4
    least: int = 3_000
    equal: int = 60_000

    @property
    def clause(self) -> Clause:
        return {"range": {DIGEST: {"lt": 2 ** (DIGEST_BITS - self.bits)}}}


@dataclass(frozen=True, slots=True)
class Sample:
    """The counts in the sample, and how many documents there were in all."""

    counted: CountedBuckets
    total: int

    @property
    def bytes(self) -> int:
        return self.counted.bytes


async def take(counter: Counter, keys: Sequence[Key], sampling: Sampling) -> Sample:
    """A sample, counted by the first step of the order."""
    total, counted = await asyncio.gather(counter.total(()), count(counter, keys[0].steps, (sampling.clause,)))
    return Sample(counted, total)


async def place_in(
    sample: Sample, counter: Counter, keys: Sequence[Key], ranks: range, *, sampling: Sampling, slice_size: int
) -> Place | None:
    """Where these ranks should be; None if the sample does not reach that far. Counts finer buckets where needed."""
    size = sample.counted.total
    share = min(ranks.start / max(sample.total, 1), 1.0)
    offset = size * share
    margin = DEVIATIONS * math.sqrt(size * share * (1 - share)) + DEVIATIONS
    start = max(0, int(offset - margin))
    width = int(offset + len(ranks) / 2**sampling.bits + margin) + 1 - start
    small = 2 * width + slice_size // 2**sampling.bits
    while True:
        place = sample.counted.place(start, width, small=small)
        if place is None or place.at is None:
            return place
        node, at = place.at
        (bucket,) = place.buckets
        steps = bucket.inside or next((key.steps for key in keys[place.fixed + 1 :]), ())
        if not steps or (not bucket.inside and bucket.count << sampling.bits <= sampling.equal):
            return place
        narrowing = (*place.narrowing.values(), bucket.clause, sampling.clause)
        node.inside[at] = await count(counter, for_few(steps, bucket.count), narrowing)


async def count(counter: Counter, steps: tuple[Step, ...], narrowing: Sequence[Clause]) -> CountedBuckets:
    """The buckets of the first of these steps, or of a coarser step if the first has too many."""
    while True:
        step, *rest = steps
        try:
            return CountedBuckets.of(step, tuple(rest), await step.ask(counter, narrowing, tuple(rest)))
        except TooManyBuckets:
            steps = (step.coarser(), *steps)
