"""Cached counts name the place of every rank, and the cache holds the latest of them within its bounds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.search.paging import rank_cache
from service.search.paging.rank_cache import CachedCounts, RankCache

WIDTH = 3
counted = st.dictionaries(st.integers(-20, 20).map(lambda low: low * 2**WIDTH), st.integers(1, 4), max_size=8)


def values_of(found: dict[int, int], descending: bool) -> list[int]:
    """One value for each document that was counted, in their order."""
    return [low + 1 for low in sorted(found, reverse=descending) for _ in range(found[low])]


@given(counted, st.booleans(), st.booleans(), st.integers(0, 40), st.integers(1, 8))
def test_a_place_holds_the_ranks_and_knows_what_stands_before_it(
    found: dict[int, int], descending: bool, is_date: bool, offset: int, size: int
) -> None:
    values = values_of(found, descending)
    place = CachedCounts.of("key", WIDTH, descending, is_date, found).place(offset, size)
    if place is None:
        assert offset + size > len(values)
        return
    clauses: tuple[Any, ...] = (place.clause, place.before)
    inside, before = (clause["range"]["key"] for clause in clauses)
    assert [bounds.pop("format", None) for bounds in (inside, before)] == ["epoch_millis" if is_date else None] * 2
    held = [at for at, value in enumerate(values) if inside["gte"] <= value < inside["lt"]]
    assert set(range(offset, offset + size)) <= set(held)
    assert before == ({"gte": inside["lt"]} if descending else {"lt": inside["gte"]})
    ahead = sum(value >= inside["lt"] if descending else value < inside["gte"] for value in values)
    assert ahead == held[0]


@pytest.fixture(autouse=True, scope="module")
def _few_are_remembered() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rank_cache, "REMEMBERED", 4)
        yield


keys = st.sampled_from([b"a", b"b", b"cc", b"dddd", b"eeeee", b"f" * 90])
steps = st.lists(st.tuples(keys, st.none() | st.integers(0, 6)), max_size=30)


@given(steps, st.integers(0, 250))
def test_the_cache_holds_the_latest_within_its_bounds(steps: list[tuple[bytes, int | None]], budget: int) -> None:
    """The model is a list of pairs, the latest last. A step puts counts of so many buckets, or gets."""
    cache = RankCache(budget=budget)
    held: list[tuple[bytes, CachedCounts]] = []
    for key, buckets in steps:
        known = [pair for pair in held if pair[0] == key]
        if buckets is None:
            assert cache.get(key) is (known[0][1] if known else None)
            held = [pair for pair in held if pair[0] != key] + known
        else:
            counts = CachedCounts.of("key", WIDTH, False, False, dict.fromkeys(range(buckets), 1))
            cache.put(key, counts)
            held = [pair for pair in held if pair[0] != key] + [(key, counts)]
            while sum(len(key) + 16 * len(counts.lows) for key, counts in held) > budget or len(held) > 4:
                del held[0]
        assert cache.bytes == sum(len(key) + 16 * len(counts.lows) for key, counts in held) <= budget
    assert {key for key, _buckets in steps if cache.get(key)} == {key for key, _counts in held}
