"""Where fields are: the value of one of the registry in a conversation, and each field of a mapping."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from service.conversation import Conversation
from service.query.fields import FIELDS_BY_NAME


def value_in(conversation: Conversation, name: str) -> Any:
    """The value of this field."""
    found: Any = conversation
    for part in FIELDS_BY_NAME[name].index_path.split("."):
        found = getattr(found, part)
    return found


def placed(values: Mapping[str, Any]) -> dict[str, Any]:
    """A conversation's JSON object with these values, by the names of their fields."""
    document: dict[str, Any] = {}
    for name, value in values.items():
        *folders, last = FIELDS_BY_NAME[name].index_path.split(".")
        place = document
        for folder in folders:
            place = place.setdefault(folder, {})
        place[last] = value
    return document


def mapped_fields(properties: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Each field with its path, including fields within objects and multi-fields (subject.stems)."""
    for name, field in properties.items():
        yield f"{prefix}{name}", field
        yield from mapped_fields({**field.get("properties", {}), **field.get("fields", {})}, f"{prefix}{name}.")
