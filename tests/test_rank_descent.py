"""A page found by rank descent is the slice of the whole sorted list, whatever the documents, the place and the size.

The list is sorted in plain Python, and so is what a descent counts: see `Listed`.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.conversation import sort_key_prefixes, uid_order
from service.errors import SearchUnavailable
from service.query.conversation_query import Sort
from service.query.fields import DEEP_FIELDS, SORT_KEYS
from service.search.paging.rank_cache import CachedCounts
from service.search.paging.rank_descent import (
    DATE_WIDTHS,
    SUBJECT_PREFIXES,
    UID_PARTS,
    WIDEST_DATE,
    Plan,
    Slice,
    TooManyBuckets,
    Windows,
    descend,
)
from service.search.subject_clauses import Clause
from service.times import LAST, epoch_milliseconds

Document = dict[str, Any]
DATES = ("created_on", "updated_on", "sent_at")
SORTS = [Sort(name, descending) for name in DEEP_FIELDS for descending in (False, True)]
EXAMPLES = settings(max_examples=150)


def matches(document: Document, clause: Any) -> bool:
    """The two kinds of clause that a descent narrows by. A date's bounds are numbers only where they say so."""
    ((kind, inside),) = clause.items()
    if kind == "bool":
        (without,) = inside["must_not"]
        return without["exists"]["field"] not in document
    ((name, bounds),) = inside.items()
    assert kind == "range"
    assert bounds.get("format") == ("epoch_millis" if name in DATES else None)
    if name not in document:
        return False
    value = document[name]
    return all(
        {"gte": value >= bound, "gt": value > bound, "lte": value <= bound, "lt": value < bound}[bound_name]
        for bound_name, bound in bounds.items()
        if bound_name != "format"
    )


def ordered(documents: Sequence[Document], sort: Sort) -> list[Document]:
    """By the sort key with missing values last, then by -updated_on, then by uid."""
    found = sorted(documents, key=lambda document: str(UUID(int=document["uid"])))
    found.sort(key=lambda document: document["updated_on"], reverse=True)
    key = SORT_KEYS[sort.field]
    valued = [document for document in found if key in document]
    valued.sort(key=lambda document: document[key], reverse=sort.descending)
    return [*valued, *(document for document in found if key not in document)]


