"""Filters as Python values, and as the parameters of a URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, timedelta
from typing import Literal, TypedDict
from uuid import UUID

Status = Literal["draft", "active", "archived", "closed"]
Channel = Literal["email", "sms"]
Match = Literal["all", "any", "auto", "phrase", "prefix", "fuzzy", "exact"]
Value = str | bool | int | UUID | date | datetime
Parameters = list[tuple[str, str]]


class Filters(TypedDict, total=False):
    """What to search for. Different filters combine by AND, several values of one filter by OR.

    Attributes:
        search: words that the subject must have, in any form, case and accent.
        q: a text in the syntax of the search box, such as "invoice -draft status:active".
        match: how `search` and `q` match; "auto" means all words, or any of them if nothing has all.
        organization_uid: the organization. By default that of the token, if it has one only.
        status, channel, category, agent_uid, party_uid: one value or several; "none" and "any" for missing and present.
        is_read: whether it was read.
        where: all other parameters, by the names of the HTTP API, such as
            {"created_on[gte]": date(2024, 7, 1), "status!": "closed", "tz": "Europe/Berlin"}.
    """

    search: str
    q: str
    match: Match
    organization_uid: UUID | str
    status: Status | Literal["none", "any"] | Iterable[Status]
    channel: Channel | Literal["none", "any"] | Iterable[Channel]
    category: str | Iterable[str]
    agent_uid: UUID | str | Iterable[UUID | str]
    party_uid: UUID | str | Iterable[UUID | str]
    is_read: bool | Literal["none", "any"]
    where: Mapping[str, Value | Iterable[Value]]


def parameters(filters: Mapping[str, object], **more: object) -> Parameters:
    """The pairs of name and value for a URL. A list becomes a repeated parameter. None means: not given.

    Raises TypeError for a value of another type, and for a filter that this client does not know: `where` takes those
    of a newer service.
    """
    unknown = filters.keys() - Filters.__annotations__.keys()
    if unknown:
        names = ", ".join(sorted(unknown))
        raise TypeError(f"{names}: not a filter of this client; give it as where={{'{min(unknown)}': ...}}")
    where = filters.get("where") or {}
    if not isinstance(where, Mapping):
        raise TypeError("where: must be a mapping of names to values")
    pairs: Parameters = []
    for name, value in (*((n, v) for n, v in filters.items() if n != "where"), *where.items(), *more.items()):
        pairs += _pairs(str(name), value)
    return pairs


def _pairs(name: str, value: object) -> Parameters:
    if value is None:
        return []
    if isinstance(value, str | bytes) or not isinstance(value, Iterable):
        return [(name, _text(name, value, listed=name in _LISTS))]
    values = list(value)
    if not values:
        raise ValueError(f"{name}: an empty list would find everything; leave the filter out for that")
    return [(name, _text(name, one, listed=True)) for one in values]


_LISTS = frozenset({"category"})  # names may have commas, which would part a list


def _text(name: str, value: object, *, listed: bool) -> str:
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return f'"{value.replace(chr(34), 2 * chr(34))}"' if listed and _needs_quotes(value) else value
        case datetime():
            if value.tzinfo is None:
                raise ValueError(f"{name}: {value!r} has no time zone; use datetime(..., tzinfo=UTC)")
            return value.isoformat()
        case int() | UUID():
            return str(value)
        case date():
            return value.isoformat()
        case timedelta():
            raise TypeError(f"{name}: a timedelta is no point in time; write for example '-7d'")
    raise TypeError(f"{name}: {type(value).__name__} is not a value of a filter")


def _needs_quotes(value: str) -> bool:
    return "," in value or '"' in value
