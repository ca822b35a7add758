"""A page found by rank descent is the slice of the whole sorted list, whatever the documents, the order and the offset.

The list is sorted, and the buckets of a descent are counted, in plain Python: see tests/listed.py.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.errors import SearchUnavailable
from service.query.conversation_query import MAX_SORTS, Sort
from service.query.fields import FIELDS, LARGEST_NUMBER, RELEVANCE, SORT_FIELDS, Kind
from service.search.paging import near_pages
from service.search.paging.order import DATE_WIDTHS, WIDEST_DATE, Key, keys_of
from service.search.paging.rank_descent import Known, Plan, Windows, descend
from service.search.paging.sampling import Sampling
from service.search.paging.tiers import Tiers
from service.times import LAST, epoch_milliseconds
from tests.examples import examples
from tests.listed import DATES, Document, Listed, document, ordered, score, scored, scoring

LONG = {row.order.key for row in FIELDS if row.order is not None and row.kind == "number"}
EXAMPLES = settings(max_examples=examples(60))
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
CLAUSES = 5


def lists_of_documents(
    times: st.SearchStrategy[int], texts: st.SearchStrategy[str]
) -> st.SearchStrategy[list[Document]]:
    return st.lists(made_documents(times, texts), max_size=25, unique_by=lambda one: one["uid"])


def made_documents(times: st.SearchStrategy[int], texts: st.SearchStrategy[str]) -> st.SearchStrategy[Document]:
    kinds: dict[Kind, st.SearchStrategy[object]] = {
        "time": st.none() | times,
        "text": st.none() | texts,
        "choice": st.sampled_from([None, 10, 20, 40]),
        "boolean": st.sampled_from([None, False, True]),
        "number": st.sampled_from([None, 0, 1, 255, 256, LARGEST_NUMBER]) | st.integers(0, 5),
    }
    values = {row.name: kinds[row.kind] for row in FIELDS if row.order is not None} | {"updated_on": times}
    return st.builds(document, uids, clauses=st.frozensets(st.integers(0, CLAUSES - 1)), **values)


@st.composite
def orders(draw: st.DrawFn) -> list[Sort]:
    """One key or several, each once, as a request may have them; relevance only as the first."""
    names = draw(st.lists(st.sampled_from(SORT_FIELDS), min_size=1, max_size=MAX_SORTS, unique=True))
    names.sort(key=lambda name: name != RELEVANCE)
    return [Sort(name, name == RELEVANCE or draw(st.booleans())) for name in names]


ties = lists_of_documents(st.sampled_from([FIRST_DATE, 0, 1, LAST_DATE]), st.sampled_from(["", BEGINNING]))
all_equal = st.builds(
    lambda one, numbers: [one | document(number, updated_on=one["updated_on"]) for number in numbers],
    made_documents(dates, subjects),
    st.lists(uids, max_size=25, unique=True),
)
alike = st.lists(st.integers(0, 7), min_size=3, max_size=12)
documents = lists_of_documents(dates, subjects) | ties | all_equal
worths = st.lists(st.integers(1, 9), max_size=CLAUSES) | st.just([8, 4, 2, 1]) | st.just([10**6, 10**6, 1, 1, 3])
offsets, sizes = st.integers(0, 30), st.integers(1, 8)
limits = st.integers(0, 6)
samplings = st.builds(
    Sampling, bits=st.integers(0, 2), least=st.sampled_from([0, 3, 99]), equal=st.sampled_from([0, 4, 99])
)
windows = st.builds(
    Windows, dates=limits, numbers=limits, texts=limits, scores=limits, slice=st.integers(1, 6), sampling=samplings
)
NO_WINDOWS = Windows(dates=0, numbers=0, texts=0, scores=0, slice=1, sampling=Sampling(least=99))


def keys_for(counter: Listed) -> tuple[Key, ...]:
    return keys_of(counter.sorts, Tiers.of(scored(counter.worths)))


def found(
    counter: Listed, offset: int, size: int, windows: Windows, remembered: Known | None = None
) -> tuple[Plan, list[Document]]:
    plan = asyncio.run(descend(counter, keys_for(counter), offset, size, windows=windows, remembered=remembered))
    return plan, counter.page(plan.slices)


@settings(max_examples=examples(90))
@given(documents, orders(), worths, offsets, sizes, windows, st.randoms(use_true_random=False), st.integers(1, 3))
def test_the_page_is_the_slice_of_the_sorted_list(
    documents: list[Document],
    sorts: list[Sort],
    worths: list[int],
    offset: int,
    size: int,
    windows: Windows,
    samples: random.Random,
    most_sampled: int,
) -> None:
    counter = Listed(documents, sorts, worths, samples, most_sampled)
    plan, page = found(counter, offset, size, windows)
    assert page == ordered(documents, sorts, worths)[offset : offset + size]
    assert plan.total == len(documents)
    assert not plan.was_remembered


@EXAMPLES
@given(alike, st.booleans(), st.integers(0, 12), st.integers(1, 2), st.randoms(use_true_random=False))
def test_subjects_that_begin_alike_are_parted_at_samples(
    ends: list[int], descending: bool, offset: int, size: int, samples: random.Random
) -> None:
    """A gap between samples that is parted once more keeps its bounds."""
    documents = [document(uid, updated_on=0, subject=f"{BEGINNING}{end}") for uid, end in enumerate(ends)]
    counter = Listed(documents, [Sort("subject", descending)], samples=samples, most_sampled=1)
    _plan, page = found(counter, offset, size, NO_WINDOWS)
    assert page == ordered(documents, counter.sorts)[offset : offset + size]


@EXAMPLES
@given(documents, orders(), worths, offsets, sizes, windows)
def test_no_slice_reads_far_into_many_documents(
    documents: list[Document], sorts: list[Sort], worths: list[int], offset: int, size: int, windows: Windows
) -> None:
    """Each begins at an end, or is within the window of its order, or among few documents."""
    counter = Listed(documents, sorts, worths)
    for part in found(counter, offset, size, windows)[0].slices:
        is_near = not part.narrowing and part.start + part.size <= windows.plain(keys_for(counter))
        assert part.start == 0 or is_near or len(counter.left(part.narrowing)) <= windows.slice


@settings(max_examples=examples(90))
@given(documents, documents, orders(), worths, st.lists(st.tuples(offsets, sizes), max_size=5), windows, st.data())
def test_remembered_counts_never_change_a_page(
    before: list[Document],
    others: list[Document],
    sorts: list[Sort],
    worths: list[int],
    pages: list[tuple[int, int]],
    windows: Windows,
    data: st.DataObject,
) -> None:
    """Pages of the same documents, and of others after these: some were removed and others added."""
    kept = data.draw(st.integers(0, len(before)))
    uids = {one["uid"] for one in before[:kept]}
    now = [*before[:kept], *(one for one in others if one["uid"] not in uids)]
    remembered: Known | None = None
    for documents in (before, now):
        for offset, size in pages:
            counter = Listed(documents, sorts, worths)
            plan, page = found(counter, offset, size, windows, remembered)
            assert page == ordered(documents, sorts, worths)[offset : offset + size]
            assert plan.total == len(documents)
            remembered = plan.known


@EXAMPLES
@given(documents.filter(bool), orders(), worths, st.data(), sizes, windows)
def test_a_page_that_was_asked_before_is_found_without_counting_all_again(
    documents: list[Document], sorts: list[Sort], worths: list[int], data: st.DataObject, size: int, windows: Windows
) -> None:
    """Also among the documents without a value, and where all are equal by all keys but the last."""
    offset = data.draw(st.integers(0, len(documents) - 1))
    counter = Listed(documents, sorts, worths)
    first, page = found(counter, offset, size, NO_WINDOWS)
    counted = counter.rounds
    again, page_again = found(counter, offset, size, NO_WINDOWS, first.known)
    assert page_again == page
    assert again.was_remembered
    assert counter.rounds == counted


def missing_as(key: Key) -> int:
    """The sort value that OpenSearch returns for a missing value: the index type's last number in this order."""
    greatest = 2**63 - 1 if key.weight == "date" or key.name in LONG else 2**31 - 1
    return -greatest - 1 if key.descending else greatest