@dataclass
class Listed:
    """A list of documents that counts what a descent asks. Coarse dates only, where `is_short_of_buckets`."""

    documents: Sequence[Document]
    sort: Sort
    samples: random.Random = field(default_factory=lambda: random.Random(1))
    most_sampled: int = 2
    is_short_of_buckets: bool = False
    rounds: int = 0

    def left(self, narrowing: Sequence[Clause]) -> list[Document]:
        return [one for one in self.documents if all(matches(one, clause) for clause in narrowing)]

    async def histogram(self, narrowing: Sequence[Clause], field: str, width: int) -> tuple[int, dict[int, int]]:
        self.rounds += 1
        if self.is_short_of_buckets and not narrowing and width < WIDEST_DATE:
            raise TooManyBuckets
        left = self.left(narrowing)
        lows = Counter(one[field] // 2**width * 2**width for one in left if field in one)
        return len(left), dict(lows)

    async def total(self, narrowing: Sequence[Clause]) -> int:
        return len(self.left(narrowing))

    async def sample(self, narrowing: Sequence[Clause], field: str) -> list[str]:
        left = self.left(narrowing)
        return [one[field] for one in self.samples.sample(left, min(self.most_sampled, len(left)))]

    async def counts(self, narrowing: Sequence[Clause], clauses: Sequence[Clause]) -> list[int]:
        self.rounds += 1
        return [len(self.left([*narrowing, clause])) for clause in clauses]

    def slice(self, part: Slice) -> list[Document]:
        found = ordered(self.left(part.narrowing), self.sort)
        found = (found[::-1] if part.reverse else found)[part.start : part.start + part.size]
        assert len(found) == part.size
        return found[::-1] if part.reverse else found

    def page(self, plan: Plan) -> list[Document]:
        return [one for part in plan.slices for one in self.slice(part)]


FIRST_DATE, LAST_DATE = epoch_milliseconds(datetime(1, 1, 1, tzinfo=UTC)), epoch_milliseconds(LAST)
STEPS = [2**width for width in (*DATE_WIDTHS, WIDEST_DATE)]
EDGES = [FIRST_DATE, LAST_DATE, *(sign * step + by for step in STEPS for sign in (-1, 1) for by in (-1, 0))]
dates = st.sampled_from([FIRST_DATE, -1, 0, 1, LAST_DATE]) | st.sampled_from(EDGES) | st.integers(FIRST_DATE, LAST_DATE)
BEGINNING = "so many words begin alike"  # longer than the prefixes
subjects = (
    st.sampled_from(["", "\0", "a", "a\0", "\U0010ffff" * 7, "\uffff" * 9, BEGINNING[:24], BEGINNING])
    | st.text("ab", max_size=3).map(BEGINNING.__add__)
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
)
uids = (
    st.integers(0, 40)
    | st.builds(lambda shift, by: (by << shift) & (2**128 - 1), st.integers(0, 127), st.integers(1, 3))
    | st.integers(0, 2**128 - 1)
)


def document(uid: int, **values: Any) -> Document:
    made = {"uid": uid, **{SORT_KEYS[name]: value for name, value in values.items() if value is not None}}
    made |= zip((name for name, _widths in UID_PARTS), uid_order(UUID(int=uid)), strict=True)
    if "order.subject" in made:
        made |= zip(SUBJECT_PREFIXES, sort_key_prefixes(made["order.subject"]), strict=True)
    return made


def lists_of_documents(
    times: st.SearchStrategy[int], texts: st.SearchStrategy[str]
) -> st.SearchStrategy[list[Document]]:
    made = st.builds(
        document,
        uids,
        created_on=times,
        updated_on=times,
        sent_at=st.none() | times,
        subject=st.none() | texts,
        status=st.sampled_from([None, 10, 20, 40]),
        channel=st.sampled_from([None, 10]),
    )
    return st.lists(made, max_size=25, unique_by=lambda one: one["uid"])


ties = lists_of_documents(st.sampled_from([FIRST_DATE, 0, 1, LAST_DATE]), st.sampled_from(["", BEGINNING]))
alike = st.lists(st.sampled_from([BEGINNING + end for end in "abcdefgh"]), min_size=3, max_size=12)
documents = lists_of_documents(dates, subjects) | ties
offsets, sizes = st.integers(0, 30), st.integers(1, 8)
windows = st.builds(
    Windows, dates=st.integers(0, 6), names=st.integers(0, 6), subject=st.integers(0, 6), slice=st.integers(1, 6)
)


def found(
    counter: Listed, offset: int, size: int, windows: Windows, cached_counts: CachedCounts | None = None
) -> tuple[Plan, list[Document]]:
    plan = asyncio.run(descend(counter, counter.sort, offset, size, windows=windows, cached_counts=cached_counts))
    return plan, counter.page(plan)


@EXAMPLES
@given(documents, st.sampled_from(SORTS), offsets, sizes, windows, st.randoms(use_true_random=False), st.integers(1, 3))
def test_the_page_is_the_slice_of_the_sorted_list(
    documents: list[Document],
    sort: Sort,
    offset: int,
    size: int,
    windows: Windows,
    samples: random.Random,
    most_sampled: int,
) -> None:
    counter = Listed(documents, sort, samples, most_sampled)
    plan, page = found(counter, offset, size, windows)
    assert page == ordered(documents, sort)[offset : offset + size]
    assert plan.total == len(documents)
    assert plan.counts == counter.rounds
    assert plan.cached_counts is not None


@EXAMPLES
@given(alike, st.booleans(), st.integers(0, 12), st.integers(1, 2), st.randoms(use_true_random=False))
def test_subjects_that_begin_alike_are_parted_at_samples(
    subjects: list[str], descending: bool, offset: int, size: int, samples: random.Random
) -> None:
    """A gap between samples that is parted once more keeps its bounds."""
    documents = [document(uid, updated_on=0, subject=subject) for uid, subject in enumerate(subjects)]
    counter = Listed(documents, Sort("subject", descending), samples, most_sampled=1)
    plan, page = found(counter, offset, size, Windows(subject=0, slice=1))
    assert page == ordered(documents, counter.sort)[offset : offset + size]
    assert plan.counts == counter.rounds


@EXAMPLES
@given(documents, st.sampled_from(SORTS), offsets, sizes, windows)
def test_no_slice_reads_far_into_many_documents(
    documents: list[Document], sort: Sort, offset: int, size: int, windows: Windows
) -> None:
    """Each begins at an end, or is within the window of its order, or among few documents."""
    counter = Listed(documents, sort)
    for part in found(counter, offset, size, windows)[0].slices:
        is_near = not part.narrowing and part.start + part.size <= windows.plain(sort)
        assert part.start == 0 or is_near or len(counter.left(part.narrowing)) <= windows.slice


@EXAMPLES
@given(documents, documents, st.sampled_from(SORTS), offsets, sizes, windows, st.data())
def test_cached_counts_never_change_the_page(
    before: list[Document],
    others: list[Document],
    sort: Sort,
    offset: int,
    size: int,
    windows: Windows,
    data: st.DataObject,
) -> None:
    """They were counted for the same documents, or before some of these were removed and others were added."""
    cached_counts = found(Listed(before, sort), 0, 1, windows)[0].cached_counts
    kept = data.draw(st.integers(0, len(before)))
    uids = {one["uid"] for one in before[:kept]}
    now = [*before[:kept], *(one for one in others if one["uid"] not in uids)]
    for documents in (before, now):
        plan, page = found(Listed(documents, sort), offset, size, windows, cached_counts)
        assert page == ordered(documents, sort)[offset : offset + size]
        assert plan.total == len(documents)


@EXAMPLES
@given(documents, st.sampled_from([sort for sort in SORTS if sort.field in DATES]), offsets, sizes, windows)
def test_dates_are_counted_coarser_where_buckets_are_short(
    documents: list[Document], sort: Sort, offset: int, size: int, windows: Windows
) -> None:
    counter = Listed(documents, sort, is_short_of_buckets=True)
    plan, page = found(counter, offset, size, windows)
    assert page == ordered(documents, sort)[offset : offset + size]
    assert plan.counts == counter.rounds


def test_where_even_coarse_buckets_are_too_many_the_setting_is_named() -> None:
    counter = Listed([document(1, updated_on=0, status=10)], Sort("status"), is_short_of_buckets=True)
    with pytest.raises(SearchUnavailable, match=r"search\.max_buckets"):
        found(counter, 0, 1, Windows())
