"""Near pages of orders whose first keys have few values, such as the status: where the page ends is remembered.

The first page by status would sort all that match, for the first of them by status. But all of the page stands before
some values (none does, for most first pages) or at these values (most are active, and the newest of these are found
without sorting the others). So it is enough to ask for the first documents before the remembered values, and for the
first ones at these, which go on by the next key. Together they are the beginning of the order, whatever was written
since: where they are too few for the page, more is asked.
"""

from __future__ import annotations

from collections.abc import Sequence

from service.conversation import sort_key_prefixes
from service.query.fields import LARGEST_NUMBER
from service.search.paging.buckets import Bucket, FieldColumn
from service.search.paging.order import SUBJECT_PREFIXES, Key
from service.search.paging.rank_cache import SortValues
from service.search.paging.slices import Slice
from service.search.subject_clauses import Clause, all_of, any_of

FARTHEST = 200  # the last rank of a near page: so many items are asked for twice
WORTH_IT = 5_000  # matches; fewer are sorted faster than a point in time is opened
PREFIXES = 2  # of the subject's key that bound a page; 6 bytes each


def is_worth_it(keys: Sequence[Key], rank: int, total: int) -> bool:
    """Whether it pays to remember the end of a page that ends at this rank. Pages by date are cheap as they are."""
    return rank <= FARTHEST and total >= WORTH_IT and keys[0].weight != "date"


def slices_up_to(keys: Sequence[Key], end: SortValues, rank: int) -> tuple[Slice, ...]:
    """Slices that are, one behind the other, the beginning of the order; of a page that ended at these sort values.

    Each has at most `rank` documents. There is none if the values bound nothing.
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
    """The value; None for the number that OpenSearch answers where there is none: the least or greatest of a type.

    No number with one step is negative, or greater than the greatest `integer`. That one may also be a value, and then
    the slices hold more than they need to.
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
    """The subjects up to this key and some more: those up to the beginning of the key."""
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
