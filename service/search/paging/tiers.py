"""Relevance as a number to page by: the sum of the worths of the clauses that a conversation matches.

Each scoring clause adds a whole number or nothing, so the scores are sums of some of these numbers. Conversations with
a score between two bounds are found by a filter, as those with a date between two bounds are.
"""

from __future__ import annotations

import operator
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import ClassVar

from service.search.clauses import NOTHING, Clause, all_of, any_of, none_of
from service.search.relevance import Scored, constant_scores

MOST_SUMS = 4_096  # listed; if there are more, every whole number up to the largest sum counts as possible
MOST_WAYS = 12  # sets of clauses in one filter; if more reach the score, the filter adds up the worths itself
EVERYTHING: Clause = {"match_all": {}}


@dataclass(frozen=True)
class Tiers:
    """The scoring clauses, each with its worth."""

    clauses: tuple[Scored, ...]
    name: ClassVar[str] = "_score"
    descending: ClassVar[bool] = True

    @classmethod
    def of(cls, scored: Sequence[Scored]) -> Tiers:
        """From the scoring clauses of a query. Raises ValueError unless each is worth a whole number above 0."""
        if any(worth != int(worth) or worth <= 0 for worth, _clause in scored):
            raise ValueError("a scoring clause without a whole number as its score")
        return cls(tuple(sorted(scored, key=lambda pair: pair[0], reverse=True)))

    @cached_property
    def sums(self) -> Sequence[int]:
        """The possible scores, the highest first."""
        found = {0}
        for worth, _clause in self.clauses:
            found |= {worth + one for one in found}
            if len(found) > MOST_SUMS:
                return range(sum(worth for worth, _clause in self.clauses), -1, -1)
        return sorted(found, reverse=True)

    def within(self, lowest: int, highest: int) -> Sequence[int]:
        """The possible scores from the highest to the lowest of these."""
        start, end = (bisect(self.sums, -bound, key=operator.neg) for bound in (highest + 1, lowest))
        return self.sums[start:end]

    def between(self, lower: Mapping[str, int | str], upper: Mapping[str, int | str]) -> Clause:
        """The conversations with a score in these bounds: gte or gt below, lt or lte above, or none."""
        parts = [self.at_least(int(value) + (operator == "gt")) for operator, value in lower.items()]
        parts += [none_of(self.at_least(int(value) + (operator == "lte"))) for operator, value in upper.items()]
        return all_of(parts) if parts else EVERYTHING

    def is_empty(self, bounds: Mapping[str, int | str]) -> bool:
        return int(bounds.get("gte", 0)) > self.sums[0]

    def at_least(self, least: int) -> Clause:
        """The conversations with this score or a higher one."""
        if least <= 0:
            return EVERYTHING
        ways = list(islice(self._ways(least), MOST_WAYS + 1))
        if not ways:
            return NOTHING
        if len(ways) <= MOST_WAYS:
            return any_of(*map(all_of, ways)) if len(ways) > 1 else all_of(ways[0])
        return {"function_score": {"query": any_of(*constant_scores(self.clauses)), "min_score": least}}

    def _ways(self, least: int, start: int = 0) -> Iterator[list[Clause]]:
        """The sets of clauses that reach the score. No set has a clause that it does not need."""
        if least <= 0:
            yield []
        elif sum(worth for worth, _clause in self.clauses[start:]) >= least:
            worth, clause = self.clauses[start]
            for others in self._ways(least - worth, start + 1):
                yield [clause, *others]
            yield from self._ways(least, start + 1)
