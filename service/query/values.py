"""Texts of parameters -> values. Each function raises ValueError saying what is allowed."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from service.conversation import STATUSES, parse_uuid
from service.query import time_bounds
from service.query.conditions import ANY, NONE, DateField, Field, Missing, Node, Not, OneOf
from service.query.conversation_query import (
    CURSOR_START,
    FACET_FIELDS,
    MAX_CURSOR_CHARACTERS,
    MAX_SEARCH_CHARACTERS,
    MAX_SORTS,
    RELEVANCE,
    SORT_FIELDS,
    Sort,
)
from service.query.query_string import nearest, quoted
from service.text import check_plain_length, has_words

MAX_VALUES = 100

_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_CURSOR = re.compile(rf"\*|[A-Za-z0-9_-]{{1,{MAX_CURSOR_CHARACTERS}}}", re.ASCII)


def boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def one_of(text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise ValueError(f"must be {' or '.join(allowed)}")
    return text


def statuses(text: str) -> tuple[str, ...]:
    given = text.split(",")
    wrong = [value for value in given if value not in STATUSES]
    if wrong:
        raise ValueError(f"must be any of {', '.join(STATUSES)}, with commas between; not {quoted(wrong[0])}")
    return tuple(dict.fromkeys(given))


def categories(text: str) -> tuple[str, ...]:
    """RFC 4180: a name with a comma stands in double quotes, and a double quote inside those is doubled."""
    try:
        rows = list(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error:
        rows = []
    if len(rows) != 1:
        raise ValueError('must be names with commas between; a name with a comma stands in double quotes: "a, b",c')
    names = [name.strip() for name in rows[0]]
    if not names or not all(names):
        raise ValueError("holds an empty name")
    if len(names) > MAX_VALUES:
        raise ValueError(f"must hold at most {MAX_VALUES} names")
    return tuple(dict.fromkeys(names))


def names(text: str) -> tuple[str, ...]:
    """Names as `categories` reads them; none and any are no names, but in double quotes."""
    for part in map(str.strip, text.split(",")):
        if part in (NONE, ANY):
            raise ValueError(f'must hold names only: {part} stands alone, and a name like it is written "{part}"')
    return categories(text)


def search(text: str) -> str:
    if not text.strip():
        raise ValueError("must hold a word to search for")
    if len(text) > MAX_SEARCH_CHARACTERS:
        raise ValueError(f"must have at most {MAX_SEARCH_CHARACTERS} characters")
    check_plain_length(text)
    return text


def sort(text: str) -> Sort:
    name = text.removeprefix("-")
    field = next((field for field in SORT_FIELDS if field == name), None)
    if field is None:
        raise ValueError(
            f"must be one of {', '.join(SORT_FIELDS)}, with - in front for descending{nearest(name, SORT_FIELDS)}"
        )
    if field == RELEVANCE and text.startswith("-"):
        raise ValueError(f"{RELEVANCE} has no -: the best come first")
    return Sort(field, descending=text.startswith("-") or field == RELEVANCE)


def begun(text: str) -> str:
    if not has_words(text):
        raise ValueError("must hold the beginning of a word")
    if len(text) > MAX_SUGGEST_CHARACTERS:
        raise ValueError(f"must have at most {MAX_SUGGEST_CHARACTERS} characters")
    return text


def sorts(text: str) -> tuple[Sort, ...]:
    sorts = tuple(sort(part) for part in text.split(","))
    if len(sorts) > MAX_SORTS:
        raise ValueError(f"must name at most {MAX_SORTS} keys")
    if len({sort.field for sort in sorts}) < len(sorts):
        raise ValueError("must name each key once")
    return sorts


def integer(lowest: int, highest: int, allowed: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"must be a whole number {allowed}")
        if len(text) > 20 or not lowest <= int(text) <= highest:
            raise ValueError(f"must be {allowed}")
        return int(text)

    return parse


def cursor(text: str) -> str:
    if not _CURSOR.fullmatch(text):
        raise ValueError(f"must be {CURSOR_START} for the start, or the pagination.next_cursor of an answer")
    return text


def presence(field: Field, text: str) -> Node | None:
    """none: those without a value; any: those with one."""
    return Missing(field) if text == NONE else Not(Missing(field)) if text == ANY else None


def or_presence(field: Field, parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """The parameter's own values, and none and any, which become conditions."""

    def parsed(text: str) -> Any:
        found = presence(field, text)
        try:
            return parse(text) if found is None else found
        except ValueError as error:
            raise ValueError(f"{error}, or {NONE} or {ANY}") from None

    return parsed


def uids(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(parse_uuid(part)) for part in text.split(",")))


def any_name_of(allowed: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        for part in text.split(","):
            if part not in allowed:
                raise ValueError(f"must be any of {', '.join(allowed)}, with commas between; not {quoted(part)}")
        return tuple(dict.fromkeys(text.split(",")))

    return parse


def condition(field: Field, parse: Callable[[str], tuple[str, ...]], *, negated: bool = False) -> Callable[[str], Node]:
    def parsed(text: str) -> Node:
        given = parse(text)
        if len(given) > MAX_VALUES:
            raise ValueError(f"must hold at most {MAX_VALUES} values")
        found = OneOf(field, given)
        return Not(found) if negated else found

    return parsed


def flag(field: Field) -> Callable[[str], Node]:
    return lambda text: OneOf(field, (boolean(text),))


def dated(field: DateField, operator: time_bounds.Operator) -> Callable[[str], Dated]:
    def parse(text: str) -> Dated:
        time_bounds.parse_when(text, time_bounds.UTC_ZONE)  # for its problems: the zone is another parameter
        return Dated(field, operator, text)

    return parse


@dataclass(frozen=True, slots=True)
class Dated:
    """A bound whose date is a day of the request's time zone."""

    field: DateField
    operator: time_bounds.Operator
    text: str

    def bound(self, zone: ZoneInfo) -> tuple[time_bounds.Operator, time_bounds.Moment]:
        return time_bounds.parse_when(self.text, zone).bound(self.operator)


def facets(text: str) -> tuple[str, ...]:
    return any_name_of(FACET_FIELDS)(text)


MAX_SUGGEST_CHARACTERS = 100
