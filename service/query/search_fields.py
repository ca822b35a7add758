"""The fields of the search syntax, made from the registry of fields, and how their values become conditions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from service.conversation import parse_uuid
from service.query.addresses import address_in
from service.query.conditions import Between, Missing, Node, Not, OneOf, Person, Words
from service.query.fields import ANY, FIELDS, NONE, Field, Kind, Operator, shown_words, states_of, with_presence
from service.query.numbers import parse_number_span
from service.query.search_hints import choice_meant, state_meant
from service.query.time_bounds import TIMES_ALLOWED, check_order, parse_span, parse_when
from service.text import has_words, trimmed

Make = Callable[[str, bool, ZoneInfo], Node]


@dataclass(frozen=True, slots=True)
class SearchField:
    """One field of the search syntax. `condition` makes the node for a value, or raises ValueError.

    `kind` is the kind of the field's values. It is None for is: and has:.
    """

    name: str
    condition: Make
    description: str
    kind: Kind | None = None
    takes_times: bool = False

    @property
    def takes_any_text(self) -> bool:
        return self.kind in ("address", "name", "text")


def _presence(row: Field, value: str) -> Node:
    return Missing(row.name) if value == NONE else Not(Missing(row.name))


def _choice(row: Field) -> Make:
    def make(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
        value = text.lower()
        if value in (NONE, ANY):
            return _presence(row, value)
        if value not in row.choices:
            raise ValueError(f"must be one of {', '.join((*row.choices, NONE, ANY))}{choice_meant(value, row)}")
        return OneOf(row.name, (value,))

    return make


def _uid(row: Field) -> Make:
    def make(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
        if text.lower() in (NONE, ANY):
            return _presence(row, text.lower())
        try:
            return OneOf(row.name, (str(parse_uuid(text)),))
        except ValueError as error:
            raise ValueError(with_presence(str(error))) from None

    return make


def _name(row: Field) -> Make:
    def make(text: str, quoted: bool, _zone: ZoneInfo) -> Node:
        if not quoted and text.lower() in (NONE, ANY):
            return _presence(row, text.lower())
        if not trimmed(text):
            raise ValueError("must have a value")
        return OneOf(row.name, (trimmed(text),), any_case=not quoted and bool(row.any_case))

    return make


def _number(row: Field) -> Make:
    def make(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
        if text.lower() in (NONE, ANY):
            return _presence(row, text.lower())
        try:
            found = parse_number_span(text)
        except ValueError as error:
            raise ValueError(with_presence(str(error))) from None
        return OneOf(row.name, (found,)) if isinstance(found, int) else Between(row.name, found)

    return make


def _address(row: Field) -> Make:
    def make(text: str, quoted: bool, _zone: ZoneInfo) -> Node:
        if not quoted and text.lower() in (NONE, ANY):
            return _presence(row, text.lower())
        if not has_words(text):
            raise ValueError("must be an address, or a part of one or of a name")
        return Person(row.syntax.name if row.syntax is not None else row.name, address_in(text))

    return make


def _text(_row: Field) -> Make:
    def make(text: str, quoted: bool, _zone: ZoneInfo) -> Node:
        if not has_words(text):
            raise ValueError("must have a word")
        if quoted:
            return Words(text, "phrase", stems=False)
        return Words(text[:-1], "prefix") if text.endswith("*") else Words(text)

    return make


def _span(row: Field) -> Make:
    def make(text: str, _quoted: bool, zone: ZoneInfo) -> Node:
        if row.plain is not None and text.lower() in (NONE, ANY):
            return _presence(row, text.lower())
        return Between(row.name, parse_span(text, zone))

    return make


def _bound(row: Field, operator: Operator) -> Make:
    def make(text: str, _quoted: bool, zone: ZoneInfo) -> Node:
        bounds = (parse_when(text, zone).bound(operator),)
        check_order(bounds)
        return Between(row.name, bounds)

    return make


def _state(prefix: str, states: Mapping[str, tuple[Field, bool | str]]) -> SearchField:
    """The field `is` or `has`, with the words that may follow it."""
    shown = shown_words(states, prefix)

    def make(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
        if text.lower() not in states:
            several = "one of " if len(shown) > 1 else ""
            raise ValueError(f"must be {several}{', '.join(shown)}{state_meant(text.lower(), shown)}")
        row, value = states[text.lower()]
        return OneOf(row.name, (value,)) if isinstance(value, bool) else _presence(row, value)

    return SearchField(prefix, make, ", ".join(shown))


def _described_name(row: Field) -> str:
    case = ", in any case; as written in quotes, which spaces and commas need"
    return f"{_described(row)}{case if row.any_case else ', in quotes where it has spaces or commas'}; none or any"


def _described(row: Field) -> str:
    return row.syntax.description if row.syntax is not None else ""


_TIME_SPAN = f"{TIMES_ALLOWED}, or two of these with .. between"
_BOUND_DESCRIPTIONS: dict[Operator, str] = {
    "gte": "from the start of a date, a time, or so long ago",
    "lt": "before the start of a date, a time, or so long ago",
}
_KINDS: dict[Kind, tuple[Callable[[Field], Make], Callable[[Field], str]]] = {
    "address": (_address, lambda row: f"{_described(row)}; none or any"),
    "choice": (_choice, lambda row: f"{', '.join(row.choices)}, none or any"),
    "uid": (_uid, lambda row: f"{_described(row)}, none or any"),
    "name": (_name, _described_name),
    "number": (
        _number,
        lambda row: f"{_described(row)}: a whole number, or a span such as 5..10, 5.. or ..10; none or any",
    ),
    "text": (_text, _described),
    "time": (
        _span,
        lambda row: f"{row.name} within {_TIME_SPAN}{'; none or any' if row.plain is not None else ''}",
    ),
}
_VALUE_KINDS: tuple[Kind, ...] = ("address", "uid", "choice", "name", "number")


def search_fields(fields: Sequence[Field]) -> tuple[SearchField, ...]:
    """Every name that may come before a colon: fields with values, states, the subject, and times."""
    values = [one for kind in _VALUE_KINDS for one in _of_kind(fields, kind)]
    states = [_state(prefix, words) for prefix, words in states_of(fields).items()]
    return (*values, *states, *_of_kind(fields, "text"), *_bounds(fields), *_of_kind(fields, "time"))


def _of_kind(fields: Sequence[Field], kind: Kind) -> list[SearchField]:
    make, describe = _KINDS[kind]
    return [
        SearchField(row.syntax.name, make(row), describe(row), kind, takes_times=kind == "time")
        for row in fields
        if row.kind == kind and row.syntax is not None
    ]


def _bounds(fields: Sequence[Field]) -> list[SearchField]:
    """Names such as after:, before: and on:, which are bounds of a time."""
    return [
        SearchField(
            name,
            _span(row) if operator is None else _bound(row, operator),
            f"{row.name} {f'within {_TIME_SPAN}' if operator is None else _BOUND_DESCRIPTIONS[operator]}",
            takes_times=True,
        )
        for row in fields
        if row.syntax is not None
        for name, operator in row.syntax.bounds.items()
    ]


SEARCH_FIELDS: tuple[SearchField, ...] = search_fields(FIELDS)
SEARCH_FIELDS_BY_NAME = {field.name: field for field in SEARCH_FIELDS}


def check_unquoted(value: str, *, is_first: bool) -> None:
    """Raises ValueError for an open bracket or an empty value: the list probably continues after a space."""
    if value.startswith("(") and value.count("(") > value.count(")"):
        raise ValueError("takes no brackets: write commas between values, without spaces, or quote a value with spaces")
    if not value and not is_first:
        raise ValueError("has a comma without a value after it: write values without spaces")


def check_list(known: SearchField, nodes: list[Node]) -> None:
    """Raises ValueError if a list has none or any together with another value, as the parameters do."""
    if (
        known.kind is not None
        and len(nodes) > 1
        and any(isinstance(node.node if isinstance(node, Not) else node, Missing) for node in nodes)
    ):
        raise ValueError(f"{NONE} and {ANY} must stand alone")
