"""The conditions that conversations must meet, as an immutable tree. Parameters and the search box both make it.

A leaf is a condition on one field, or on words in the subject. The inner nodes are AllOf, AnyOf and Not. A field has
its name in the API, as in the registry of fields.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

from service.query import addresses
from service.query.fields import FIELDS_BY_NAME
from service.query.time_bounds import Bounds

Match = Literal["words", "any", "auto", "phrase", "prefix", "fuzzy", "exact"]
MATCHES: tuple[Match, ...] = get_args(Match)
LOOSE_MATCHES: tuple[Match, ...] = ("any", "auto")  # these also apply to the words of q
DEFAULT_MATCH: Match = "words"
MAX_SEARCH_CHARACTERS = 500


@dataclass(frozen=True, slots=True)
class OneOf:
    """The field has one of these values, with `any_case` also in another case. A list must contain one of them."""

    field: str
    values: tuple[str | bool | int, ...]
    any_case: bool = False
    kind: Literal["one of"] = "one of"

    def __post_init__(self) -> None:
        if self.field not in FIELDS_BY_NAME:
            raise ValueError(f"no such field: {self.field}")
        if self.any_case and not FIELDS_BY_NAME[self.field].any_case:
            raise ValueError(f"only as written: {self.field}")
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
    """The field's time or number is within all of these bounds."""

    field: str
    bounds: Bounds
    kind: Literal["between"] = "between"


@dataclass(frozen=True, slots=True)
class Words:
    """The subject contains the text, as `match` says. Without `stems`, only exact forms of the words match."""

    text: str
    match: Match = "words"
    stems: bool = True
    kind: Literal["words", "search"] = "words"


@dataclass(frozen=True, slots=True)
class SearchText(Words):
    """The text of the parameter `search`. `match` is the parameter `match`; it also affects relevance."""

    kind: Literal["words", "search"] = "search"

    def __post_init__(self) -> None:
        if not 1 <= len(self.text) <= MAX_SEARCH_CHARACTERS:
            raise ValueError(f"search must have between 1 and {MAX_SEARCH_CHARACTERS} characters")
        if self.match not in MATCHES:
            raise ValueError(f"no such match: {self.match}")


@dataclass(frozen=True, slots=True)
class Person:
    """The address or name of the sender ("from") or of a recipient ("to", "cc") contains the text.

    A whole address matches only that address. It has an @ and after it a domain with a dot.
    """

    role: str
    text: str
    kind: Literal["person"] = "person"

    @property
    def is_whole_address(self) -> bool:
        return addresses.is_whole(self.text)


@dataclass(frozen=True, slots=True)
class Not:
    """The node does not match. Conversations without a value match too."""

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
    """The field that the node is about, or None if it is about words or about several fields."""
    if isinstance(node, OneOf | Missing | Between):
        return node.field
    if isinstance(node, Not):
        return field_of(node.node)
    if isinstance(node, AnyOf | AllOf):
        fields = {field_of(part) for part in node.nodes}
        return fields.pop() if len(fields) == 1 else None
    return None


def texts_of(node: Node) -> list[Words]:
    """The words that may have found a conversation. Negated words and q as a whole subject are left out."""
    if isinstance(node, Words):
        return [node] if node.match != "exact" or isinstance(node, SearchText) else []
    if isinstance(node, AllOf | AnyOf):
        return [words for part in node.nodes for words in texts_of(part)]
    return []


def loosened(nodes: tuple[Node, ...], match: Match) -> tuple[Node, ...]:
    """The nodes of q, with all plain words joined to one text with this `match`.

    Phrases, beginnings of words, and words in brackets or after `subject:` are not plain words, and do not change. So
    q must have been parsed with `keeps_groups`. If q excludes words, it was parsed as an AnyOf of its parts and of the
    whole text as a subject. Then only the parts change.
    """
    if len(nodes) == 1 and isinstance(nodes[0], AnyOf) and _is_whole_subject(nodes[0].nodes[-1]):
        asked, whole = nodes[0].nodes
        if isinstance(asked, AllOf):
            asked = AllOf(loosened(asked.nodes, match))
        return (AnyOf((asked, whole)),)
    plain = [node for node in nodes if isinstance(node, Words) and node.match == DEFAULT_MATCH and node.stems]
    if not plain:
        return nodes
    together = Words(" ".join(words.text for words in plain), match)
    first = nodes.index(plain[0])
    return tuple(
        together if place == first else node for place, node in enumerate(nodes) if place == first or node not in plain
    )


def _is_whole_subject(node: Node) -> bool:
    return isinstance(node, Words) and node.match == "exact"


def with_match(nodes: tuple[Node, ...], before: Match, after: Match) -> tuple[Node, ...]:
    """The nodes, in which words with the match `before` have the match `after` instead."""

    def changed(words: Words) -> Words:
        return replace(words, match=after) if words.match == before else words

    return tuple(with_words(node, changed) for node in nodes)


def with_words(node: Node, changed: Callable[[Words], Words]) -> Node:
    """The node with its words changed, also inside AllOf and AnyOf. Negated words do not change."""
    if isinstance(node, Words):
        return changed(node)
    if isinstance(node, AllOf | AnyOf):
        return type(node)(tuple(with_words(part, changed) for part in node.nodes))
    return node


def any_of_values(nodes: Sequence[Node]) -> Node:
    """One node that matches if any of these does. If all are OneOf of the same field, it is a OneOf with all values."""
    if len(nodes) == 1:
        return nodes[0]
    if all(isinstance(node, OneOf) for node in nodes):
        alike = [node for node in nodes if isinstance(node, OneOf)]
        if len({(node.field, node.any_case) for node in alike}) == 1:
            values = dict.fromkeys(value for node in alike for value in node.values)
            return replace(alike[0], values=tuple(values))
    return AnyOf(tuple(nodes))
