"""A question in other forms: as a tree of plain values, as the text of a search box, and as parameters.

The text and the parameters ask the same as the query does, or are None where the other form has no words for it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from service.query import search_syntax
from service.query.conditions import AllOf, AnyOf, Between, Field, Missing, Node, Not, OneOf, Person, Words
from service.query.conversation_query import ConversationQuery
from service.query.time_bounds import UTC_ZONE, Ago, Moment, Operator
from service.times import format_time

SYNTAX_NAMES: dict[Field, str] = {
    "status": "status", "channel": "channel", "direction": "direction", "category": "category", "label": "label",
    "agent_uid": "agent", "party_uid": "party", "from_email": "from", "created_on": "created", "updated_on": "updated",
    "sent_at": "sent",
}  # fmt: skip
STATES: dict[tuple[Field, bool], str] = {
    ("is_read", True): "is:read", ("is_read", False): "is:unread", ("has_reply", True): "is:replied",
    ("has_reply", False): "is:unreplied", ("has_attachments", True): "has:attachment",
}  # fmt: skip
QUOTED_FIELDS = ("category", "label")
FLAGS = ("is_read", "has_reply", "has_attachments")
MILLISECOND = timedelta(milliseconds=1)


def explain(query: ConversationQuery) -> dict[str, Any]:
    """What `explain=query` tells: clauses, warnings, and the same question in both other forms."""
    return {
        "clauses": [tree(node) for node in nodes_of(query)],
        "warnings": [warning.record() for warning in query.extras.parsed_search.warnings]
        if query.extras.parsed_search
        else [],
        "q": as_text(query),
        "parameters": as_parameters(query),
    }


def nodes_of(query: ConversationQuery) -> list[Node]:
    """Everything that the query asks for, as conditions."""
    own: list[Node] = []
    if query.is_read is not None:
        own.append(OneOf("is_read", (query.is_read,)))
    if query.statuses:
        own.append(OneOf("status", query.statuses))
    if query.channel is not None:
        own.append(OneOf("channel", (query.channel,)))
    if query.categories:
        own.append(OneOf("category", query.categories))
    if query.agent_uid is not None:
        own.append(OneOf("agent_uid", (str(query.agent_uid),)))
    if query.party_uid is not None:
        own.append(OneOf("party_uid", (str(query.party_uid),)))
    if query.search is not None:
        own.append(Words(query.search, query.match))
    return [*own, *query.where]


def tree(node: Node) -> dict[str, Any]:  # noqa: PLR0911 (a case is a kind of node)
    match node:
        case OneOf(field, values):
            return {"field": field, "one_of": list(values)}
        case Missing(field):
            return {"field": field, "missing": True}
        case Between(field, bounds):
            return {"field": field, **{operator: _moment(moment) for operator, moment in bounds}}
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


def _moment(moment: Moment) -> str:
    return str(moment) if isinstance(moment, Ago) else format_time(moment)


def as_parameters(query: ConversationQuery) -> dict[str, str] | None:
    """Names and values of the query string; None where a part has no parameter, or two parts need the same one."""
    found: dict[str, str] = {}
    for node in nodes_of(query):
        pairs = _parameter(node)
        if pairs is None or found.keys() & pairs.keys():
            return None
        found |= pairs
    return found


def _parameter(node: Node) -> dict[str, str] | None:  # noqa: PLR0911
    match node:
        case OneOf(field, (bool() as value,)):
            return {field: str(value).lower()}
        case OneOf(field, values) if field in FLAGS:
            return None
        case OneOf("from_email" | "label" | "parent_conversation_uid" as field, values):
            return {field: _joined(values)}
        case OneOf(field, values):
            return {f"{field}[in]": _joined(values)}
        case Not(OneOf(field, values)) if field in SYNTAX_NAMES and field not in ("from_email", "label"):
            return {f"{field}[nin]": _joined(values)}
        case Missing(field) if _has_presence(field):
            return {field: "none"}
        case Not(Missing(field)) if _has_presence(field):
            return {field: "any"}
        case Between(field, bounds) if len({bound[0] for bound in bounds}) == len(bounds):
            return {f"{field}[{operator}]": _moment(moment) for operator, moment in bounds}
        case Words(text, "words", True):
            return {"search": text}
        case Words(text, match, _stems) if match != "words":
            return {"search": text, "match": match}
    return None


def _has_presence(field: Field) -> bool:
    return field in (
        "category", "agent_uid", "party_uid", "direction", "from_email", "label", "parent_conversation_uid",
    )  # fmt: skip


def _joined(values: tuple[str | bool, ...]) -> str:
    """RFC 4180, as the parameters read it."""
    return ",".join(
        '"' + str(value).replace('"', '""') + '"' if any(c in str(value) for c in ',"') else str(value)
        for value in values
    )


def as_text(query: ConversationQuery) -> str | None:
    """A text for the search box; None where it has no words for a part."""
    parts: list[str] = []
    from_q = query.extras.parsed_search.nodes if query.extras.parsed_search is not None else ()
    for node in nodes_of(query):
        if node in from_q:
            continue
        text = _search_text(node)
        if text is None:
            return None
        parts.append(text)
    if query.extras.parsed_search is not None:
        own = query.extras.parsed_search.text.strip()
        parts.append(f"({own})" if parts else own)
    return " ".join(parts)


def _search_text(node: Node) -> str | None:  # noqa: PLR0911
    match node:
        case OneOf(field, (bool() as value,)):
            return STATES.get((field, value))
        case OneOf(field, values) if field in SYNTAX_NAMES:
            shown = [_value(field, str(value)) for value in values]
            return None if None in shown else f"{SYNTAX_NAMES[field]}:{','.join(filter(None, shown))}"
        case Missing(field) if field in SYNTAX_NAMES and field not in ("from_email",):
            return f"{SYNTAX_NAMES[field]}:none"
        case Not(Missing(field)) if field in SYNTAX_NAMES and field not in ("from_email",):
            return f"{SYNTAX_NAMES[field]}:any"
        case Not(inner):
            text = _search_text(inner)
            return None if text is None else f"-{text}"
        case Between(field, bounds):
            return _span(SYNTAX_NAMES[field], bounds)
        case Words(text, "words", True):
            return text if _is_plain(text) else None
        case Words(text, "prefix", True):
            return f"{text}*" if _is_plain(text) and not text.endswith("*") else None
        case Words(text, "phrase", _stems) if '"' not in text:
            return f'"{text}"'
    return None


def _value(field: Field, value: str) -> str | None:
    if field == "from_email":
        return value if "@" in value.strip("@") and _is_plain(value) and "," not in value else None
    if field in QUOTED_FIELDS:
        return f'"{value}"' if '"' not in value else None
    return value


def _span(name: str, bounds: tuple[tuple[Operator, Moment], ...]) -> str | None:
    """Two ends, each of which belongs to the span: times are whole milliseconds, so that "before" has a last one."""
    ends: dict[str, str] = {}
    for operator, moment in bounds:
        side = "from" if operator in ("gte", "gt") else "to"
        if side in ends or (isinstance(moment, Ago) and operator in ("gt", "lt")):
            return None
        inside = _inside(operator, moment)
        if inside is None:
            return None
        ends[side] = _moment(inside)
    return f"{name}:{ends.get('from', '')}..{ends.get('to', '')}"


def _inside(operator: Operator, moment: Moment) -> Moment | None:
    """The last moment that belongs to the span; None where that lies outside the calendar."""
    if not isinstance(moment, datetime):
        return moment
    try:
        return moment + {"gt": MILLISECOND, "lt": -MILLISECOND}.get(operator, timedelta())
    except OverflowError:
        return None


def _is_plain(text: str) -> bool:
    """Whether the search syntax reads the text as these plain words."""
    try:
        found = search_syntax.parse(text, UTC_ZONE)
    except search_syntax.TooLong:
        return False
    return not found.warnings and found.nodes == (Words(" ".join(text.split())),)
