"""Parses the texts of parameters. Each function raises ValueError, and its text says what is allowed."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar
from zoneinfo import ZoneInfo

from service.conversation import parse_uuid
from service.message_texts import choice_of, nearest
from service.query.addresses import address_in
from service.query.conditions import MAX_SEARCH_CHARACTERS, Missing, Node, Not, OneOf
from service.query.conversation_query import CURSOR_START, MAX_CURSOR_CHARACTERS, MAX_SORTS, Sort
from service.query.fields import ANY, FACET_FIELDS, NONE, RELEVANCE, SORT_FIELDS, Operator, with_presence
from service.query.numbers import number
from service.query.query_string import quoted
from service.query.time_bounds import UTC_ZONE, Limit, parse_when
from service.text import check_plain_length, has_words, trimmed

Choice = TypeVar("Choice", bound=str)

MAX_VALUES = 100

# A name in double quotes, in which a quotation mark is doubled.
_QUOTED = re.compile(r'(?:(?<=,)|^)\s*+"(?:[^"]|"")*+"')
_CURSOR = re.compile(rf"\*|[A-Za-z0-9_-]{{1,{MAX_CURSOR_CHARACTERS}}}", re.ASCII)


_BOOLEANS = {
    **dict.fromkeys(("true", "yes", "y", "on", "1", "t"), "true"),
    **dict.fromkeys(("false", "no", "n", "off", "0", "f"), "false"),
}  # what callers write instead, with the right value for the message


def boolean(text: str) -> bool:
    if text not in ("true", "false"):
        near = _BOOLEANS.get(text.strip().lower())
        raise ValueError(f"must be true or false{f'; did you mean {near}?' if near else ''}")
    return text == "true"


def one_of(text: str, allowed: tuple[Choice, ...]) -> Choice:
    for choice in allowed:
        if choice == text:
            return choice
    raise ValueError(f"must be {choice_of(allowed)}{nearest(text.lower(), allowed)}")


def names(text: str) -> tuple[str, ...]:
    """Parses names with commas between (RFC 4180). A name with a comma needs double quotes; a quote in it is doubled.

    In double quotes, none and any are names.
    """
    for part in map(trimmed, _QUOTED.sub('""', text).split(",")):
        if part in (NONE, ANY):
            raise ValueError(
                f'must have only names: write "{part}" if it is a name, or use {part} alone, without [in], [nin] or !'
            )
    try:
        rows = list(csv.reader([trimmed(text)], strict=True, skipinitialspace=True))
    except csv.Error:
        rows = []
    if len(rows) != 1:
        raise ValueError(
            'must be names with commas between, and double quotes around a name with a comma, as in "a, b",c'
        )
    names = [trimmed(name) for name in rows[0]]
    if not names or not all(names):
        raise ValueError("has an empty name")
    if len(names) > MAX_VALUES:
        raise ValueError(f"must have at most {MAX_VALUES} names")
    return tuple(dict.fromkeys(names))


def addresses(text: str) -> tuple[str, ...]:
    """Parses addresses with commas between. Of a name with its address, Ada <ada@example.com>, it takes the address."""
    return tuple(dict.fromkeys(address_in(name) for name in names(text)))


def no_value(*others: str) -> Callable[[str], str]:
    """A parser for a parameter that takes only none and any. `others` are the parameters that take values instead."""

    meant = " or ".join(filter(None, (", ".join(others[:-1]), others[-1])))

    def parse(_text: str) -> str:
        raise ValueError(f"takes only {NONE} or {ANY}; did you mean {meant}?")

    return parse


def search(text: str) -> str:
    if not text.strip():
        raise ValueError("must have a word to search for")
    if len(text) > MAX_SEARCH_CHARACTERS:
        raise ValueError(f"must have at most {MAX_SEARCH_CHARACTERS} characters")
    check_plain_length(text)
    return text


def sort(text: str) -> Sort:
    name = text.removeprefix("-")
    field = next((field for field in SORT_FIELDS if field == name), None)
    if field is None:
        near = nearest(name.lower(), SORT_FIELDS)
        unknown = f"has {quoted(name)}, which is no key: it " if name else "has an empty key: it "
        raise ValueError(f"{unknown}must be one of {', '.join(SORT_FIELDS)}, with - in front for descending{near}")
    if field == RELEVANCE and text.startswith("-"):
        raise ValueError(f"{RELEVANCE} takes no -: the best matches always come first")
    return Sort(field, descending=text.startswith("-") or field == RELEVANCE)


def begun(text: str) -> str:
    if not has_words(text):
        raise ValueError("must have the beginning of a word")
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


def cursor(text: str) -> str:
    if not _CURSOR.fullmatch(text):
        raise ValueError(f"must be {CURSOR_START} for the start, or the pagination.next_cursor of an answer")
    return text


def presence(field: str, text: str) -> Node | None:
    """The condition for none (without a value) or any (with a value); None for any other text."""
    return Missing(field) if text == NONE else Not(Missing(field)) if text == ANY else None


def or_presence(field: str, parse: Callable[[str], Node]) -> Callable[[str], Node]:
    """A function that parses none, any, or what `parse` accepts."""

    def parsed(text: str) -> Node:
        found = presence(field, text)
        try:
            return parse(text) if found is None else found
        except ValueError as error:
            parts = list(map(trimmed, text.split(",")))
            if str(error).startswith("must be ") and len(parts) > 1 and not {NONE, ANY}.isdisjoint(parts):
                raise ValueError(f"must be {NONE} or {ANY} alone, or a list without them") from None
            raise ValueError(with_presence(str(error))) from None

    return parsed


def uids(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(str(parse_uuid(part)) for part in text.split(",")))


def any_name_of(allowed: tuple[str, ...]) -> Callable[[str], tuple[str, ...]]:
    def parse(text: str) -> tuple[str, ...]:
        for part in text.split(","):
            if part not in allowed:
                near = nearest(part.strip().lower(), allowed)
                raise ValueError(f"must be any of {', '.join(allowed)}, with commas between; not {quoted(part)}{near}")
        return tuple(dict.fromkeys(text.split(",")))

    return parse


def condition(field: str, parse: Callable[[str], tuple[str, ...]], *, negated: bool = False) -> Callable[[str], Node]:
    def parsed(text: str) -> Node:
        given = parse(text)
        if len(given) > MAX_VALUES:
            raise ValueError(f"must have at most {MAX_VALUES} values")
        found = OneOf(field, given)
        return Not(found) if negated else found

    return parsed


def single_condition(field: str, parse: Callable[[str], str | bool | int]) -> Callable[[str], Node]:
    return lambda text: OneOf(field, (parse(text),))


def time_bound(field: str, operator: Operator) -> Callable[[str], Bound]:
    def parse(text: str) -> Bound:
        parse_when(text, UTC_ZONE)  # only to find problems; the zone comes from another parameter
        return Bound(field, operator, text, lambda zone: parse_when(text, zone).bound(operator))

    return parse


def number_bound(field: str, operator: Operator) -> Callable[[str], Bound]:
    def parse(text: str) -> Bound:
        limit = number(text)
        return Bound(field, operator, text, lambda _zone: (operator, limit))

    return parse


@dataclass(frozen=True, slots=True)
class Bound:
    """One bound of a time or a number. `limit` computes it in the request's time zone."""

    field: str
    operator: Operator
    text: str
    limit: Callable[[ZoneInfo], tuple[Operator, Limit]]


def facets(text: str) -> tuple[str, ...]:
    return any_name_of(FACET_FIELDS)(text)


MAX_SUGGEST_CHARACTERS = 100