@EXAMPLES
@given(documents.filter(bool), orders(), worths, st.integers(0, 12), sizes, documents)
def test_the_beginning_of_an_order_is_found_from_where_a_page_ended(
    documents: list[Document], sorts: list[Sort], worths: list[int], offset: int, size: int, others: list[Document]
) -> None:
    """The slices of a near page are, one behind the other, the first documents, whatever was written since."""
    counter = Listed(documents, sorts, worths)
    last = ordered(documents, sorts, worths)[: offset + size][-1]
    keys = keys_for(counter)
    names = [key.steps[0].column.name if len(key.steps) == 1 or key.weight == "date" else "" for key in keys]
    end = tuple(
        score(last, scoring(worths)) if key.name == RELEVANCE
        else last.get("order.subject") if key.weight == "text"
        else last.get(name or key.name, missing_as(key))
        for key, name in zip(keys, names, strict=True)
    )  # fmt: skip
    slices = near_pages.slices_up_to(keys, end, offset + size)
    for now in (documents, [one for one in others if one["uid"] not in {old["uid"] for old in documents[::2]}]):
        changed = replace(counter, documents=now)
        begun = [one for part in slices for one in changed.slice(part, may_be_short=True)][: offset + size]
        assert begun == ordered(now, sorts, worths)[: len(begun)]
    assert not slices or len([one for part in slices for one in counter.slice(part, may_be_short=True)]) >= min(
        offset + size, len(documents)
    )


