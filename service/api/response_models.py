"""The shapes of the answers as typed structs, from which the schemas of the OpenAPI document are made.

The handlers splice stored bytes into their answers and never build these structs; tests decode real answers with them.
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
    """Where the page stands. page and total_pages come with pages; next_cursor comes with walks, null at the end."""

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
    """Counts by value, the most frequent first; `none` have no value; `other` have values that are not listed."""

    values: list[FacetValue]
    none: Whole
    other: Whole


class Facets(Shape):
    """The facets that were asked for, by name."""

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
    """What was found in one conversation."""

    subject: Marks


class Warning(Shape):  # noqa: A001
    """A part of q that was not understood and was treated as text. The position counts code points."""

    position: Whole
    text: str
    message: str


class Explanation(Shape):
    """How the request was understood, and the same question as a text for q and as parameters, where that is possible.

    Each clause is an object whose fields depend on its kind; docs/search.md lists them.
    """

    clauses: list[dict[str, Any]]
    warnings: list[Warning]
    q: str | None
    parameters: dict[str, str] | None


class DidYouMean(Shape):
    """A corrected text, as search or as q, with how many it finds, and whether that is with all other filters."""

    total: Whole
    with_filters: bool
    search: str | UnsetType = UNSET
    q: str | UnsetType = UNSET


class WithoutFilter(Shape):
    """How many conversations there would be without this one parameter."""

    parameter: str
    total: Whole


class WaysOut(Shape):
    """What would find something where the request finds nothing."""

    did_you_mean: DidYouMean | None
    without: list[WithoutFilter]


class Page(Shape):
    """A page of conversations. The other fields come where their parameters ask for them.

    highlights are by the uids of the items. suggestions are null where they could not be made in time.
    """

    items: list[Conversation]
    pagination: Pagination
    facets: Facets | UnsetType = UNSET
    highlights: dict[str, Highlight] | UnsetType = UNSET
    warnings: list[Warning] | UnsetType = UNSET
    query: Explanation | UnsetType = UNSET
    suggestions: WaysOut | UnsetType | None = UNSET


class Count(Shape):
    """How many conversations match, exactly. The other fields come where their parameters ask for them."""

    total: Whole
    facets: Facets | UnsetType = UNSET
    warnings: list[Warning] | UnsetType = UNSET
    query: Explanation | UnsetType = UNSET


class SuggestedText(Shape):
    """The whole text with its last word completed, and how many of the newest subjects complete it so."""

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
    """What the text may become, up to five of each."""

    words: list[SuggestedText]
    senders: list[SuggestedSender]
    categories: list[SuggestedCategory]


class DeletionResult(Shape):
    """What became of the conversation."""

    uid: Uid
    outcome: Outcome


class DeletionResults(Shape):
    """What became of the conversation, as a list of one."""

    items: list[DeletionResult]


class WriteResult(Shape):
    """What became of one line of NDJSON or one element of an array; `line` counts from 1."""

    line: Annotated[int, Meta(ge=1)]
    uid: str | None
    outcome: Outcome
    reason: str | UnsetType = UNSET


class BulkResult(Shape):
    """What became of each line or element, in order, and how many of each outcome there are."""

    items: list[WriteResult]
    written: Whole
    unchanged: Whole
    rejected: Whole


class Health(Shape):
    """The service is live, or ready."""

    status: Literal["live", "ready"]


class Problem(Shape):
    """What is wrong with one parameter, and the value that came; null where none came."""

    parameter: str
    message: str
    value: str | None


class Error(Shape):
    """What went wrong: a code for programs, a sentence for people, every wrong parameter, and the request's id."""

    code: str
    message: str
    details: list[Problem]
    request_id: str


class ErrorAnswer(Shape):
    """The one shape of every error."""

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
    """What became of a deletion."""

    status: Success
    data: DeletionResults


class BulkAnswer(Shape):
    """What became of a bulk request."""

    status: Success
    data: BulkResult


ANSWERS = (
    PageAnswer, CountAnswer, SuggestAnswer, ConversationAnswer, DeletionAnswer, BulkAnswer, Health, ErrorAnswer,
)  # fmt: skip
