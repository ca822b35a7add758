"""Plain sentences for values that pydantic refuses: the name of the setting, what came, and what would be right."""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import SecretStr, ValidationError
from pydantic.fields import FieldInfo

from service.urls import without_password

MOST_SHOWN = 100  # characters of a wrong value


def sentences(
    error: ValidationError,
    fields: Mapping[str, FieldInfo],
    name_of: Callable[[str], str],
    patterns: Mapping[str, str],
) -> list[str]:
    """A sentence for each problem. Secrets are never shown, nor users and passwords in URLs.

    `name_of` gives a field the name under which its value came. `patterns` has words for fields that must match one.
    """
    by_alias = {str(field.validation_alias): name for name, field in fields.items()}
    by_alias |= {choice: name for name, field in fields.items() for choice in _choices(field)}
    found = []
    for item in error.errors():
        if not item["loc"]:  # it concerns several fields, and names them itself
            found.append(item["msg"].removeprefix("Value error, "))
            continue
        name = by_alias.get(str(item["loc"][0]), str(item["loc"][0]))
        field = fields[name]
        right = patterns.get(name) or _allowed(field)
        cause = item.get("ctx", {}).get("error")
        must = str(cause) if isinstance(cause, ValueError) else f"must be {right}"
        if _kind(field) is SecretStr:
            found.append(f"{name_of(name)} {must}")
        else:
            found.append(f"{name_of(name)} is {shown(item['input'])}: it {must}")
    return found


def shown(value: object) -> str:
    """The value in quotes, without a user and a password, cut where it is long."""
    text = without_password(str(value))
    return f'"{text if len(text) <= MOST_SHOWN else text[:MOST_SHOWN] + "…"}"'


def _choices(field: FieldInfo) -> list[str]:
    return [str(choice) for choice in getattr(field.validation_alias, "choices", ())]


def _kind(field: FieldInfo) -> Any:
    """The type of the field's value where there is one."""
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
    words: dict[Any, str] = {bool: "true or false", Path: "a path", SecretStr: "a text"}
    return words.get(kind, "a text")


def _bound(limit: object) -> str:
    if isinstance(limit, Gt):
        return f"above {limit.gt}"
    if isinstance(limit, Ge):
        return f"from {limit.ge}"
    if isinstance(limit, Le):
        return f"up to {limit.le}"
    return f"below {limit.lt}" if isinstance(limit, Lt) else ""
