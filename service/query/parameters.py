"""The tables of parameters. The parser and the OpenAPI document use them; tests compare the docs with them.

The filters are made from the registry of fields; the others are defined here. PARAMETERS are those of the contract,
MORE_PARAMETERS are further filters, and EXTRA_PARAMETERS add something to the answer. All examples match one
conversation of the sample, so each example works alone, and all work together.
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

ORGANIZATION = Parameter(
    "organization_uid",
    "organization_uid",
    parse_uuid,
    UUID_SCHEMA,
    "organization to scope to; default: the caller's default organization",
    EXAMPLE_ORGANIZATION,
)
SEARCH = Parameter(
    "search",
    "search",
    values.search,
    {"type": "string", "minLength": 1, "maxLength": MAX_SEARCH_CHARACTERS},
    "full-text search on the subject: all words must match, in any form, case and accent",
    "twisted asyncore",
)
SORT = Parameter(
    "sort",
    "sorts",
    values.sorts,
    {**list_of({"type": "string", "enum": list(ORDERS)}, MAX_SORTS), "default": [str(Sort())]},
    f"one of {', '.join(SORT_FIELDS)}, or several with commas between; - in front: descending; "
    "ties by -updated_on, uid; missing values last",
    "-created_on",
)
PAGE = Parameter(
    "page",
    "page",
    integer(1, MAX_PAGE, f"between 1 and {MAX_PAGE}"),
    {"type": "integer", "minimum": 1, "maximum": MAX_PAGE, "default": FIRST_PAGE},
    "page number; a page past the end has no items and the true total",
    "1",
)
PER_PAGE = Parameter(
    "per_page",
    "per_page",
    integer(1, MAX_PER_PAGE, f"between 1 and {MAX_PER_PAGE}"),
    {"type": "integer", "minimum": 1, "maximum": MAX_PER_PAGE, "default": DEFAULT_PER_PAGE},
    "conversations on a page",
    "25",
)
CURSOR = Parameter(
    "cursor",
    "cursor",
    values.cursor,
    {"type": "string", "minLength": 1, "maxLength": MAX_CURSOR_CHARACTERS},
    f"the position in a walk through all pages: {CURSOR_START} to start, then the pagination.next_cursor of the "
    "previous answer; of page, only page=1 is allowed with it",
    CURSOR_START,
)
PARAMETERS: tuple[Parameter[object], ...] = (
    ORGANIZATION, *plain_parameters(FIELDS, is_contract=True), SEARCH, SORT, PAGE, PER_PAGE, CURSOR,
)  # fmt: skip
Q = Parameter(
    "q", "q", lambda text: text, {"type": "string", "minLength": 1, "maxLength": search_syntax.MAX_CHARACTERS},
    "a search box's text: words, \"phrases\", -without, begun*, field:value, OR and brackets; "
    "combines by AND with all other parameters", "twisted -woven status:closed before:2004",
)  # fmt: skip
MATCH = Parameter(
    "match", "match", lambda text: values.one_of(text, MATCHES),
    {"type": "string", "enum": list(MATCHES), "default": DEFAULT_MATCH},
    "how search matches; words: all words in any form; any: any of the words; auto: all words, or any of them if "
    "nothing has all; phrase: the words next to each other; prefix: the last word may be incomplete; fuzzy: with "
    "typing mistakes; exact: the whole subject; any and auto are also for the plain words of q", "prefix",
)  # fmt: skip
TZ = Parameter(
    "tz", "zone", parse_zone, {"type": "string", "default": "UTC"},
    "the time zone of dates such as 2024-07-01", "Europe/Berlin",
)  # fmt: skip
FACETS = Parameter(
    "facets", "facets", values.facets, any_of(FACET_FIELDS),
    f"counts by the values of any of {', '.join(FACET_FIELDS)}, each without its own filter", "status,channel",
)  # fmt: skip
FACETS_CREATED_ON = Parameter(
    "facets[created_on]", "facets[created_on]", lambda text: values.one_of(text, INTERVALS),
    {"type": "string", "enum": list(INTERVALS)},
    f"counts by created_on: {', '.join(INTERVALS)}; days are those of the time zone tz", "month",
)  # fmt: skip
HIGHLIGHT = Parameter(
    "highlight", "highlight", lambda text: values.one_of(text, ("subject",)),
    {"type": "string", "enum": ["subject"]},
    "the matches of the words in each subject", "subject",
)  # fmt: skip
SUGGEST = Parameter(
    "suggest", "suggest", values.boolean, FLAG_SCHEMA,
    "if nothing matches: a corrected text that matches, and for single filters, how many match without them", "true",
)  # fmt: skip
EXPLAIN = Parameter(
    "explain", "explain", lambda text: values.one_of(text, ("query",)), {"type": "string", "enum": ["query"]},
    "how the request was parsed, and the same query as q and as parameters", "query",
)  # fmt: skip
MORE_PARAMETERS: tuple[Parameter[object], ...] = (
    Q, MATCH, *list_parameters(FIELDS), *plain_parameters(FIELDS, is_contract=False), *bound_parameters(FIELDS), TZ,
)  # fmt: skip
EXTRA_PARAMETERS: tuple[Parameter[object], ...] = (FACETS, FACETS_CREATED_ON, HIGHLIGHT, SUGGEST, EXPLAIN)
PAGING = frozenset({"page", "per_page", "cursor"})
REFRESHES = ("false", "wait_for")
REFRESH = Parameter(
    "refresh",
    "refresh",
    lambda text: values.one_of(text, REFRESHES),
    {"type": "string", "enum": list(REFRESHES), "default": "false"},
    "wait_for: answer only when searches find what was written",
    "wait_for",
)
DELETED_ON = Parameter(
    "deleted_on",
    "deleted_on",
    parse_version,
    {"type": "string", "format": "date-time"},
    "time of the deletion (RFC 3339, from 1970 to one day in the future); a newer conversation is not deleted; "
    "default: now, and the conversation is deleted whatever its version is",
    "2024-07-01T12:00:00.000Z",
)
GET_PARAMETERS = (ORGANIZATION,)
DELETE_PARAMETERS = (ORGANIZATION, DELETED_ON, REFRESH)
TYPED = Parameter(
    "q", "q", values.begun, {"type": "string", "minLength": 1, "maxLength": MAX_SUGGEST_CHARACTERS},
    "what was typed so far", "twis", required=True,
)  # fmt: skip
SUGGEST_PARAMETERS = (ORGANIZATION, TYPED)
BULK_PARAMETERS = (REFRESH,)
LIST_PARAMETERS = (*PARAMETERS, *MORE_PARAMETERS, *EXTRA_PARAMETERS)
EXPORT_PARAMETERS = (*(parameter for parameter in PARAMETERS if parameter.name not in PAGING), *MORE_PARAMETERS)
_NOT_COUNTED = frozenset({"sort", "highlight", "suggest"})
COUNT_PARAMETERS = tuple(
    parameter for parameter in LIST_PARAMETERS if parameter.name not in PAGING and parameter.name not in _NOT_COUNTED
)
