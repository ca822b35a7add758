"""The fields of the search syntax: one table, and how each field's values become conditions."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from service.conversation import CHANNELS, DIRECTIONS, STATUSES, parse_uuid
from service.query.conditions import ANY, NONE, Between, DateField, Field, Missing, Node, Not, OneOf, Person, Words
from service.query.time_bounds import TIMES_ALLOWED, Time, check_order, parse_span, parse_when
from service.text import has_words

Make = Callable[[str, bool, ZoneInfo], Node]


@dataclass(frozen=True, slots=True)
class SearchField:
    """One field of the search syntax: how a value becomes a condition (ValueError says what is allowed)."""

    name: str
    condition: Make
    description: str


def _named(field: Field, allowed: tuple[str, ...]) -> Make:
    def make(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
        value = text.lower()
        if value in (NONE, ANY):
            return _presence(field, value)
        if value not in allowed:
            raise ValueError(f"must be one of {', '.join((*allowed, NONE, ANY))}{nearest(value, allowed)}")
        return OneOf(field, (value,))

    return make


def _presence(field: Field, value: str) -> Node:
    return Missing(field) if value == NONE else Not(Missing(field))


def _uid(field: Field) -> Make:
    def make(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
        if text.lower() in (NONE, ANY):
            return _presence(field, text.lower())
        try:
            return OneOf(field, (str(parse_uuid(text)),))
        except ValueError as error:
            raise ValueError(f"{error}, or {NONE} or {ANY}") from None

    return make


def _free(field: Field) -> Make:
    def make(text: str, quoted: bool, _zone: ZoneInfo) -> Node:
        if not quoted and text.lower() in (NONE, ANY):
            return _presence(field, text.lower())
        if not text.strip():
            raise ValueError("must have a value")
        return OneOf(field, (text.strip(),))

    return make


def _person(role: str) -> Make:
    def make(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
        if not has_words(text):
            raise ValueError("must be an address, or a part of one or of a name")
        return Person("from" if role == "from" else "to", text.strip())

    return make


STATES: dict[str, Node] = {
    "read": OneOf("is_read", (True,)),
    "unread": OneOf("is_read", (False,)),
    "assigned": Not(Missing("agent_uid")),
    "unassigned": Missing("agent_uid"),
    "replied": OneOf("has_reply", (True,)),
    "unreplied": OneOf("has_reply", (False,)),
}


def _state(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
    try:
        return STATES[text.lower()]
    except KeyError:
        raise ValueError(f"must be one of {', '.join(STATES)}{nearest(text.lower(), tuple(STATES))}") from None


def _has(text: str, _quoted: bool, _zone: ZoneInfo) -> Node:
    if text.lower() not in ("attachment", "attachments"):
        raise ValueError(f"must be attachment{nearest(text.lower(), ('attachment',))}")
    return OneOf("has_attachments", (True,))


def _subject(text: str, quoted: bool, _zone: ZoneInfo) -> Node:
    if not has_words(text):
        raise ValueError("must have a word")
    if quoted:
        return Words(text, "phrase", stems=False)
    return Words(text[:-1], "prefix") if text.endswith("*") else Words(text)


def _time(field: DateField, side: str) -> Make:
    def make(text: str, _quoted: bool, zone: ZoneInfo) -> Node:
        if side == "in":
            return Between(field, parse_span(text, zone))
        when: Time = parse_when(text, zone)
        bounds = (when.bound("gte" if side == "after" else "lt"),)
        check_order(bounds)
        return Between(field, bounds)

    return make


_SPAN = f"{TIMES_ALLOWED}, or two of these with .. between"
SEARCH_FIELDS: tuple[SearchField, ...] = (
    SearchField("from", _person("from"), "the sender: a whole address, or a part of it or of the name"),
    SearchField("to", _person("to"), "a recipient: a whole address, or a part of it"),
    SearchField("agent", _uid("agent_uid"), "the assigned agent's uid, none or any"),
    SearchField("party", _uid("party_uid"), "the associated party's uid, none or any"),
    SearchField("status", _named("status", STATUSES), f"{', '.join(STATUSES)}, none or any"),
    SearchField("channel", _named("channel", CHANNELS), f"{', '.join(CHANNELS)}, none or any"),
    SearchField("direction", _named("direction", DIRECTIONS), f"{', '.join(DIRECTIONS)}, none or any"),
    SearchField(
        "category", _free("category"), "a category's name, in quotes where it has spaces or commas; none or any"
    ),
    SearchField("label", _free("label"), "a label, in quotes where it has spaces or commas; none or any"),
    SearchField("is", _state, ", ".join(STATES)),
    SearchField("has", _has, "attachment"),
    SearchField("subject", _subject, "a word, a quoted phrase or the start of a word with *"),
    SearchField("after", _time("updated_on", "after"), "updated_on from the start of a date, a time, or so long ago"),
    SearchField(
        "before", _time("updated_on", "before"), "updated_on before the start of a date, a time, or so long ago"
    ),
    SearchField("on", _time("updated_on", "in"), f"updated_on within {_SPAN}"),
    SearchField("created", _time("created_on", "in"), f"created_on within {_SPAN}"),
    SearchField("updated", _time("updated_on", "in"), f"updated_on within {_SPAN}"),
    SearchField("sent", _time("sent_at", "in"), f"sent_at within {_SPAN}"),
)
BY_NAME = {field.name: field for field in SEARCH_FIELDS}


def nearest(text: str, known: tuple[str, ...]) -> str:
    """Words that name the nearest of the known ones; empty where none is near."""
    near = difflib.get_close_matches(text[:100], known, n=1)
    return f"; did you mean {near[0]}?" if near else ""
