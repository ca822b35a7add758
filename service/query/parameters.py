"""The tables of parameters, from which parsing, the OpenAPI document and the docs' tables are made or checked.

PARAMETERS are the contract's; MORE_PARAMETERS are further filters; EXTRA_PARAMETERS add something to the answer. The
examples describe one conversation of the sample, so each of them works alone, and all of them work together.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from service.conversation import CHANNELS, DIRECTIONS, STATUSES, parse_uuid
from service.query import search_syntax, values
from service.query.conditions import ANY, DATE_FIELDS, MATCHES, NONE, Field
from service.query.conversation_query import (
    CURSOR_START,
    DEFAULT_MATCH,
    DEFAULT_PER_PAGE,
    FACET_FIELDS,
    FIRST_PAGE,
    INTERVALS,
    MAX_CURSOR_CHARACTERS,
    MAX_PAGE,
    MAX_PER_PAGE,
    MAX_SEARCH_CHARACTERS,
    MAX_SORTS,
    RELEVANCE,
    SORT_FIELDS,
    Sort,
)
from service.query.query_string import Parameter
from service.query.time_bounds import OPERATORS, TIMES_ALLOWED, parse_zone
from service.query.values import MAX_SUGGEST_CHARACTERS
from service.times import parse_version

_UUID_SCHEMA = {"type": "string", "format": "uuid"}
_TEXT_SCHEMA = {"type": "string", "minLength": 1}
_FLAG_SCHEMA = {"type": "boolean"}
EXAMPLE_ORGANIZATION = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
EXAMPLE_AGENT = "7dd3833a-4044-5bfc-84b9-49f387f5a79d"
EXAMPLE_PARTY = "c77e477d-6ef5-5d8a-b286-f5acd0caa88c"
_OTHER_AGENT = "16a04d58-cc72-56da-86e1-247d0b908333"
_OTHER_PARTY = "1b28a2a7-a49a-5c39-af7d-5f3201c9a716"


def _list_of(items: dict[str, Any], most: int = values.MAX_VALUES) -> dict[str, Any]:
    return {"type": "array", "items": items, "minItems": 1, "maxItems": most}


def _any_of(names: Sequence[str]) -> dict[str, Any]:
    return _list_of({"type": "string", "enum": list(names)})


_TEXTS_SCHEMA = _list_of(_TEXT_SCHEMA)
_UIDS_SCHEMA = _list_of(_UUID_SCHEMA)
SORT_KEYS = tuple(f"{sign}{name}" for name in SORT_FIELDS for sign in ("", "-") if (name, sign) != (RELEVANCE, "-"))

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "organization_uid",
        "organization_uid",
        parse_uuid,
        _UUID_SCHEMA,
        "organization to scope to; default: the caller's default organization",
        EXAMPLE_ORGANIZATION,
    ),
    Parameter("is_read", "is_read", values.boolean, {"type": "boolean"}, "read status", "false"),
    Parameter(
        "status",
        "statuses",
        values.statuses,
        _any_of(STATUSES),
        f"any of {', '.join(STATUSES)}; with commas between",
        "active,closed",
    ),
    Parameter(
        "channel",
        "channel",
        lambda text: values.one_of(text, CHANNELS),
        {"type": "string", "enum": list(CHANNELS)},
        "email or sms",
        "email",
    ),
    Parameter(
        "category",
        "categories",
        lambda text: values.presence("category", text) or values.names(text),
        _TEXTS_SCHEMA,
        "any of these category names, with commas between; names may hold spaces; "
        "a name with a comma is written in double quotes; none or any",
        'Questions,"Docs, translations"',
    ),
    Parameter(
        "agent_uid",
        "agent_uid",
        values.or_presence("agent_uid", parse_uuid),
        _TEXT_SCHEMA,
        "assigned agent; none or any",
        EXAMPLE_AGENT,
    ),
    Parameter(
        "party_uid",
        "party_uid",
        values.or_presence("party_uid", parse_uuid),
        _TEXT_SCHEMA,
        "associated party; none or any",
        EXAMPLE_PARTY,
    ),
    Parameter(
        "search",
        "search",
        values.search,
        {"type": "string", "minLength": 1, "maxLength": MAX_SEARCH_CHARACTERS},
        "full-text search on the subject: all words must match, in any form, case and accent",
        "twisted asyncore",
    ),
    Parameter(
        "sort",
        "sorts",
        values.sorts,
        {**_list_of({"type": "string", "enum": list(SORT_KEYS)}, MAX_SORTS), "default": [str(Sort())]},
        f"one of {', '.join(SORT_FIELDS)}, or several with commas between; - in front: descending; "
        "ties by -updated_on, uid; missing values last",
        "-created_on",
    ),
    Parameter(
        "page",
        "page",
        values.integer(1, MAX_PAGE, f"between 1 and {MAX_PAGE}"),
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": FIRST_PAGE},
        "page number; a page past the end has no items and the true total",
        "1",
    ),
    Parameter(
        "per_page",
        "per_page",
        values.integer(1, MAX_PER_PAGE, f"between 1 and {MAX_PER_PAGE}"),
        {"type": "integer", "minimum": 1, "maximum": MAX_PER_PAGE, "default": DEFAULT_PER_PAGE},
        "conversations on a page",
        "25",
    ),
    Parameter(
        "cursor",
        "cursor",
        values.cursor,
        {"type": "string", "minLength": 1, "maxLength": MAX_CURSOR_CHARACTERS},
        f"walks instead of paging: {CURSOR_START} for the start, then the pagination.next_cursor of the answer before; "
        "not with page, but for page=1",
        CURSOR_START,
    ),
)


def _list_parameters() -> list[Parameter]:
    """[in], [nin] and ! of the fields that hold names or uids; "not" includes those without a value.

    The OpenAPI document leaves `!` out: [nin] is the same, and generators make one name of both.
    """
    kinds: tuple[tuple[Field, Callable[[str], tuple[str, ...]], dict[str, Any], str, str], ...] = (
        ("status", values.any_name_of(STATUSES), _any_of(STATUSES), "active,closed", "draft,archived"),
        ("channel", values.any_name_of(CHANNELS), _any_of(CHANNELS), "email", "sms"),
        ("direction", values.any_name_of(DIRECTIONS), _any_of(DIRECTIONS), "inbound", "outbound"),
        ("category", values.names, _TEXTS_SCHEMA, "Questions,Bugs", "Releases"),
        ("agent_uid", values.uids, _UIDS_SCHEMA, f"{EXAMPLE_AGENT},{_OTHER_AGENT}", _OTHER_AGENT),
        ("party_uid", values.uids, _UIDS_SCHEMA, f"{EXAMPLE_PARTY},{_OTHER_PARTY}", _OTHER_PARTY),
    )
    ways = (("[in]", False, "any of these"), ("[nin]", True, "none of these"), ("!", True, "none of these, as [nin]"))
    return [
        Parameter(
            f"{field}{sign}", f"{field}{sign}", values.condition(field, parse, negated=negated),
            schema, f"{means}, with commas between", other if negated else example, documented=sign != "!",
        )
        for field, parse, schema, example, other in kinds
        for sign, negated, means in ways
    ]  # fmt: skip


def _date_parameters() -> list[Parameter]:
    examples = {"gte": "2003-05", "gt": "2003-04-30", "lte": "2003-05-01", "lt": "2003-05-01T06:00:00Z"}
    means = {"gte": "at or after", "gt": "after", "lte": "at or before", "lt": "before"}
    return [
        Parameter(
            f"{field}[{operator}]", f"{field}[{operator}]", values.dated(field, operator),
            _TEXT_SCHEMA, f"{field} {means[operator]}: {TIMES_ALLOWED}", examples[operator],
        )
        for field in DATE_FIELDS
        for operator in OPERATORS
    ]  # fmt: skip


MORE_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "q", "q", lambda text: text, {"type": "string", "minLength": 1, "maxLength": search_syntax.MAX_CHARACTERS},
        "a search box's text: words, \"phrases\", -without, begun*, field:value, OR and brackets; "
        "combines by AND with all other parameters", "twisted -woven status:closed before:2004",
    ),
    Parameter(
        "match", "match", lambda text: values.one_of(text, MATCHES),
        {"type": "string", "enum": list(MATCHES), "default": DEFAULT_MATCH},
        "how search matches: all words; the phrase; all words, the last of which may go on; with typing mistakes; "
        "the whole subject", "prefix",
    ),
    *_list_parameters(),
    Parameter(
        "direction", "direction",
        values.or_presence("direction", values.condition("direction", values.any_name_of(DIRECTIONS))),
        _list_of({"type": "string", "enum": [*DIRECTIONS, NONE, ANY]}),
        f"any of {', '.join(DIRECTIONS)}, with commas between; none or any", "inbound",
    ),
    Parameter("has_reply", "has_reply", values.flag("has_reply"), _FLAG_SCHEMA, "whether it was answered", "true"),
    Parameter(
        "has_attachments", "has_attachments", values.flag("has_attachments"), _FLAG_SCHEMA,
        "whether files are attached", "false",
    ),
    Parameter(
        "from_email", "from_email",
        values.or_presence("from_email", values.condition("from_email", values.names)), _TEXTS_SCHEMA,
        "any of these senders' addresses, with commas between; none or any", "anthony@interlink.com.au",
    ),
    Parameter(
        "label", "label", values.or_presence("label", values.condition("label", values.names)), _TEXTS_SCHEMA,
        "any of these labels, with commas between; none or any", "none",
    ),
    Parameter(
        "parent_conversation_uid", "parent_conversation_uid",
        values.or_presence("parent_conversation_uid", values.condition("parent_conversation_uid", values.uids)),
        _TEXTS_SCHEMA,
        "any of the conversations that it belongs to, with commas between; none or any", "none",
    ),
    *_date_parameters(),
    Parameter(
        "tz", "zone", parse_zone, {"type": "string", "default": "UTC"},
        "the time zone in which a date, such as 2024-07-01, is a day", "Europe/Berlin",
    ),
)  # fmt: skip
EXTRA_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "facets", "facets", values.facets, _any_of(FACET_FIELDS),
        f"counts by the values of any of {', '.join(FACET_FIELDS)}, each without its own filter", "status,channel",
    ),
    Parameter(
        "facets[created_on]", "facets[created_on]", lambda text: values.one_of(text, INTERVALS),
        {"type": "string", "enum": list(INTERVALS)}, "counts by created_on; a day is one in the time zone tz", "month",
    ),
    Parameter(
        "highlight", "highlight", lambda text: values.one_of(text, ("subject",)),
        {"type": "string", "enum": ["subject"]},
        "the places in each subject where the words were found", "subject",
    ),
    Parameter(
        "suggest", "suggest", values.boolean, _FLAG_SCHEMA,
        "if nothing matches: a corrected text that does match, and how many match without a single filter", "true",
    ),
    Parameter(
        "explain", "explain", lambda text: values.one_of(text, ("query",)), {"type": "string", "enum": ["query"]},
        "how the request was understood, and the same question as q and as parameters", "query",
    ),
)  # fmt: skip
PAGING = frozenset({"page", "per_page", "cursor"})
REFRESH = Parameter(
    "refresh",
    "refresh",
    lambda text: values.one_of(text, ("false", "wait_for")),
    {"type": "string", "enum": ["false", "wait_for"], "default": "false"},
    "wait_for: answer when searches find what was written",
    "wait_for",
)
DELETED_ON = Parameter(
    "deleted_on",
    "deleted_on",
    parse_version,
    {"type": "string", "format": "date-time"},
    "when it was deleted, RFC 3339, from 1970 to a day ahead of the clock; what is newer stays; "
    "default: now, whatever is there",
    "2024-07-01T12:00:00.000Z",
)
ORGANIZATION = PARAMETERS[0]
GET_PARAMETERS = (ORGANIZATION,)
DELETE_PARAMETERS = (ORGANIZATION, DELETED_ON, REFRESH)
SUGGEST_PARAMETERS = (
    ORGANIZATION,
    Parameter(
        "q", "q", values.begun, {"type": "string", "minLength": 1, "maxLength": MAX_SUGGEST_CHARACTERS},
        "what was typed so far", "twis", required=True,
    ),
)  # fmt: skip
BULK_PARAMETERS = (REFRESH,)
LIST_PARAMETERS = (*PARAMETERS, *MORE_PARAMETERS, *EXTRA_PARAMETERS)
EXPORT_PARAMETERS = (*(parameter for parameter in PARAMETERS if parameter.name not in PAGING), *MORE_PARAMETERS)
_NOT_COUNTED = frozenset({"sort", "highlight", "suggest"})
COUNT_PARAMETERS = tuple(
    parameter for parameter in LIST_PARAMETERS if parameter.name not in PAGING and parameter.name not in _NOT_COUNTED
)
