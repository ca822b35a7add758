"""Parses the text of the search box into conditions. Only a text that is too long is refused.

    query = or
    or    = and *("OR" and)
    and   = 1*(["-"] atom)
    atom  = "(" query ")" | field ":" value *("," value) | phrase | word ["*"]

Input that cannot be parsed is treated as text and reported as a warning with its position and a similar valid name.
Curly quotes and full-width punctuation count as plain punctuation. A quoted phrase matches exact forms, not stems.
`-word` excludes only the exact form. `word*` matches words that begin with it. docs/search.md lists the fields.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from msgspec import Meta

from service.message_texts import nearest
from service.query.conditions import AllOf, AnyOf, Node, Not, OneOf, Words
from service.query.search_fields import SEARCH_FIELDS_BY_NAME
from service.text import REPLY_WORDS, check_plain_length, has_words

MAX_CHARACTERS = 512
MAX_CLAUSES = 30
MAX_DEPTH = 20

_PLAIN = str.maketrans("“”„‟«»＂：（），－＊", '""""""":(),-*')
_NAME = re.compile(r"([A-Za-z_]+):(?=\S)")


class Warning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):  # noqa: A001
    """A part of q that could not be parsed and was treated as text. The position counts code points."""

    position: Annotated[int, Meta(ge=0)]
    text: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedSearch:
    """A parsed text: its conditions, which must all match, and the warnings."""

    text: str
    nodes: tuple[Node, ...]
    warnings: tuple[Warning, ...]


class TooLong(ValueError):
    """The text has too many characters or clauses."""


def parse(text: str, zone: ZoneInfo) -> ParsedSearch:
    """Parses the text. Raises TooLong, and nothing else."""
    if len(text) > MAX_CHARACTERS:
        raise TooLong(f"must have at most {MAX_CHARACTERS} characters")
    try:
        check_plain_length(text)
    except ValueError as error:
        raise TooLong(str(error)) from None
    parser = _Parser(text, text.translate(_PLAIN), zone)
    node = parser.query(0)
    if parser.clauses > MAX_CLAUSES:
        raise TooLong(f"must have at most {MAX_CLAUSES} clauses, not {parser.clauses}")
    nodes = node.nodes if isinstance(node, AllOf) else () if node is None else (node,)
    return ParsedSearch(text, nodes, tuple(sorted(parser.warnings, key=lambda warning: warning.position)))


def _together(nodes: list[Node]) -> list[Node]:
    """Joins neighbouring plain words to one text, so that relevance can treat them as a phrase."""
    found: list[Node] = []
    for node in nodes:
        before = found[-1] if found else None
        if _is_plain(node) and before is not None and _is_plain(before):
            assert isinstance(node, Words)
            assert isinstance(before, Words)
            found[-1] = Words(f"{before.text} {node.text}")
        else:
            found.append(node)
    return found


def _as_written(node: Node) -> Node:
    """The same node, but matching exact forms only: `-wire` does not exclude "wires"."""
    if isinstance(node, Words) and node.match == "words":
        return Words(node.text, stems=False)
    if isinstance(node, AllOf | AnyOf):
        return type(node)(tuple(_as_written(part) for part in node.nodes))
    return node


def _is_plain(node: Node) -> bool:
    return isinstance(node, Words) and node.match == "words" and node.stems


@dataclass(slots=True)
class _Parser:
    """Parses in one pass. `plain` is the text with plain punctuation; it has the same length."""

    text: str
    plain: str
    zone: ZoneInfo
    at: int = 0
    clauses: int = 0
    warnings: list[Warning] = field(default_factory=list)

    def query(self, depth: int) -> Node | None:
        """or = and *("OR" and), to the end of the text or to the closing bracket."""
        parts: list[Node] = []
        while True:
            begun = self.at
            node = self._and(depth)
            if node is not None:
                parts.append(node)
            elif self._is_or() or parts:
                self._warn(begun, self.at, "OR stands between two things: one is missing here")
            if not self._is_or():
                break
            self.at += 2
        if not parts:
            return None
        return parts[0] if len(parts) == 1 else AnyOf(tuple(parts))

    def _and(self, depth: int) -> Node | None:
        nodes: list[Node] = []
        while True:
            self._skip_spaces()
            if self.at >= len(self.plain) or (depth and self.plain[self.at] == ")") or self._is_or():
                break
            node = self._signed(depth)
            if node is not None:
                nodes.append(node)
        nodes = _together(nodes)
        if not nodes:
            return None
        return nodes[0] if len(nodes) == 1 else AllOf(tuple(nodes))

    def _signed(self, depth: int) -> Node | None:
        is_negative = self.plain[self.at] == "-" and self.plain[self.at + 1 : self.at + 2].strip() != ""
        if not is_negative:
            return self._atom(depth)
        start = self.at
        while self.plain[self.at : self.at + 1] == "-":
            self.at += 1
        if self.at > start + 1:
            self._warn(start, self.at, "one - is enough: taken as one")
        if self.at >= len(self.plain) or self.plain[self.at].isspace():
            return None
        node = self._atom(depth)
        if node is None:
            return None
        return Not(_as_written(node))

    def _atom(self, depth: int) -> Node | None:
        start = self.at
        character = self.plain[start]
        if character == "(" and depth < MAX_DEPTH:
            self.at += 1
            node = self.query(depth + 1)
            if self.plain[self.at : self.at + 1] == ")":
                self.at += 1
            else:
                self._warn(start, start + 1, "this bracket is not closed: taken as closed at the end")
            return node
        if character == '"':
            return self._phrase(start)
        if (found := _NAME.match(self.plain, start)) is not None and not self.plain.startswith("//", found.end()):
            node = self._field(found[1], found.end(), depth)
            if node is not None:
                return node
        return self._word(start, depth)

    def _phrase(self, start: int) -> Node | None:
        text = self._quoted()
        if not has_words(text):
            self._warn(start, self.at, "holds no word: left out")
            return None
        self.clauses += 1
        return Words(text, "phrase", stems=False)

    def _quoted(self) -> str:
        """The text between this quotation mark and the next one, or to the end if there is none."""
        start = self.at + 1
        end = self.plain.find('"', start)
        if end < 0:
            self._warn(self.at, len(self.plain), "this quotation is not closed: taken as closed at the end")
            end = len(self.plain)
        self.at = min(end + 1, len(self.plain))
        return self.text[start:end]

    def _word(self, start: int, depth: int) -> Node | None:
        raw = self._bare(depth, commas=True)
        if raw == "":  # a closing bracket without an opening one
            self.at += 1
            self._warn(start, self.at, "this bracket closes nothing: left out")
            return None
        text = self.text[start : start + len(raw)]
        is_begun = raw.endswith("*") and has_words(text)
        text = text[:-1] if is_begun else text
        if not has_words(text):
            self._warn(start, self.at, "holds no word: left out")
            return None
        if raw in ("AND", "NOT"):
            way = "what stands side by side must be found anyway" if raw == "AND" else "- in front leaves out"
            self._warn(start, self.at, f"{raw} is a word here: {way}")
        self.clauses += 1
        return Words(text, "prefix" if is_begun else "words")

    def _bare(self, depth: int, *, commas: bool) -> str:
        """The text up to the next space or the bracket that closes the group. Without `commas`, also up to a comma."""
        start, open_here = self.at, 0
        while self.at < len(self.plain) and not self.plain[self.at].isspace():
            character = self.plain[self.at]
            if character == "," and not commas:
                break
            if character == "(":
                open_here += 1
            elif character == ")":
                if not open_here and (depth or self.at == start):
                    break
                open_here -= 1
            self.at += 1
        return self.plain[start : self.at]

    def _field(self, name: str, after: int, depth: int) -> Node | None:
        """The condition of a field. If it is not valid, the state is restored and None returned: it is text then."""
        start = self.at
        known = SEARCH_FIELDS_BY_NAME.get(name.lower())
        if known is None:
            if name.lower() not in REPLY_WORDS:
                near = nearest(name.lower(), tuple(SEARCH_FIELDS_BY_NAME))
                self._warn(start, after - 1, f"there is no field {name}{near}")
            return None
        warned, clauses = len(self.warnings), self.clauses
        self.at = after
        nodes: list[Node] = []
        while True:
            begun = self.at
            is_quoted = self.plain[self.at : self.at + 1] == '"'
            value = self._quoted() if is_quoted else self.text[begun : begun + len(self._bare(depth, commas=False))]
            try:
                nodes.append(known.condition(value, is_quoted, self.zone))
            except ValueError as error:
                del self.warnings[warned:]
                self._warn(begun, self.at, f"{name}: {error}")
                self.at, self.clauses = start, clauses
                return None
            self.clauses += 1
            if self.plain[self.at : self.at + 1] != ",":
                break
            self.at += 1
        return _any_of(nodes)

    def _is_or(self) -> bool:
        behind = self.plain[self.at + 2 : self.at + 3]
        return self.plain.startswith("OR", self.at) and (behind in ("", "(", ")") or behind.isspace())

    def _skip_spaces(self) -> None:
        while self.at < len(self.plain) and self.plain[self.at].isspace():
            self.at += 1

    def _warn(self, start: int, end: int, message: str) -> None:
        self.warnings.append(Warning(start, self.text[start:end], message))


def _any_of(nodes: list[Node]) -> Node:
    """A node for any of these values of a field; one OneOf if all are."""
    if len(nodes) == 1:
        return nodes[0]
    if all(isinstance(node, OneOf) for node in nodes):
        alike = [node for node in nodes if isinstance(node, OneOf)]
        if len({node.field for node in alike}) == 1:
            values = dict.fromkeys(value for node in alike for value in node.values)
            return OneOf(alike[0].field, tuple(values))
    return AnyOf(tuple(nodes))
