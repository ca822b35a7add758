"""Divides an order into keys, and each key into the steps that count it, in ever finer buckets.

All fields but the subject's own key are numbers. The widths of their buckets are powers of two, so that a histogram
counts them exactly (it calculates with doubles, of 53 bits).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from service.query.conversation_query import Sort
from service.query.fields import FIELDS_BY_NAME, RELEVANCE, SORT_KEYS
from service.search.paging.buckets import FieldColumn, Step
from service.search.paging.steps import Numbers, Scores, Texts
from service.search.paging.tiers import Tiers

DATE_WIDTHS = (29, 20, 10, 0)  # 6 days, 17 minutes, 1 second, 1 millisecond
WIDEST_DATE = 33  # 99 days: 36,700 buckets for all the years from 1 to 9999
WIDER_NUMBERS = (8, 16, 24)  # of 31 bits
PREFIX_WIDTHS = (32, 16, 0)  # two bytes of UTF-8 a step
UID_WIDTHS = (40, 32, 24, 16, 8, 0)
SUBJECT_PREFIXES = tuple(f"order.subject_{number}" for number in range(1, 5))
UID_PARTS = (("order.uid_1", UID_WIDTHS), ("order.uid_2", UID_WIDTHS), ("order.uid_3", UID_WIDTHS[2:]))

Weight = Literal["date", "number", "text", "score"]
"""The kind of a key, which decides its cost with from/size. The most expensive key decides the cost of an order."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key of the order. Documents that its steps cannot divide are equal by it."""

    name: str
    descending: bool
    weight: Weight
    steps: tuple[Step, ...]
    is_tie_break: bool = False


def keys_of(sorts: Sequence[Sort], tiers: Tiers | None = None) -> tuple[Key, ...]:
    """The keys of an order with its tie-breaks, as `compile_sort` has them. An order by relevance needs the tiers."""
    keys = [_key(sort, tiers) for sort in sorts]
    if all(sort.field != "updated_on" for sort in sorts):
        keys.append(replace(_key(Sort("updated_on"), None), is_tie_break=True))
    return (*keys, *(_uid_part(*part) for part in UID_PARTS))


def weight_of(sort: Sort) -> Weight:
    """The weight of the key that this sort makes."""
    if sort.field == RELEVANCE:
        return "score"
    kind = FIELDS_BY_NAME[sort.field].kind
    return "text" if kind == "text" else "date" if kind == "time" else "number"


def _key(sort: Sort, tiers: Tiers | None) -> Key:
    if sort.field == RELEVANCE:
        if tiers is None:
            raise ValueError("an order by relevance needs its tiers")
        return Key(sort.field, True, "score", (Scores(tiers, tiers.sums[0]),))
    name, descending = SORT_KEYS[sort.field], sort.descending
    match FIELDS_BY_NAME[sort.field].kind:
        case "text":
            prefixes = [FieldColumn(prefix, descending) for prefix in SUBJECT_PREFIXES]
            counts = [Numbers(column, width, is_crowded=True) for column in prefixes for width in PREFIX_WIDTHS]
            return Key(sort.field, descending, "text", (*counts, Texts(FieldColumn(name, descending, "text"))))
        case "time":
            first, *finer = (Numbers(FieldColumn(name, descending, "date"), width) for width in DATE_WIDTHS)
            return Key(sort.field, descending, "date", (Numbers(first.column, first.width, (WIDEST_DATE,)), *finer))
        case "boolean":
            return Key(sort.field, descending, "number", (Numbers(FieldColumn(name, descending, "boolean"), 0),))
        case _:
            return Key(sort.field, descending, "number", (Numbers(FieldColumn(name, descending), 0, WIDER_NUMBERS),))


def _uid_part(name: str, widths: tuple[int, ...]) -> Key:
    return Key(name, False, "number", tuple(Numbers(FieldColumn(name), width) for width in widths), is_tie_break=True)