@EXAMPLES
@given(documents, st.sampled_from(DATES), st.booleans(), offsets, sizes, windows)
def test_dates_are_counted_coarser_where_buckets_are_short(
    documents: list[Document], name: str, descending: bool, offset: int, size: int, windows: Windows
) -> None:
    counter = Listed(documents, [Sort(name, descending)], is_short_of_dates=True)
    _plan, page = found(counter, offset, size, windows)
    assert page == ordered(documents, counter.sorts)[offset : offset + size]


numbers = st.lists(st.integers(0, 2**31 - 1) | st.integers(0, 600), min_size=4, max_size=20)


@EXAMPLES
@given(numbers, st.booleans(), st.integers(0, 20), sizes)
def test_numbers_are_counted_coarser_where_they_are_too_many(
    numbers: list[int], descending: bool, offset: int, size: int
) -> None:
    documents = [document(uid, updated_on=0, message_count=number) for uid, number in enumerate(numbers)]
    most = max(len({number >> 24 for number in numbers}), most_in_one(numbers))
    counter = Listed(documents, [Sort("message_count", descending)], most_buckets={"message_count": most})
    _plan, page = found(counter, offset, size, NO_WINDOWS)
    assert page == ordered(documents, counter.sorts)[offset : offset + size]


def most_in_one(numbers: Sequence[int]) -> int:
    """The most buckets that a bucket of the next wider kind holds."""
    widths = (0, 8, 16, 24)
    return max(
        len({other >> fine for other in numbers if other >> wide == number >> wide})
        for fine, wide in pairwise(widths)
        for number in numbers
    )


def test_if_even_coarse_buckets_are_too_many_the_error_names_the_setting() -> None:
    counter = Listed([document(1, updated_on=0, status=10)], [Sort("updated_on")], most_buckets={"updated_on": 0})
    with pytest.raises(SearchUnavailable, match=r"search\.max_buckets"):
        found(counter, 0, 1, NO_WINDOWS)
