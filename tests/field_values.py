"""Where the value of a field of the registry is in a conversation."""

from __future__ import annotations

from collections.abc import Mapping
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
