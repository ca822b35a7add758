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

from service.query import search_hints
from service.query.addresses import PASTED
from service.query.conditions import AllOf, AnyOf, Node, Not, Words, any_of_values, with_words
from service.query.search_fields import SEARCH_FIELDS_BY_NAME, SearchField, check_list, check_unquoted
from service.text import INVISIBLE, check_plain_length, has_words, trimmed

MAX_CHARACTERS = 512
MAX_CLAUSES = 30
MAX_DEPTH = 20

_PLAIN = str.maketrans("“”„‟«»＂：（），－＊", '""""""":(),-*')
_NAME = re.compile(r"([A-Za-z_]+):(?!//)")
_QUOTED_NAME = re.compile(r'"((?:[^"]|"")*)"(?!")')  # in which a quotation mark is doubled, and a curly one is itself
# Spaces, and invisible characters in front of a part, such as the marks of direction that come with a pasted text.
_GAP = re.compile(rf"(?:\s|[{INVISIBLE}]+(?=[^\s{INVISIBLE}]))*")

# Texts without a condition, which find everything: spaces, and one pair of brackets with nothing in it.
_EMPTY = re.compile(r"\s*(?:\(\s*\))?\s*")
_NO_WORD = "…"  # stands for a text without a word, such as OR alone


class Warning(msgspec.Struct, frozen=True, forbid_unknown_fields=True):  # noqa: A001
    """A part of q that was treated as text, or may be meant otherwise. The position counts code points."""

    position: Annotated[int, Meta(ge=0)]
    text: str
    message: str


@dataclass(frozen=True, slots=True)
class ParsedSearch:
    """A parsed text: its conditions, which must all match; warnings; and hints, for parts that are valid but may be a
    mistake.
    """

    text: str
    nodes: tuple[Node, ...]
    warnings: tuple[Warning, ...]
    hints: tuple[Warning, ...] = ()

    @property
    def messages(self) -> list[Warning]:
        """The warnings and hints, in the order of the text."""
        return sorted((*self.warnings, *self.hints), key=lambda one: one.position)


class TooLong(ValueError):
    """The text has too many characters or clauses."""


def parse(text: str, zone: ZoneInfo, *, keeps_groups: bool = False) -> ParsedSearch:
    """Parses the text. Raises TooLong, and nothing else.

    With `keeps_groups`, words in brackets and words of `subject:` stay nodes of their own (an AllOf). Without it, their
    plain words are joined to neighbouring plain words.
    """
    if len(text) > MAX_CHARACTERS:
        raise TooLong(f"must have at most {MAX_CHARACTERS} characters")
    try:
        check_plain_length(text)
    except ValueError as error:
        raise TooLong(str(error)) from None
    parser = _Parser(text, text.translate(_PLAIN), zone, keeps_groups)
    node = parser.query(0)
    if node is None and not _EMPTY.fullmatch(parser.plain):
        node = Words(parser.wordless or _NO_WORD, stems=False)  # this matches nothing, whatever `match` is
        parser.warnings += parser.signs
    if node is not None and _excludes_words(node):
        node = AnyOf((node, Words(text.strip(), "exact")))  # the whole subject, pasted
    if parser.clauses > MAX_CLAUSES:
        raise TooLong(f"must have at most {MAX_CLAUSES} clauses, not {parser.clauses}")
    has_several = isinstance(node, AllOf) and len(node.nodes) > 1
    nodes = node.nodes if isinstance(node, AllOf) and has_several else () if node is None else (node,)
    warnings = sorted(parser.warnings, key=lambda warning: warning.position)
    return ParsedSearch(text, nodes, tuple(warnings), tuple(parser.hints))


def _together(nodes: list[Node]) -> list[Node]:
    """Joins neighbouring plain words to one text, so that relevance can score them as a phrase."""
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
    return with_words(node, lambda words: Words(words.text, stems=False) if words.match == "words" else words)


def _excludes_words(node: Node) -> bool:
    """Whether the node consists of words only, also in brackets, and excludes some of them."""
    has_exclusion, left = False, [node]
    while left:
        one = left.pop()
        if isinstance(one, Not):
            has_exclusion = True
            left.append(one.node)
        elif isinstance(one, AllOf | AnyOf):
            left += one.nodes
        elif not isinstance(one, Words):
            return False
    return has_exclusion


