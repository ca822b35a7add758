"""What conversations must be like, as a tree of frozen values: made by parameters and by the search box alike.

A leaf is a condition on one field, or words to be found in the subject; inner nodes are all, any and not. Fields go
by their names in the API. FIELDS is all there is to ask for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from service.query.time_bounds import Bounds

NONE, ANY = "none", "any"  # in place of a value: those without one, those with any
Match = Literal["words", "phrase", "prefix", "fuzzy", "exact"]
MATCHES: tuple[Match, ...] = get_args(Match)

DateField = Literal["created_on", "updated_on", "sent_at"]
DATE_FIELDS: tuple[DateField, ...] = get_args(DateField)
Field = Literal[
    "is_read", "status", "channel", "direction", "category", "agent_uid", "party_uid", "parent_conversation_uid",
    "has_reply", "from_email", "label", "has_attachments", "created_on", "updated_on", "sent_at",
]  # fmt: skip
FIELDS: tuple[Field, ...] = get_args(Field)


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of these values (or one of its values is one of these)."""

    field: Field
    values: tuple[str | bool, ...]
    kind: Literal["one of"] = "one of"


@dataclass(frozen=True, slots=True)
class Missing:
    """The field has no value."""

    field: Field
    kind: Literal["missing"] = "missing"


@dataclass(frozen=True, slots=True)
class Between:
    """The field's time lies within all of these bounds."""

    field: DateField
    bounds: Bounds
    kind: Literal["between"] = "between"


@dataclass(frozen=True, slots=True)
class Words:
    """The subject holds the text, as `match` says; without `stems`, in exactly these forms."""

    text: str
    match: Match = "words"
    stems: bool = True
    kind: Literal["words"] = "words"


@dataclass(frozen=True, slots=True)
class Person:
    """The sender's address or name, or a recipient's address, holds the text; a whole address is that one."""

    role: Literal["from", "to"]
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


def field_of(node: Node) -> Field | None:
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
