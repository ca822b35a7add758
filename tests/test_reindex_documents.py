"""Small ranges of uids are read together, and none is left out."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from service.reindex.documents import RANGES, Sums, groups

COUNTS = st.dictionaries(st.integers(0, RANGES - 1), st.integers(1, 30), max_size=40)


def _sums(counts: dict[int, int]) -> Sums:
    return {number: (count, 0, 0) for number, count in counts.items()}


@given(COUNTS, COUNTS, st.integers(1, 50))
def test_groups_hold_every_range_once_in_order_and_no_more_documents_than_allowed(
    one: dict[int, int], other: dict[int, int], most: int
) -> None:
    numbers = sorted(one.keys() | other.keys())
    found = groups(numbers, _sums(one), _sums(other), most=most)
    assert [number for group in found for number in group] == numbers
    for group in found:
        for counts in (one, other):
            assert len(group) == 1 or sum(counts.get(number, 0) for number in group) <= most


def test_a_small_index_is_one_group_and_each_full_range_is_its_own() -> None:
    assert groups(range(RANGES), _sums(dict.fromkeys(range(RANGES), 2)), most=2_000) == [list(range(RANGES))]
    assert groups(range(3), _sums(dict.fromkeys(range(3), 2_000)), most=2_000) == [[0], [1], [2]]
