"""Parses a query string with a table of parameters, and collects every problem.

Nothing is ignored: an unknown name, an invalid value, or a repeated single value is a problem. A parameter that takes a
list may be repeated: `status=a&status=b` means `status=a,b`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, ItemsView, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar, cast
from urllib.parse import unquote_to_bytes

from service.errors import InvalidQuery, Problem
from service.message_texts import counted, nearest
from service.query.fields import FIELDS_BY_NAME

MAX_QUERY_BYTES = 65_536
MAX_PARAMETERS = 1_000  # pairs of name and value; a list may have one pair for each value
MAX_PROBLEMS = 20  # in one answer
LONGEST_NAME = 40  # characters of an unknown name for which a similar one is suggested; real names are shorter
SHOWN_CHARACTERS = 200  # of an invalid value, in its error
MOST_NAMES_SHOWN = 14

_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")


Value = TypeVar("Value")
Value_co = TypeVar("Value_co", covariant=True)
Default = TypeVar("Default")
Schema = Mapping[str, object]
"""A JSON Schema."""


@dataclass(frozen=True, slots=True)
class Parameter(Generic[Value_co]):
    """One parameter: how its text is parsed, and its documentation.

    `parse` raises ValueError, and its text says what is allowed. `schema` is the JSON Schema of the value; if its type
    is an array, the parameter takes a list. `example` is written as in a query string. A parameter that is not
    `documented` works, but is not in the OpenAPI document.
    """

    name: str
    field: str
    parse: Callable[[str], Value_co]
    schema: Schema
    description: str
    example: str
    documented: bool = True
    required: bool = False

    @property
    def is_list(self) -> bool:
        return bool(self.schema["type"] == "array")

    def value_of(self, given: list[str]) -> Value_co:
        """The value of all texts given for this parameter. Raises ValueError.

        Each text is also parsed alone, so that a quotation in one text cannot end in the next.
        """
        if len(given) > 1:
            if not self.is_list:
                raise ValueError("is given more than once")
            for text in given:
                self.parse(text)
        return self.parse(",".join(given))


Known = Sequence[Parameter[object]]
"""The parameters of a route."""


class Values:
    """The parsed values of a request, by parameter."""

    def __init__(self, found: dict[str, object]) -> None:
        self._found = found

    def __contains__(self, parameter: Parameter[object]) -> bool:
        return parameter.field in self._found

    def get(self, parameter: Parameter[Value], default: Default) -> Value | Default:
        """The value of this parameter, or the default if it was not given."""
        return cast(Value, self._found[parameter.field]) if parameter in self else default

    def items(self) -> ItemsView[str, object]:
        """The values by the names of their fields, in the order of the request."""
        return self._found.items()


def parse_values(query_string: bytes, known: Known) -> Values:
    """The values of a request without an organization. Raises InvalidQuery with every problem found."""
    values, problems = values_of(query_string, known)
    if problems:
        raise InvalidQuery(first_of(problems))
    return values


def first_of(problems: list[Problem]) -> list[Problem]:
    """The first MAX_PROBLEMS problems, and the number of the others."""
    more = len(problems) - MAX_PROBLEMS
    if more <= 0:
        return problems
    return [*problems[:MAX_PROBLEMS], Problem("query string", f"has {counted(more, 'more problem')}")]


def _near(name: str, known: tuple[str, ...]) -> str:
    """The hint about an unknown name. For created_on[from], it lists created_on[gt], created_on[gte] and so on."""
    field = name.partition("[")[0]
    forms = [one for one in known if one.startswith(f"{field}[")]
    if f"{field}[gte]" not in forms:
        plain = field.rstrip("!")
        return _without_forms(plain) if name != plain and not forms and plain in known else nearest(name, known)
    return f"; did you mean {', '.join(forms[:-1])} or {forms[-1]}?"


def _without_forms(name: str) -> str:
    """The hint about label[nin], if `label` has no such forms: the parameter itself, and how q excludes a value."""
    row = FIELDS_BY_NAME.get(name)
    out = f"; q=-{row.syntax.name}:VALUE leaves one out" if row is not None and row.syntax is not None else ""
    return f"; did you mean {name}?{out}"


def values_of(query_string: bytes, known: Known) -> tuple[Values, list[Problem]]:
    by_name = {parameter.name: parameter for parameter in known}
    pairs, problems = _pairs(query_string)
    values: dict[str, object] = {}
    is_listed = False  # the list of all names appears once in an answer
    for name, given in pairs.items():
        parameter = by_name.get(name)
        if parameter is None:
            is_compared = len(name) <= LONGEST_NAME and len(problems) < MAX_PROBLEMS
            near = _near(name.lower(), tuple(by_name)) if is_compared else ""
            if not near and not is_listed:
                near, is_listed = _names(tuple(by_name)), True
            problems.append(Problem(shown(name), f"is not a parameter{near}", shown(given[0])))
        else:
            try:
                values[parameter.field] = parameter.value_of(given)
            except ValueError as error:
                problems.append(Problem(name, str(error), shown(" & ".join(given))))
    return Values(values), problems


def no_parameters(query_string: bytes) -> None:
    """For routes without parameters. Raises InvalidQuery with every parameter that was given."""
    pairs, problems = _pairs(query_string)
    problems += [
        Problem(shown(name), "is not a parameter: this route takes none", shown(given[0]))
        for name, given in pairs.items()
    ]
    if problems:
        raise InvalidQuery(first_of(problems))


def _pairs(query_string: bytes) -> tuple[dict[str, list[str]], list[Problem]]:
    """The names with their texts, decoded as application/x-www-form-urlencoded. Invalid encoding is a problem."""
    if len(query_string) > MAX_QUERY_BYTES:
        return {}, [Problem("query string", f"must have at most {MAX_QUERY_BYTES} bytes", f"{len(query_string)} bytes")]
    pieces = [piece for piece in query_string.split(b"&") if piece]
    if len(pieces) > MAX_PARAMETERS:
        return {}, [Problem("query string", f"must have at most {MAX_PARAMETERS} parameters", f"{len(pieces)} of them")]
    pairs: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for piece in pieces:
        raw_name, _, raw_value = piece.partition(b"=")
        name = _decoded(raw_name)
        value = _decoded(raw_value)
        if name is None or value is None:
            pair = (name or raw_name.decode("ascii", "replace"), raw_value.decode("ascii", "replace"))
            problems.append(Problem(shown(pair[0]), "must be percent-encoded UTF-8", shown(pair[1])))
        else:
            pairs.setdefault(name, []).append(value)
    return pairs, problems


def _decoded(raw: bytes) -> str | None:
    if _BROKEN_PERCENT.search(raw):
        return None
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        return None


def _names(known: tuple[str, ...]) -> str:
    more = ", and more: see docs/api.md or /docs of the service" if len(known) > MOST_NAMES_SHOWN else ""
    return f"; there are {', '.join(known[:MOST_NAMES_SHOWN])}{more}"


def quoted(value: str) -> str:
    return f'"{shown(value)}"'


def shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
