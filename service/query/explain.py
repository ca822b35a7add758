"""A query in other forms: as JSON, as a text for the search box, and as parameters.

The text and the parameters mean exactly what the query means. If a form cannot express the query, it is None.
"""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import msgspec

from service.query import search_syntax
from service.query.conditions import (
    MAX_SEARCH_CHARACTERS,
    AllOf,
    AnyOf,
    Between,
    Missing,
    Node,
    Not,
    OneOf,
    Person,
    SearchText,
    Words,
)
from service.query.conversation_query import ConversationQuery
from service.query.fields import ANY, FIELDS_BY_NAME, LARGEST_NUMBER, NONE, Field
from service.query.time_bounds import UTC_ZONE, Ago, Bounds, Limit
from service.times import format_time

MILLISECOND = timedelta(milliseconds=1)
_NEEDS_QUOTES = re.compile('[,"\r\n]')


class Explanation(msgspec.Struct, forbid_unknown_fields=True):
    """How the request was parsed, and the same query as a text for q and as parameters, where that is possible.

    Each clause is an object whose fields depend on its kind; docs/search.md lists them.
    """

    clauses: list[dict[str, Any]]
    warnings: list[search_syntax.Warning]
    q: str | None
    parameters: dict[str, str] | None


def explain(query: ConversationQuery) -> Explanation:
    """The answer to `explain=query`."""
    parsed = query.extras.parsed_search
    return Explanation(
        clauses=[tree(node) for node in query.where],
        warnings=[] if parsed is None else parsed.messages,
        q=as_text(query),
        parameters=as_parameters(query),
    )


def tree(node: Node) -> dict[str, object]:  # noqa: PLR0911 (a case is a kind of node)
    match node:
        case OneOf(field, values, any_case):
            return {"field": field, "one_of": list(values), **({"any_case": True} if any_case else {})}
        case Missing(field):
            return {"field": field, "missing": True}
        case Between(field, bounds):
            return {"field": field, **{operator: _plain_limit(limit) for operator, limit in bounds}}
        case Words(text, match, stems):
            return {"words": text, "match": match, "stems": stems}
        case Person(role, text):
            return {"person": role, "words": text}
        case Not(inner):
            return {"not": tree(inner)}
        case AllOf(nodes):
            return {"all_of": [tree(part) for part in nodes]}
        case AnyOf(nodes):
            return {"any_of": [tree(part) for part in nodes]}


def _plain_limit(limit: Limit) -> str | int:
    return limit if isinstance(limit, int) else str(limit) if isinstance(limit, Ago) else format_time(limit)


def as_parameters(query: ConversationQuery) -> dict[str, str] | None:
    """Parameters and their values; None if a node has no parameter, or two nodes need the same one."""
    found: dict[str, str] = {}
    for node in query.where:
        pairs = _parameter(node)
        if pairs is None or found.keys() & pairs.keys():
            return None
        found |= pairs
    return found


def _parameter(node: Node) -> dict[str, str] | None:  # noqa: PLR0911 (a case is a kind of node)
    match node:
        case OneOf(field, values, False):
            return _values_parameter(FIELDS_BY_NAME[field], values)
        case Not(OneOf(field, values, False)) if FIELDS_BY_NAME[field].lists is not None:
            return {f"{field}[nin]": _joined(values)}
        case Missing(field) if _has_presence(FIELDS_BY_NAME[field]):
            return {field: "none"}
        case Not(Missing(field)) if _has_presence(FIELDS_BY_NAME[field]):
            return {field: "any"}
        case Between(field, bounds) if len({bound[0] for bound in bounds}) == len(bounds):
            return {f"{field}[{operator}]": str(_plain_limit(limit)) for operator, limit in bounds}
        case Words(text) if len(text) > MAX_SEARCH_CHARACTERS:
            return None
        case Words(text, "words", True):
            return {"search": text}
        case Words(text, match, _stems) if match != "words":
            return {"search": text, "match": match}
    return None


def _values_parameter(row: Field, values: tuple[str | bool | int, ...]) -> dict[str, str] | None:
    if row.lists is not None:
        return {f"{row.name}[in]": _joined(values)}
    if row.plain is None or (len(values) > 1 and not row.plain.is_list):
        return None
    return {row.name: _joined(values)}


def _has_presence(row: Field) -> bool:
    return row.plain is not None and row.plain.presence


def _joined(values: tuple[str | bool | int, ...]) -> str:
    """The values as one text, quoted by RFC 4180, as the parameters expect it."""
    texts = [str(value).lower() if isinstance(value, bool) else str(value) for value in values]
    return ",".join(in_quotes(text) if text in (NONE, ANY) or _NEEDS_QUOTES.search(text) else text for text in texts)


