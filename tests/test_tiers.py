"""Scores are sums of the worths of clauses: the possible sums, and filters that find them.

A test document is the set of the clauses that it matches.
"""

from __future__ import annotations

from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.query.conditions import Words
from service.search.paging import tiers
from service.search.paging.tiers import Tiers
from service.search.relevance import relevance
from tests.examples import examples
from tests.listed import document, matches, score, scored, scoring

worths = st.lists(st.integers(1, 12), max_size=9) | st.just([8, 4, 2, 1]) | st.just([2**20, 2**20, 7])
NUMBERS = st.frozensets(st.integers(0, 8))


@settings(max_examples=examples(300))
@given(worths, NUMBERS, st.integers(-1, 60) | st.just(2**20))
def test_a_filter_finds_the_scores_from_a_number_on(worths: list[int], numbers: frozenset[int], least: int) -> None:
    found = Tiers.of(scored(worths))
    one = document(1, clauses=sorted(numbers))
    own = score(one, scoring(worths))
    assert own in found.sums
    assert matches(one, found.at_least(least)) == (own >= least)
    assert matches(one, found.between({"gt": least}, {})) == (own > least)
    assert matches(one, found.between({"gte": least}, {"lt": least + 3})) == (least <= own < least + 3)
    assert matches(one, found.between({}, {"lte": least})) == (own <= least)


@given(worths)
def test_all_possible_sums_are_listed(worths: list[int]) -> None:
    sums = Tiers.of(scored(worths)).sums
    assert list(sums) == sorted(
        {sum(w for at, w in enumerate(worths) if chosen >> at & 1) for chosen in range(2 ** len(worths))}, reverse=True
    )
    assert list(Tiers.of(scored(worths)).within(3, 9)) == [one for one in sums if 3 <= one <= 9]


def test_many_worths_are_paged_as_few_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """With too many sums to list, each number up to the largest counts as one. No filter lists all ways to a sum."""
    monkeypatch.setattr(tiers, "MOST_SUMS", 50)
    found = Tiers.of(scored(range(1, 200)))
    assert found.sums == range(sum(range(1, 200)), -1, -1)
    assert found.within(10, 12) == range(12, 9, -1)
    assert "function_score" in found.at_least(100)
    assert len(str(found.at_least(100))) < 30_000


def test_all_that_relevance_scores_by_can_be_paged() -> None:
    for text in ("one", "one two", "東京", "!"):
        assert Tiers.of(relevance(Words(text), UUID(int=1))).sums[-1] == 0
    with pytest.raises(ValueError, match="whole number"):
        Tiers.of([(0.5, {"match_all": {}})])  # type: ignore[list-item]
