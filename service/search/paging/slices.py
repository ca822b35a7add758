"""Slices: the parts of a page. `from` and `size` reach each of them cheaply."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from service.search.clauses import Clause
from service.search.paging.buckets import Bucket, Step, together

Narrowing = tuple[Clause, ...]


@dataclass(frozen=True, slots=True)
class Slice:
    """`size` documents from `start` among those that match `narrowing`. With `reverse`, counted from the end.

    All documents that match `narrowing` are equal by the first `fixed` keys of the order.
    """

    narrowing: Narrowing
    start: int
    size: int
    fixed: int = 0
    reverse: bool = False


def nearer(narrowing: Narrowing, start: int, size: int, *, count: int, fixed: int = 0) -> Slice:
    """These documents, read from whichever end is nearer to them."""
    behind = count - start - size
    return Slice(narrowing, min(start, behind), size, fixed, reverse=behind < start)


def crossing(
    narrowing: Narrowing, buckets: Sequence[Bucket], start: int, size: int, *, steps: tuple[Step, ...], fixed: int
) -> tuple[Slice, ...]:
    """A page that begins in the first bucket, at `start`, and goes on in the next ones.

    It is the end of the first bucket, read backward; the next ones together; and those without a value.
    """
    first, *rest = buckets
    inside = first.count - start
    slices = [Slice((*narrowing, first.clause), 0, inside, _fixed(first, fixed), reverse=True)]
    size -= inside
    for bucket in together(_needed(rest, size), steps):
        slices.append(Slice((*narrowing, bucket.clause), 0, min(size, bucket.count), _fixed(bucket, fixed)))
        size -= bucket.count
    return tuple(slices)


def _fixed(bucket: Bucket, fixed: int) -> int:
    return fixed if bucket.inside else fixed + 1


def _needed(buckets: Sequence[Bucket], size: int) -> list[Bucket]:
    """As many of the first buckets as are needed for `size` documents."""
    needed: list[Bucket] = []
    for bucket in buckets:
        if size <= 0:
            break
        needed.append(bucket)
        size -= bucket.count
    return needed
