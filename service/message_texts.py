"""Texts for messages: sentences for pydantic's validation errors, and counts with their nouns."""

from __future__ import annotations

import difflib
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from service.urls import without_password

MOST_SHOWN = 100  # characters of an invalid value in a message
INVALID = "is not valid"

# The messages for pydantic's errors in documents. Every list in a document is a list of texts.
_RULES: dict[str, str] = {
    "missing": "is required",
    "extra_forbidden": "is not a known field",
    "string_type": "must be a text",
    "string_unicode": "must not hold half a character (a lone surrogate)",
    "string_too_long": "must have at most {max_length:,} characters",
    "string_too_short": "must not be empty",
    "list_type": "must be a list of texts",
    "too_long": "must be a list of at most {max_length:,} texts",
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "finite_number": "must be a whole number",
    "int_parsing_size": "must be a smaller number",
    "greater_than_equal": "must be {ge:,} or more",
    "less_than_equal": "must be {le:,} or less",
    "literal_error": "must be {expected}",
    "scalar_type": "must not be a list or an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "json_invalid": "is not valid JSON: {error}",
    "value_error": "{error}",
}


def rule(kind: str, **facts: object) -> str:
    """A message such as `must be a text`, from the type of pydantic's error and the values of its context."""
    return _RULES.get(kind, INVALID).format_map(facts)


def counted(count: float, one: str, many: str | None = None) -> str:
    """The count with its noun: `1 node`, `1,200 nodes`, `2.5 seconds`. `many` is the plural if it is irregular."""
    number = f"{count:,}" if isinstance(count, int) else f"{count:,g}"
    return f"{number} {one if number == '1' else many or f'{one}s'}"


def choice_of(known: tuple[str, ...]) -> str:
    """What a value may be: `email or sms`, `one of table, json, name`."""
    return " or ".join(known) if len(known) < 3 else f"one of {', '.join(known)}"


def nearest(text: str, known: tuple[str, ...]) -> str:
    """A question such as `; did you mean status?` with the nearest known word; empty if none is near."""
    words = {word.lstrip("-"): word for word in known}
    near = difflib.get_close_matches(text[:100].lstrip("-"), words, n=1)
    return f"; did you mean {words[near[0]]}?" if near else ""


def sentences(
    error: ValidationError,
    fields: Mapping[str, FieldInfo],
    name_of: Callable[[str], str],
    patterns: Mapping[str, str],
) -> list[str]:
    """One sentence for each problem. They never show secrets, nor users and passwords in URLs.

    `name_of` maps a field to the name that the user knows, such as an option or a variable. `patterns` describes the
    allowed values of fields with a regular expression.
    """
    by_alias = {str(field.validation_alias): name for name, field in fields.items()}
    by_alias |= {choice: name for name, field in fields.items() for choice in _choices(field)}
    texts = []
    for item in error.errors():
        if not item["loc"]:  # the problem concerns several fields, and its text names them
            texts.append(item["msg"].removeprefix("Value error, "))
            continue
        name = by_alias.get(str(item["loc"][0]), str(item["loc"][0]))
        field = fields[name]
        right = patterns.get(name) or _allowed(field)
        cause = item.get("ctx", {}).get("error")
        must = str(cause) if isinstance(cause, ValueError) else f"must be {right}"
        if _kind(field) is SecretStr:
            texts.append(f"{name_of(name)} {must}")
        else:
            texts.append(f"{name_of(name)} is {shown(item['input'])}: it {must}")
    return texts


def shown(value: object) -> str:
    """The value in quotes, without user and password, and cut to MOST_SHOWN characters."""
    text = without_password(str(value))
    return f'"{text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"}"'


def _choices(field: FieldInfo) -> list[str]:
    return [str(choice) for choice in getattr(field.validation_alias, "choices", ())]


def _kind(field: FieldInfo) -> object:
    """The type of the field. For an optional field, the type without None."""
    kind = field.annotation
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(part for part in get_args(kind) if part is not type(None))
    return kind


def _allowed(field: FieldInfo) -> str:
    kind = _kind(field)
    if get_origin(kind) is Literal:
        return " or ".join(map(str, get_args(kind)))
    if kind in (int, float):
        number = "a whole number" if kind is int else "a number"
        return " ".join([number, *filter(None, map(_bound, field.metadata))])
    words: dict[object, str] = {bool: "true or false", Path: "a path", SecretStr: "a text"}
    return words.get(kind, "a text")


def _bound(limit: object) -> str:
    if isinstance(limit, Gt):
        return f"above {limit.gt}"
    if isinstance(limit, Ge):
        return f"from {limit.ge}"
    if isinstance(limit, Le):
        return f"up to {limit.le}"
    return f"below {limit.lt}" if isinstance(limit, Lt) else ""
