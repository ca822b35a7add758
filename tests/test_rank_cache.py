"""The rank cache keeps the latest queries, within bounds of number and bytes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.search.paging import rank_cache
from service.search.paging.buckets import Bucket, FieldColumn
from service.search.paging.counted_buckets import CountedBuckets
from service.search.paging.rank_cache import Memory, RankCache
from service.search.paging.steps import Numbers

COLUMN = FieldColumn("key")


def counts_of(buckets: int) -> CountedBuckets:
    found = [Bucket(COLUMN, 1, {"gte": at}, {"lt": at + 1}) for at in range(buckets)]
    return CountedBuckets.of(Numbers(COLUMN, 0), (), found)


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
    held: list[tuple[bytes, Memory]] = []
    for key, buckets in steps:
        known = [pair for pair in held if pair[0] == key]
        if buckets is None:
            assert cache.get(key) == (known[0][1] if known else Memory())
            held = [pair for pair in held if pair[0] != key] + known
        else:
            memory = Memory(counts_of(buckets), (buckets, "end"))
            cache.put(key, memory)
            held = [pair for pair in held if pair[0] != key] + [(key, memory)]
            while sum(size_of(*pair) for pair in held) > budget or len(held) > 4:
                del held[0]
        assert cache.bytes == sum(size_of(*pair) for pair in held) <= budget
    assert {key for key, _buckets in steps if cache.get(key) != Memory()} == {key for key, _memory in held}


def size_of(key: bytes, memory: Memory) -> int:
    """24 bytes a bucket, of three numbers."""
    assert isinstance(memory.known, CountedBuckets)
    return len(key) + 24 * len(memory.known.upto)


def test_counts_that_have_grown_are_weighed_when_they_are_put_again() -> None:
    cache = RankCache(budget=100)
    counts = counts_of(2)
    cache.put(b"a", Memory(counts))
    counts.inside[0] = counts_of(1)
    cache.put(b"a", Memory(counts))
    assert cache.bytes == 1 + 3 * 24
    counts.inside[1] = counts_of(2)
    cache.put(b"a", Memory(counts))
    assert (cache.bytes, cache.get(b"a")) == (0, Memory())
