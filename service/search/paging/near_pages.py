"""Near pages of orders whose first keys have few values, such as the status: remembers where a page ended.

To find the first page by status, OpenSearch would sort all matches. But if it is known where the page ended before,
such as among the active ones, two searches are enough: the first documents that come before this value (often there are
none), and the first ones with this value, in the order of the next key. Together they are the beginning of the order,
whatever was written since. If they are too few for the page, all matches are sorted.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.query.fields import LARGEST_NUMBER
from service.search.clauses import Clause, all_of, any_of
from service.search.paging.buckets import Bucket, FieldColumn
from service.search.paging.order import SUBJECT_PREFIXES, Key
from service.search.paging.rank_cache import SortValues
from service.search.paging.slices import Slice
from service.stored_documents import sort_key_prefixes

FARTHEST = 200  # the last rank of a near page; two searches request up to so many items each
WORTH_IT = 5_000  # matches; fewer are sorted faster than a point in time is opened
PREFIXES = 2  # of the subject's key that bound a page; 6 bytes each


def is_worth_it(keys: Sequence[Key], rank: int, total: int) -> bool:
    """Whether it saves time to remember the end of a page that ends at this rank. Pages by date are cheap anyway."""
    return rank <= FARTHEST and total >= WORTH_IT and keys[0].weight != "date"


def slices_up_to(keys: Sequence[Key], end: SortValues, rank: int) -> tuple[Slice, ...]:
    """The slices that together are the beginning of the order, made from the sort values at which a page ended.

    Each has at most `rank` documents. Empty if the values do not narrow the search.
    """
    narrowing: list[Clause] = []
    before: list[Clause] = []
    fixed = 0
    for key, value in zip(keys, map(_own_value, keys, end), strict=True):
        if value is not None and len(key.steps) > 1:
            break
        bucket = _bucket(key, value)
        if bucket.before is not None:
            before.append(all_of([*narrowing, bucket.before]))
        narrowing.append(bucket.clause)
        fixed += 1
    if fixed < len(keys) and keys[fixed].weight == "text":
        narrowing.append(_up_to(str(end[fixed]), descending=keys[fixed].descending))
    if not narrowing:
        return ()
    at = Slice(tuple(narrowing), 0, rank, fixed)
    return (Slice((any_of(*before),), 0, rank), at) if before else (at,)


def _own_value(key: Key, value: float | str | None) -> float | str | None:
    """The value; None if it stands for a missing one, for which OpenSearch returns the least or greatest of a type.

    No number with one step is negative or greater than LARGEST_NUMBER. A value of LARGEST_NUMBER is also taken for a
    missing one; the slices then have more documents than needed.
    """
    if key.weight != "number" or len(key.steps) > 1 or not isinstance(value, int):
        return value
    return value if 0 <= value < LARGEST_NUMBER else None


def _bucket(key: Key, value: float | str | None) -> Bucket:
    """The documents with this value of a key that has one step, or without a value."""
    column = key.steps[0].column
    if value is None:
        return Bucket(column, 0, {}, {}, is_without_value=True)
    return Bucket(column, 0, {"gte": int(value)}, {"lt": int(value) + 1})


def _up_to(subject: str, *, descending: bool) -> Clause:
    """The clause for the subjects up to this key, and for others with the same first bytes."""
    ways: list[Clause] = []
    equal: list[Clause] = []
    prefixes = sort_key_prefixes(subject)
    for number, name in enumerate(SUBJECT_PREFIXES[:PREFIXES], start=1):
        value = prefixes[number - 1]
        at = Bucket(FieldColumn(name, descending), 0, {"gte": value}, {"lt": value + 1})
        is_last = number == PREFIXES
        ways += [all_of([*equal, clause]) for clause in ((at.before, at.clause) if is_last else (at.before,)) if clause]
        equal.append(at.clause)
    return any_of(*ways)