def _is_plain(node: Node) -> bool:
    return isinstance(node, Words) and node.match == "words" and node.stems


@dataclass(slots=True)
class _Parser:
    """Parses in one pass. `plain` is the text with plain punctuation; it has the same length."""

    text: str
    plain: str
    zone: ZoneInfo
    keeps_groups: bool = False
    at: int = 0
    clauses: int = 0
    warnings: list[Warning] = field(default_factory=list)
    hints: list[Warning] = field(default_factory=list)
    wordless: str = ""  # the last part that holds no word
    signs: list[Warning] = field(default_factory=list)  # about signs between words; used only if the text has no word
    named: tuple[str, int] = ("", -1)  # the field of the last name without quotation marks, and where it ends

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
        dashes = len(self.plain) - self.at - len(self.plain[self.at :].lstrip("-"))
        behind = self.plain[self.at + dashes : self.at + dashes + 1]
        if dashes > 1 and behind.strip():
            self._warn(self.at, self.at + dashes, "is text here: a single - leaves out what follows it")
            return self._word(self.at, depth)
        if dashes != 1 or not behind.strip():
            return self._atom(depth)
        start, self.at = self.at, self.at + 1
        node = self._atom(depth)
        if node is None:
            return None
        if behind.isdecimal() and self.plain[:start].strip(" ("):
            self.hints.append(Warning(start, self.text[start : self.at], search_hints.EXCLUDED_NUMBER))
        return Not(_as_written(node))

    def _atom(self, depth: int) -> Node | None:
        start = self.at
        character = self.plain[start]
        if character == "(" and depth < MAX_DEPTH:
            self.at += 1
            before = len(self.warnings)
            node = self.query(depth + 1)
            if self.plain[self.at : self.at + 1] == ")":
                self.at += 1
            else:
                self._warn(start, start + 1, "this bracket is not closed: taken as closed at the end")
            if node is None and len(self.warnings) == before:
                self._warn(start, self.at, "holds nothing: left out")
            return None if node is None else self._group(node)
        if character == '"':
            return self._phrase(start)
        if (found := _NAME.match(self.plain, start)) is not None:
            node = self._field(found[1], found.end(), depth)
            if node is not None:
                return self._group(node)
        return self._word(start, depth)

    def _group(self, node: Node) -> Node:
        """Wraps words in brackets or after a field's name in a node of their own, if groups are kept."""
        return AllOf((node,)) if self.keeps_groups and (isinstance(node, AllOf) or _is_plain(node)) else node

    def _phrase(self, start: int) -> Node | None:
        text = self._quoted()
        if not has_words(text):
            self._leave_out(start)
            return None
        self.clauses += 1
        return Words(text, "phrase", stems=False)

    def _leave_out(self, start: int) -> None:
        """Skips a part without a word. Signs between words, as in `Tom & Ada`, are left out without a warning."""
        part = self.wordless = self.text[start : self.at]
        plain = self.plain[start : self.at]
        name, end = self.named
        follows_name = self.plain[max(end, 0) : start].isspace()
        more = f"; {search_hints.NEEDS_QUOTES.format(name=name)}" if follows_name else ""
        warning = Warning(start, part, f"holds no word: left out{more}")
        is_between = self._stands_between(start, self.at)
        if follows_name or not search_hints.are_signs(plain, is_between=is_between):
            self.warnings.append(warning)
            return
        self.signs.append(warning)
        if is_between and (hint := search_hints.SIGNS.get(plain)) is not None:
            self.hints.append(Warning(start, part, hint))

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
            self._leave_out(start)
            return None
        if raw in ("AND", "NOT"):
            way = "leave it out, all words must match anyway" if raw == "AND" else "write - before what to leave out"
            self._warn(start, self.at, f"{raw} is a word here: {way}")
        if raw in ("or", "Or", "oR") and self._stands_between(start, self.at):
            self.hints.append(Warning(start, text, search_hints.OTHER_OR.format(raw)))
        if (hint := search_hints.of_word(raw)) is not None:
            self.hints.append(Warning(start, self.text[start : self.at], hint))
        self.clauses += 1
        return Words(text, "prefix" if is_begun else "words")

    def _stands_between(self, start: int, end: int) -> bool:
        before, after = self.plain[:start].rstrip(), self.plain[end:].lstrip()
        return before[-1:] not in ("", "(") and after[:1] not in ("", ")")

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
        """The condition of a field. If it is not valid, restores the state and returns None, so it is read as text."""
        start = self.at
        known = SEARCH_FIELDS_BY_NAME.get(name.lower())
        is_spaced = not self.plain[after : after + 1].strip()
        if known is None:
            if not is_spaced and not search_hints.is_text(name.lower(), self.plain[after:]):
                near = search_hints.field_meant(name.lower(), tuple(SEARCH_FIELDS_BY_NAME))
                self._warn(start, after - 1, f"there is no field {name}{near}")
            return None
        warned, clauses = len(self.warnings), self.clauses
        self.at = after
        if is_spaced and not self._comes_to_value(depth):
            self.at = start
            self._warn(start, after, f"{name}: has no value: searched as text")
            return None
        nodes = self._values_of(name, known, depth, warned)
        if nodes is None:
            self.at, self.clauses = start, clauses
            return None
        if is_spaced and known.takes_any_text:
            self._warn(
                start,
                self.at,
                f"{name}: is taken as a field with this value: leave out the space, or quote both as text",
            )
        if known.takes_times and (found := search_hints.clock_after(self.plain, self.at)) is not None:
            self._warn(*found)
        return any_of_values(nodes)

    def _comes_to_value(self, depth: int) -> bool:
        """Skips the spaces after the name of a field. False if the end or another part follows, and not a value."""
        self._skip_spaces()
        rest = self.plain[self.at :]
        name = _NAME.match(rest)
        is_named = name is not None and name[1].lower() in SEARCH_FIELDS_BY_NAME
        return (
            rest != "" and rest[0] not in "-(" and not (depth and rest[0] == ")") and not is_named and not self._is_or()
        )

    def _values_of(self, name: str, known: SearchField, depth: int, warned: int) -> list[Node] | None:
        """The conditions of the values, which commas separate. None, with a warning, if a value is not valid."""
        nodes: list[Node] = []
        hinted = len(self.hints)
        while True:
            begun = self.at
            value, is_quoted = self._value(known, depth)
            try:
                if not is_quoted:
                    check_unquoted(value, is_first=not nodes)
                nodes.append(known.condition(value, is_quoted, self.zone))
                check_list(known, nodes)
                self._hint_at_value(name, known, begun, is_quoted)
            except ValueError as error:
                del self.warnings[warned:], self.hints[hinted:]
                self._warn(begun, self.at, f"{name}: {error}")
                return None
            self.clauses += 1
            if self.plain[self.at : self.at + 1] != ",":
                return nodes
            self.at += 1

    def _hint_at_value(self, name: str, known: SearchField, begun: int, is_quoted: bool) -> None:
        if is_quoted:
            return
        if known.kind == "name":
            self.named = name, self.at
        if known.kind == "address" and (whole := search_hints.name_begun(self.plain, begun, self.at)) is not None:
            self.hints.append(Warning(begun, self.text[begun : self.at], search_hints.ONE_WORD.format(name, whole)))
        if (hint := search_hints.of_value(name, known.kind, self.plain[begun : self.at])) is not None:
            self.hints.append(Warning(begun, self.text[begun : self.at], hint))

    def _value(self, known: SearchField, depth: int) -> tuple[str, bool]:
        """The value that begins here, and whether it is quoted."""
        begun = self.at
        if known.kind == "address" and (pasted := PASTED.match(self.plain, begun)) is not None:
            self.at = pasted.end()
            return self.text[begun : self.at], False
        if known.kind in ("name", "address") and (name := _QUOTED_NAME.match(self.text, begun)) is not None:
            self.at = name.end()
            return name[1].replace('""', '"'), True
        if self.plain[begun : begun + 1] == '"':
            return self._quoted(), True
        return trimmed(self.text[begun : begun + len(self._bare(depth, commas=False))]), False

    def _is_or(self) -> bool:
        behind = self.plain[self.at + 2 : self.at + 3]
        return self.plain.startswith("OR", self.at) and (behind in ("", "(", ")") or behind.isspace())

    def _skip_spaces(self) -> None:
        if (gap := _GAP.match(self.plain, self.at)) is not None:
            self.at = gap.end()

    def _warn(self, start: int, end: int, message: str) -> None:
        self.warnings.append(Warning(start, self.text[start:end], message))