def as_text(query: ConversationQuery) -> str | None:
    """A text for the search box; None if it cannot express a node."""
    parts: list[str] = []
    from_q = query.extras.parsed_search.nodes if query.extras.parsed_search is not None else ()
    if query.loose_matches:
        return None
    for node in query.where:
        if (Words(node.text, node.match) if isinstance(node, SearchText) else node) in from_q:
            continue
        text = _search_text(node)
        if text is None:
            return None
        parts.append(text)
    if query.extras.parsed_search is not None:
        own = query.extras.parsed_search.text.strip()
        if parts and not _may_stand_in_brackets(own):
            return None
        parts.append(f"({own})" if parts else own)
    text = " ".join(parts)
    return text if _is_short_enough(text) else None


def _search_text(node: Node) -> str | None:  # noqa: PLR0911 (a case is a kind of node)
    match node:
        case OneOf(field, values, any_case):
            return None if any_case else _values_text(FIELDS_BY_NAME[field], values)
        case Missing(field):
            return _presence_text(FIELDS_BY_NAME[field], "none")
        case Not(Missing(field)) if (text := _presence_text(FIELDS_BY_NAME[field], "any")) is not None:
            return text
        case Not(inner):
            text = _search_text(inner)
            return None if text is None else f"-{text}"
        case Between(field, bounds):
            return _span(FIELDS_BY_NAME[field], bounds)
        case Words(text, "words", True):
            return text if _is_plain(text) else None
        case Words(text, "prefix", True):
            return f"{text}*" if _is_plain(text) and not text.endswith("*") else None
        case Words(text, "phrase", _stems):
            return f'"{text}"' if _parses_as(f'"{text}"', Words(text, "phrase", stems=False)) else None
    return None


def _values_text(row: Field, values: tuple[str | bool | int, ...]) -> str | None:
    if row.kind == "boolean":
        return row.shown_states.get(values[0]) if len(values) == 1 else None
    shown = [_value(row, str(value)) for value in values]
    return None if row.syntax is None or None in shown else f"{row.syntax.name}:{','.join(filter(None, shown))}"


def _presence_text(row: Field, word: str) -> str | None:
    """`subject:none` would search for the word, so this field has no such text."""
    return f"{row.syntax.name}:{word}" if row.syntax is not None and row.kind != "text" else None


def _value(row: Field, value: str) -> str | None:
    if row.kind == "address":
        is_alike = Person(row.syntax.name, value).is_whole_address and not row.covers if row.syntax else False
        return value if is_alike and _is_plain(value) and "," not in value else None
    if row.kind == "name":
        return in_quotes(value)
    return value


def _span(row: Field, bounds: Bounds) -> str | None:
    """The bounds as a span, which includes both ends. Times are whole milliseconds, so "before" has a last moment."""
    ends: dict[str, str] = {}
    for operator, limit in bounds:
        side = "from" if operator in ("gte", "gt") else "to"
        if side in ends or (isinstance(limit, Ago) and operator in ("gt", "lt")):
            return None
        inside = _inside(limit, {"gt": 1, "lt": -1}.get(operator, 0))
        if inside is None:
            return None
        ends[side] = str(_plain_limit(inside))
    return f"{row.syntax.name}:{ends.get('from', '')}..{ends.get('to', '')}" if row.syntax is not None else None


def _inside(limit: Limit, step: int) -> Limit | None:
    """The limit moved by `step` milliseconds or numbers; None if the result is out of range."""
    if isinstance(limit, int):
        return limit + step if 0 <= limit + step <= LARGEST_NUMBER else None
    if isinstance(limit, Ago):
        return limit
    try:
        return limit + step * MILLISECOND
    except OverflowError:
        return None


def in_quotes(text: str) -> str:
    return '"' + text.replace('"', '""') + '"'


def _is_plain(text: str) -> bool:
    """Whether the search syntax parses the text as plain words."""
    return _parses_as(text, Words(" ".join(text.split())))


def _parses_as(text: str, node: Node) -> bool:
    try:
        found = search_syntax.parse(text, UTC_ZONE)
    except search_syntax.TooLong:
        return False
    return not found.warnings and found.nodes == (node,)


def _may_stand_in_brackets(text: str) -> bool:
    """Whether brackets around the text change nothing. They do if it closes a bracket too many, or excludes words."""
    try:
        plain, inside = (search_syntax.parse(way, UTC_ZONE) for way in (text, f"({text})"))
    except search_syntax.TooLong:
        return False
    return plain.nodes == inside.nodes


def _is_short_enough(text: str) -> bool:
    try:
        search_syntax.parse(text, UTC_ZONE)
    except search_syntax.TooLong:
        return False
    return True
