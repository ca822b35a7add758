"""Makes parameters from the registry of fields: plain ones, [in], [nin], ! and bounds."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from service.conversation import parse_uuid
from service.query import values
from service.query.conditions import Node
from service.query.fields import ANY, LARGEST_NUMBER, NONE, OPERATORS, Field, Kind, Operator, Plain
from service.query.numbers import NUMBER_ALLOWED, number
from service.query.query_string import Parameter, Schema
from service.query.time_bounds import TIMES_ALLOWED

TEXT_SCHEMA = {"type": "string", "minLength": 1}
FLAG_SCHEMA = {"type": "boolean"}
UUID_SCHEMA = {"type": "string", "format": "uuid"}
_NUMBER_SCHEMA = {"type": "integer", "minimum": 0, "maximum": LARGEST_NUMBER}

_LIST_READERS: dict[Kind, Callable[[Field], Callable[[str], tuple[str, ...]]]] = {
    "choice": lambda row: values.any_name_of(row.choices),
    "name": lambda _row: values.names,
    "address": lambda _row: values.addresses,
    "uid": lambda _row: values.uids,
}
_READERS: dict[Kind, Callable[[Field], Callable[[str], str | bool | int]]] = {
    "boolean": lambda _row: values.boolean,
    "choice": lambda row: lambda text: values.one_of(text, row.choices),
    "uid": lambda _row: lambda text: str(parse_uuid(text)),
    "number": lambda _row: number,
    "time": lambda row: values.no_value(*(f"{row.name}[{operator}]" for operator in OPERATORS)),
    "text": lambda _row: values.no_value("search"),
}
_LISTED: dict[Kind, tuple[str, ...]] = {"boolean": ("true", "false")}  # as texts, beside none and any
_SCHEMAS: dict[Kind, Schema] = {"uid": UUID_SCHEMA, "number": _NUMBER_SCHEMA}

_BOUND_MEANINGS: dict[Kind, dict[Operator, str]] = {
    "time": {"gte": "at or after", "gt": "after", "lte": "at or before", "lt": "before"},
    "number": {"gte": "at least", "gt": "more than", "lte": "at most", "lt": "less than"},
}
_BOUNDS_ALLOWED: dict[Kind, str] = {"time": TIMES_ALLOWED, "number": f"a whole number {NUMBER_ALLOWED}"}
_BOUND_SCHEMAS: dict[Kind, Schema] = {"time": TEXT_SCHEMA, "number": _NUMBER_SCHEMA}


def list_of(items: Schema, most: int = values.MAX_VALUES) -> Schema:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def any_of(names: Sequence[str]) -> Schema:
    return list_of({"type": "string", "enum": list(names)})


def plain_parameters(fields: Sequence[Field], *, is_contract: bool) -> list[Parameter[Node]]:
    """The parameters with the names of fields: those of the contract, or the others."""
    return [
        Parameter(
            row.name, row.name, _plain_reader(row, plain), _plain_schema(row, plain), plain.description, plain.example,
        )
        for row in fields
        if (plain := row.plain) is not None and plain.is_contract == is_contract
    ]  # fmt: skip


def _plain_reader(row: Field, plain: Plain) -> Callable[[str], Node]:
    if plain.is_list:
        read = values.condition(row.name, _LIST_READERS[row.kind](row))
    else:
        read = values.single_condition(row.name, _READERS[row.kind](row))
    return values.or_presence(row.name, read) if plain.presence else read


def _plain_schema(row: Field, plain: Plain) -> Schema:
    one = _value_schema(row, presence=plain.presence)
    return list_of(one) if plain.is_list else one


def _value_schema(row: Field, *, presence: bool) -> Schema:
    """The schema of one value. With `presence`, none and any are allowed too."""
    if listed := _LISTED.get(row.kind, row.choices):
        return {"type": "string", "enum": [*listed, *((NONE, ANY) if presence else ())]}
    if row.kind in ("time", "text"):
        return {"type": "string", "enum": [NONE, ANY]}
    return TEXT_SCHEMA if presence else _SCHEMAS.get(row.kind, TEXT_SCHEMA)


def list_parameters(fields: Sequence[Field]) -> list[Parameter[Node]]:
    """The parameters with [in], [nin] and !. Conversations without a value match [nin] and !.

    `!` is not in the OpenAPI document: it means the same as [nin], and generators would give both the same name.
    """
    ways = (("[in]", False, "any of these"), ("[nin]", True, "none of these"), ("!", True, "none of these, as [nin]"))
    return [
        Parameter(
            f"{row.name}{sign}", f"{row.name}{sign}",
            values.condition(row.name, _LIST_READERS[row.kind](row), negated=negated),
            list_of(_value_schema(row, presence=False)), f"{means}, with commas between",
            lists.excluded if negated else lists.included, documented=sign != "!",
        )
        for row in fields
        if (lists := row.lists) is not None
        for sign, negated, means in ways
    ]  # fmt: skip


def bound_parameters(fields: Sequence[Field]) -> list[Parameter[values.Bound]]:
    """The parameters with [gte], [gt], [lte] and [lt], for times and numbers."""
    readers: dict[Kind, Callable[[str, Operator], Callable[[str], values.Bound]]] = {
        "time": values.time_bound,
        "number": values.number_bound,
    }
    return [
        Parameter(
            f"{row.name}[{operator}]", f"{row.name}[{operator}]", readers[row.kind](row.name, operator),
            _BOUND_SCHEMAS[row.kind],
            f"{row.name} {_BOUND_MEANINGS[row.kind][operator]}: {_BOUNDS_ALLOWED[row.kind]}", row.bounds[operator],
        )
        for row in fields
        if row.bounds
        for operator in OPERATORS
    ]  # fmt: skip
