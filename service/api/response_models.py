"""The bodies of responses as typed structs. The schemas of the OpenAPI document are made from them.

The handlers put stored bytes into their responses and never build these structs. Tests decode real responses with them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.conversation import Conversation

Uid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]
Whole = Annotated[int, Meta(ge=0)]
Outcome = Literal["written", "unchanged", "rejected"]


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """An object with exactly these fields."""


class Pagination(Shape):
    """The position of the page: page and total_pages of a numbered page, or next_cursor of a walk (null at the end)."""

    per_page: Whole
    total: Whole
    page: Whole | UnsetType = UNSET
    total_pages: Whole | UnsetType = UNSET
    next_cursor: str | UnsetType | None = UNSET


class FacetValue(Shape):
    """How many conversations have this value: a text, or true or false for is_read."""

    value: Any
    count: Whole


class Facet(Shape):
    """Counts by value, the most frequent first. `none` counts missing values, `other` counts unlisted values."""

    values: list[FacetValue]
    none: Whole
    other: Whole


class Facets(Shape):
    """The requested facets, by name."""

    status: Facet | UnsetType = UNSET
    channel: Facet | UnsetType = UNSET
    category: Facet | UnsetType = UNSET
    agent_uid: Facet | UnsetType = UNSET
    is_read: Facet | UnsetType = UNSET
    direction: Facet | UnsetType = UNSET
    created_on: Facet | UnsetType = UNSET


class Marks(Shape):
    """Start and end of each match in code points, and the text as HTML with <mark> around the matches."""

    ranges: list[Annotated[list[Whole], Meta(min_length=2, max_length=2)]]
    html: str


class Highlight(Shape):
    """The matches in one conversation."""

    subject: Marks


class Warning(Shape):  # noqa: A001
    """A part of q that could not be parsed and was treated as text. The position counts code points."""

    position: Whole
    text: str
    message: str


class Explanation(Shape):
    """How the request was parsed, and the same query as a text for q and as parameters, where that is possible.

    Each clause is an object whose fields depend on its kind; docs/search.md lists them.
    """

    clauses: list[dict[str, Any]]
    warnings: list[Warning]
    q: str | None
    parameters: dict[str, str] | None


class DidYouMean(Shape):
    """A corrected text for search or q, how many conversations it finds, and whether the other filters were applied."""

    total: Whole
    with_filters: bool
    search: str | UnsetType = UNSET
    q: str | UnsetType = UNSET


class WithoutFilter(Shape):
    """How many conversations the request would find without this one parameter."""

    parameter: str
    total: Whole


class WaysOut(Shape):
    """Changes to a request without results that would give it results."""

    did_you_mean: DidYouMean | None
    without: list[WithoutFilter]


class Page(Shape):
    """A page of conversations. The optional fields are present if a parameter requests them.

    The keys of highlights are the uids of the items. suggestions is null if it could not be computed in time.
    """

    items: list[Conversation]
    pagination: Pagination
    facets: Facets | UnsetType = UNSET
    highlights: dict[str, Highlight] | UnsetType = UNSET
    warnings: list[Warning] | UnsetType = UNSET
    query: Explanation | UnsetType = UNSET
    suggestions: WaysOut | UnsetType | None = UNSET


class Count(Shape):
    """The exact number of conversations that match. The optional fields are present if a parameter requests them."""

    total: Whole
    facets: Facets | UnsetType = UNSET
    warnings: list[Warning] | UnsetType = UNSET
    query: Explanation | UnsetType = UNSET


class SuggestedText(Shape):
    """The whole text with its last word completed, and how many of the newest subjects have that completion."""

    text: str
    count: Whole


class SuggestedSender(Shape):
    """A sender's address, and how many conversations it has."""

    from_email: str
    count: Whole


class SuggestedCategory(Shape):
    """A category's name, and how many conversations it has."""

    category: str
    count: Whole


class Suggestions(Shape):
    """Completions of the text, up to five of each kind."""

    words: list[SuggestedText]
    senders: list[SuggestedSender]
    categories: list[SuggestedCategory]


class DeletionResult(Shape):
    """The result of the deletion."""

    uid: Uid
    outcome: Outcome


class DeletionResults(Shape):
    """The result of the deletion, as a list with one item."""

    items: list[DeletionResult]


class WriteResult(Shape):
    """The result of one line of NDJSON or one element of an array. `line` counts from 1."""

    line: Annotated[int, Meta(ge=1)]
    uid: str | None
    outcome: Outcome
    reason: str | UnsetType = UNSET


class BulkResult(Shape):
    """The result of each line or element, in order, and the number of each outcome."""

    items: list[WriteResult]
    written: Whole
    unchanged: Whole
    rejected: Whole


class Health(Shape):
    """The service is live, or ready."""

    status: Literal["live", "ready"]


class Problem(Shape):
    """What is wrong with one parameter, and its value; null if it has none."""

    parameter: str
    message: str
    value: str | None


class Error(Shape):
    """What went wrong: a code for programs, a sentence for people, every invalid parameter, and the request's id."""

    code: str
    message: str
    details: list[Problem]
    request_id: str


class ErrorAnswer(Shape):
    """The body of every error response."""

    status: Literal["error"]
    error: Error


Success = Literal["success"]


class PageAnswer(Shape):
    """A page."""

    status: Success
    data: Page


class CountAnswer(Shape):
    """A count."""

    status: Success
    data: Count


class SuggestAnswer(Shape):
    """Suggestions."""

    status: Success
    data: Suggestions


class ConversationAnswer(Shape):
    """One conversation."""

    status: Success
    data: Conversation


class DeletionAnswer(Shape):
    """The response to a deletion."""

    status: Success
    data: DeletionResults


class BulkAnswer(Shape):
    """The response to a bulk request."""

    status: Success
    data: BulkResult


ANSWERS = (
    PageAnswer, CountAnswer, SuggestAnswer, ConversationAnswer, DeletionAnswer, BulkAnswer, Health, ErrorAnswer,
)  # fmt: skip
