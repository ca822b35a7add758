"""What conversations must be like, as a tree of frozen values: made by parameters and by the search box alike.

A leaf is a condition on one field, or words to be found in the subject; inner nodes are all, any and not. Fields go
by their names in the API; the registry of fields has them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from service.query.fields import FIELDS_BY_NAME
from service.query.time_bounds import Bounds

Match = Literal["words", "phrase", "prefix", "fuzzy", "exact"]
MATCHES: tuple[Match, ...] = get_args(Match)
DEFAULT_MATCH: Match = "words"
MAX_SEARCH_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of these values (or one of its values is one of these)."""

    field: str
    values: tuple[str | bool | int, ...]
    kind: Literal["one of"] = "one of"

    def __post_init__(self) -> None:
        if self.field not in FIELDS_BY_NAME:
            raise ValueError(f"no such field: {self.field}")
        allowed = FIELDS_BY_NAME[self.field].choices
        if allowed and not set(self.values) <= set(allowed):
            raise ValueError(f"no such {self.field}: {self.values}")


@dataclass(frozen=True, slots=True)
class Missing:
    """The field has no value."""

    field: str
    kind: Literal["missing"] = "missing"


@dataclass(frozen=True, slots=True)
class Between:
    """The field's time or number lies within all of these bounds."""

    field: str
    bounds: Bounds
    kind: Literal["between"] = "between"


@dataclass(frozen=True, slots=True)
class Words:
    """The subject holds the text, as `match` says; without `stems`, in exactly these forms."""

    text: str
    match: Match = "words"
    stems: bool = True
    kind: Literal["words", "search"] = "words"


@dataclass(frozen=True, slots=True)
class SearchText(Words):
    """The words of the parameter `search`; its `match` is the parameter of that name, and decides relevance too."""

    kind: Literal["words", "search"] = "search"

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= MAX_SEARCH_CHARACTERS:
            raise ValueError(f"search must have between 1 and {MAX_SEARCH_CHARACTERS} characters")
        if self.match not in MATCHES:
            raise ValueError(f"no such match: {self.match}")


@dataclass(frozen=True, slots=True)
class Person:
    """The sender's address or name ("from"), or a recipient's ("to"), holds the text; a whole address is that one."""

    role: str
    text: str
    kind: Literal["person"] = "person"


@dataclass(frozen=True, slots=True)
class Not:
    """Those that the node does not leave: also those without a value."""

    node: Node
    kind: Literal["not"] = "not"


@dataclass(frozen=True, slots=True)
class AllOf:
    nodes: tuple[Node, ...]
    kind: Literal["all of"] = "all of"


@dataclass(frozen=True, slots=True)
class AnyOf:
    nodes: tuple[Node, ...]
    kind: Literal["any of"] = "any of"


Condition = OneOf | Missing | Between
Node = Condition | Words | Person | Not | AllOf | AnyOf


def field_of(node: Node) -> str | None:
    """The one field that the node asks about; None where it is words, or several fields."""
    if isinstance(node, OneOf | Missing | Between):
        return node.field
    if isinstance(node, Not):
        return field_of(node.node)
    if isinstance(node, AnyOf | AllOf):
        fields = {field_of(part) for part in node.nodes}
        return fields.pop() if len(fields) == 1 else None
    return None


def texts_of(node: Node) -> list[Words]:
    """The words that a conversation may have been found by: not those that it must not have."""
    if isinstance(node, Words):
        return [node]
    if isinstance(node, AllOf | AnyOf):
        return [words for part in node.nodes for words in texts_of(part)]
    return []
