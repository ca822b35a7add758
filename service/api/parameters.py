"""Query string -> (organization, ConversationQuery), or every problem found, at once.

The table PARAMETERS is all there is: parsing, the OpenAPI document and the README's table are made of it or checked
against it. Nothing is silently ignored: an unknown name, a repeated one, a malformed value are problems.
"""

from __future__ import annotations

import csv
import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes
from uuid import UUID

from service.conversation import CHANNELS, STATUSES, parse_time, parse_uuid
from service.errors import InvalidQuery, Problem
from service.search.query import (
    CURSOR_START,
    MAX_CURSOR_CHARACTERS,
    MAX_PAGE,
    MAX_PER_PAGE,
    MAX_SEARCH_CHARACTERS,
    SORT_FIELDS,
    ConversationQuery,
    Sort,
)

MAX_QUERY_BYTES = 65_536
MAX_VALUES = 100
SHOWN_CHARACTERS = 200  # of a wrong value, in the error that names it

_BROKEN_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_INTEGER = re.compile(r"-?[0-9]+", re.ASCII)
_CURSOR = re.compile(rf"\*|[A-Za-z0-9_-]{{1,{MAX_CURSOR_CHARACTERS}}}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: how its text becomes a value (ValueError says what is allowed), and how it is documented."""

    name: str
    field: str
    parse: Callable[[str], Any]
    schema: dict[str, Any]
    description: str
    example: str


def _boolean(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("must be true or false")
    return text == "true"


def _one_of(text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise ValueError(f"must be {' or '.join(allowed)}")
    return text


def _statuses(text: str) -> tuple[str, ...]:
    values = text.split(",")
    wrong = [value for value in values if value not in STATUSES]
    if wrong:
        raise ValueError(f"must be any of {', '.join(STATUSES)}, with commas between; not {_quoted(wrong[0])}")
    return tuple(dict.fromkeys(values))


def _categories(text: str) -> tuple[str, ...]:
    """RFC 4180: a name with a comma stands in double quotes, and a double quote inside those is doubled."""
    try:
        rows = list(csv.reader([text], strict=True, skipinitialspace=True))
    except csv.Error:
        rows = []
    if len(rows) != 1:
        raise ValueError('must be names with commas between; a name with a comma stands in double quotes: "a, b",c')
    names = [name.strip() for name in rows[0]]
    if not names or not all(names):
        raise ValueError("holds an empty name")
    if len(names) > MAX_VALUES:
        raise ValueError(f"must hold at most {MAX_VALUES} names")
    return tuple(dict.fromkeys(names))


def _search(text: str) -> str:
    if not text.strip():
        raise ValueError("must hold a word to search for")
    if len(text) > MAX_SEARCH_CHARACTERS:
        raise ValueError(f"must have at most {MAX_SEARCH_CHARACTERS} characters")
    return text


def _sort(text: str) -> Sort:
    name = text.removeprefix("-")
    if name not in SORT_FIELDS:
        raise ValueError(
            f"must be one of {', '.join(SORT_FIELDS)}, with - in front for descending{_nearest(name, SORT_FIELDS)}"
        )
    return Sort(next(field for field in SORT_FIELDS if field == name), descending=text.startswith("-"))


def _integer(lowest: int, highest: int, allowed: str) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ValueError(f"must be a whole number {allowed}")
        if len(text) > 20 or not lowest <= int(text) <= highest:
            raise ValueError(f"must be {allowed}")
        return int(text)

    return parse


def _cursor(text: str) -> str:
    if not _CURSOR.fullmatch(text):
        raise ValueError(f"must be {CURSOR_START} for the start, or the pagination.next_cursor of an answer")
    return text


_UUID_SCHEMA = {"type": "string", "format": "uuid"}
_UUID_EXAMPLE = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "organization_uid",
        "organization_uid",
        parse_uuid,
        _UUID_SCHEMA,
        "organization to scope to; default: the caller's default organization",
        _UUID_EXAMPLE,
    ),
    Parameter("is_read", "is_read", _boolean, {"type": "boolean"}, "read status", "false"),
    Parameter(
        "status",
        "statuses",
        _statuses,
        {"type": "array", "items": {"type": "string", "enum": list(STATUSES)}, "minItems": 1},
        f"any of {', '.join(STATUSES)}; with commas between",
        "active,draft",
    ),
    Parameter(
        "channel",
        "channel",
        lambda text: _one_of(text, CHANNELS),
        {"type": "string", "enum": list(CHANNELS)},
        "email or sms",
        "email",
    ),
    Parameter(
        "category",
        "categories",
        _categories,
        {"type": "string", "minLength": 1},
        "any of these category names, with commas between; names may hold spaces; "
        "a name with a comma is written in double quotes",
        'Billing,"Returns, damaged"',
    ),
    Parameter("agent_uid", "agent_uid", parse_uuid, _UUID_SCHEMA, "assigned agent", _UUID_EXAMPLE),
    Parameter("party_uid", "party_uid", parse_uuid, _UUID_SCHEMA, "associated party", _UUID_EXAMPLE),
    Parameter(
        "search",
        "search",
        _search,
        {"type": "string", "minLength": 1, "maxLength": MAX_SEARCH_CHARACTERS},
        "full-text search on the subject: all words must match, in any form, case and accent",
        "unread message",
    ),
    Parameter(
        "sort",
        "sort",
        _sort,
        {
            "type": "string",
            "enum": [f"{sign}{name}" for name in SORT_FIELDS for sign in ("", "-")],
            "default": str(Sort()),
        },
        f"one of {', '.join(SORT_FIELDS)}; - in front: descending; ties by -updated_on, uid; missing values last",
        "-created_on",
    ),
    Parameter(
        "page",
        "page",
        _integer(1, MAX_PAGE, f"between 1 and {MAX_PAGE}"),
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": 1},
        "page number; a page past the end has no items and the true total",
        "1",
    ),
    Parameter(
        "per_page",
        "per_page",
        _integer(1, MAX_PER_PAGE, f"between 1 and {MAX_PER_PAGE}"),
        {"type": "integer", "minimum": 1, "maximum": MAX_PER_PAGE, "default": 25},
        "conversations on a page",
        "25",
    ),
    Parameter(
        "cursor",
        "cursor",
        _cursor,
        {"type": "string", "minLength": 1, "maxLength": MAX_CURSOR_CHARACTERS},
        f"walks instead of paging: {CURSOR_START} for the start, then the pagination.next_cursor of the answer before; "
        "not with page",
        CURSOR_START,
    ),
)
PAGING = frozenset({"page", "per_page", "cursor"})
REFRESH = Parameter(
    "refresh",
    "refresh",
    lambda text: _one_of(text, ("false", "wait_for")),
    {"type": "string", "enum": ["false", "wait_for"], "default": "false"},
    "wait_for: answer when searches find what was written",
    "wait_for",
)
DELETED_ON = Parameter(
    "deleted_on",
    "deleted_on",
    parse_time,
    {"type": "string", "format": "date-time"},
    "when it was deleted, RFC 3339; what is newer stays; default: now, whatever is there",
    "2024-07-01T12:00:00.000Z",
)
ORGANIZATION = PARAMETERS[0]
GET_PARAMETERS = (ORGANIZATION,)
DELETE_PARAMETERS = (ORGANIZATION, DELETED_ON, REFRESH)
BULK_PARAMETERS = (REFRESH,)
EXPORT_PARAMETERS = tuple(parameter for parameter in PARAMETERS if parameter.name not in PAGING)


def parse_query(
    query_string: bytes, default_organization: UUID | None, *, known: Sequence[Parameter] = PARAMETERS
) -> tuple[UUID, ConversationQuery]:
    """The organization asked for and the query. Raises InvalidQuery with every problem found."""
    values, problems = _values(query_string, known)
    problems += _without_organization(values, problems, default_organization)
    if values.keys() >= {"cursor", "page"}:
        problems.append(Problem("cursor", "cannot stand beside page: a walk has no page numbers"))
    if problems:
        raise InvalidQuery(problems)
    organization_uid = values.pop("organization_uid", default_organization)
    return organization_uid, ConversationQuery(**values)


def parse_one(
    uid: str, query_string: bytes, default_organization: UUID | None, *, known: Sequence[Parameter]
) -> tuple[UUID, UUID, dict[str, Any]]:
    """The uid in the path, the organization, and the other values. Raises InvalidQuery with every problem found."""
    values, problems = _values(query_string, known)
    try:
        found = parse_uuid(uid)
    except ValueError as error:
        problems.insert(0, Problem("uid", str(error), _shown(uid)))
    problems += _without_organization(values, problems, default_organization)
    if problems:
        raise InvalidQuery(problems)
    return found, values.pop("organization_uid", default_organization), values


def parse_values(query_string: bytes, known: Sequence[Parameter]) -> dict[str, Any]:
    """The values of a route without an organization of its own. Raises InvalidQuery with every problem found."""
    values, problems = _values(query_string, known)
    if problems:
        raise InvalidQuery(problems)
    return values


def _without_organization(
    values: dict[str, Any], problems: list[Problem], default_organization: UUID | None
) -> list[Problem]:
    """The problem that no organization is meant; none where one is, or where another problem tells of it already."""
    is_told = any(problem.parameter == "organization_uid" for problem in problems)
    if "organization_uid" in values or default_organization is not None or is_told:
        return []
    return [Problem("organization_uid", "is required: the token names no default organization")]


def _values(query_string: bytes, known: Sequence[Parameter]) -> tuple[dict[str, Any], list[Problem]]:
    by_name = {parameter.name: parameter for parameter in known}
    pairs, problems = _pairs(query_string)
    values: dict[str, Any] = {}
    for name, texts in pairs.items():
        parameter = by_name.get(name)
        if parameter is None:
            problems.append(
                Problem(_shown(name), f"is not a parameter{_nearest_name(name, tuple(by_name))}", _shown(texts[0]))
            )
        elif len(texts) > 1:
            problems.append(Problem(name, "is given more than once", _shown(" & ".join(texts))))
        else:
            try:
                values[parameter.field] = parameter.parse(texts[0])
            except ValueError as error:
                problems.append(Problem(name, str(error), _shown(texts[0])))
    return values, problems


def no_parameters(query_string: bytes) -> None:
    """For routes that take none. Raises InvalidQuery naming those that came."""
    pairs, problems = _pairs(query_string)
    problems += [
        Problem(_shown(name), "is not a parameter: this takes none", _shown(texts[0])) for name, texts in pairs.items()
    ]
    if problems:
        raise InvalidQuery(problems)


def _pairs(query_string: bytes) -> tuple[dict[str, list[str]], list[Problem]]:
    """Names with their texts, percent-decoded as application/x-www-form-urlencoded; what cannot be is a problem."""
    if len(query_string) > MAX_QUERY_BYTES:
        return {}, [Problem("query string", f"must have at most {MAX_QUERY_BYTES} bytes", f"{len(query_string)} bytes")]
    pairs: dict[str, list[str]] = {}
    problems: list[Problem] = []
    for piece in filter(None, query_string.split(b"&")):
        raw_name, _, raw_value = piece.partition(b"=")
        name = _decoded(raw_name)
        value = _decoded(raw_value)
        if name is None or value is None:
            shown = (name or raw_name.decode("ascii", "replace"), raw_value.decode("ascii", "replace"))
            problems.append(Problem(_shown(shown[0]), "must be percent-encoded UTF-8", _shown(shown[1])))
        else:
            pairs.setdefault(name, []).append(value)
    return pairs, problems


def _decoded(raw: bytes) -> str | None:
    if _BROKEN_PERCENT.search(raw):
        return None
    try:
        return unquote_to_bytes(raw.replace(b"+", b" ")).decode()
    except UnicodeDecodeError:
        return None


def _nearest(name: str, known: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(name[:SHOWN_CHARACTERS].lower(), known, n=1)
    return f"; did you mean {near[0]}?" if near else ""


def _nearest_name(name: str, known: tuple[str, ...]) -> str:
    return _nearest(name, known) or f"; there are {', '.join(known)}"


def _quoted(value: str) -> str:
    return f'"{_shown(value)}"'


def _shown(text: str) -> str:
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
