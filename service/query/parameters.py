"""The tables of parameters, from which parsing, the OpenAPI document and the docs' tables are made or checked.

Filters follow from the registry of fields; the rest is here. PARAMETERS are the contract's; MORE_PARAMETERS are further
filters; EXTRA_PARAMETERS add something to the answer. The examples describe one conversation of the sample, so each of
them works alone, and all of them work together.
"""

from __future__ import annotations

from service.conversation import parse_uuid
from service.query import search_syntax, values
from service.query.conditions import DEFAULT_MATCH, MATCHES, MAX_SEARCH_CHARACTERS
from service.query.conversation_query import (
    CURSOR_START,
    DEFAULT_PER_PAGE,
    FIRST_PAGE,
    INTERVALS,
    MAX_CURSOR_CHARACTERS,
    MAX_PAGE,
    MAX_PER_PAGE,
    MAX_SORTS,
    Sort,
)
from service.query.field_parameters import (
    FLAG_SCHEMA,
    UUID_SCHEMA,
    any_of,
    bound_parameters,
    list_of,
    list_parameters,
    plain_parameters,
)
from service.query.fields import FACET_FIELDS, FIELDS, RELEVANCE, SORT_FIELDS
from service.query.numbers import integer
from service.query.query_string import Parameter
from service.query.time_bounds import parse_zone
from service.query.values import MAX_SUGGEST_CHARACTERS
from service.times import parse_version

EXAMPLE_ORGANIZATION = "6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f"
ORDERS = tuple(f"{sign}{name}" for name in SORT_FIELDS for sign in ("", "-") if (name, sign) != (RELEVANCE, "-"))

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "organization_uid",
        "organization_uid",
        parse_uuid,
        UUID_SCHEMA,
        "organization to scope to; default: the caller's default organization",
        EXAMPLE_ORGANIZATION,
    ),
    *plain_parameters(FIELDS, is_contract=True),
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
        {**list_of({"type": "string", "enum": list(ORDERS)}, MAX_SORTS), "default": [str(Sort())]},
        f"one of {', '.join(SORT_FIELDS)}, or several with commas between; - in front: descending; "
        "ties by -updated_on, uid; missing values last",
        "-created_on",
    ),
    Parameter(
        "page",
        "page",
        integer(1, MAX_PAGE, f"between 1 and {MAX_PAGE}"),
        {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": FIRST_PAGE},
        "page number; a page past the end has no items and the true total",
        "1",
    ),
    Parameter(
        "per_page",
        "per_page",
        integer(1, MAX_PER_PAGE, f"between 1 and {MAX_PER_PAGE}"),
        {"type": "integer", "minimum": 1, "maximum": MAX_PER_PAGE, "default": DEFAULT_PER_PAGE},
        "conversations on a page",
        "25",
    ),
    Parameter(
        "cursor",
        "cursor",
        values.cursor,
        {"type": "string", "minLength": 1, "maxLength": MAX_CURSOR_CHARACTERS},
        f"the position in a walk through all pages: {CURSOR_START} to start, then the pagination.next_cursor of the "
        "previous answer; of page, only page=1 is allowed with it",
        CURSOR_START,
    ),
)


MORE_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "q", "q", lambda text: text, {"type": "string", "minLength": 1, "maxLength": search_syntax.MAX_CHARACTERS},
        "a search box's text: words, \"phrases\", -without, begun*, field:value, OR and brackets; "
        "combines by AND with all other parameters", "twisted -woven status:closed before:2004",
    ),
    Parameter(
        "match", "match", lambda text: values.one_of(text, MATCHES),
        {"type": "string", "enum": list(MATCHES), "default": DEFAULT_MATCH},
        "how search matches; words: all words in any form; phrase: the words next to each other; prefix: the last word "
        "may be incomplete; fuzzy: with typing mistakes; exact: the whole subject", "prefix",
    ),
    *list_parameters(FIELDS),
    *plain_parameters(FIELDS, is_contract=False),
    *bound_parameters(FIELDS),
    Parameter(
        "tz", "zone", parse_zone, {"type": "string", "default": "UTC"},
        "the time zone in which a date, such as 2024-07-01, is a day", "Europe/Berlin",
    ),
)  # fmt: skip
EXTRA_PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "facets", "facets", values.facets, any_of(FACET_FIELDS),
        f"counts by the values of any of {', '.join(FACET_FIELDS)}, each without its own filter", "status,channel",
    ),
    Parameter(
        "facets[created_on]", "facets[created_on]", lambda text: values.one_of(text, INTERVALS),
        {"type": "string", "enum": list(INTERVALS)},
        f"counts by created_on: {', '.join(INTERVALS)}; days are those of the time zone tz", "month",
    ),
    Parameter(
        "highlight", "highlight", lambda text: values.one_of(text, ("subject",)),
        {"type": "string", "enum": ["subject"]},
        "the places in each subject where the words were found", "subject",
    ),
    Parameter(
        "suggest", "suggest", values.boolean, FLAG_SCHEMA,
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
