"""The bodies of responses as typed structs. The schemas of the OpenAPI document are made from them.

The parts that the search makes are in service/search/answers.py. A page's items are sent as the bytes that are stored,
so no handler builds a Page or a ConversationAnswer. Tests decode real responses with all of these structs.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from service.conversation import Conversation
from service.index.item_outcomes import Outcome
from service.search.answers import Count, PageExtras, Pagination, Shape, Suggestions, Whole

Uid = Annotated[str, Meta(extra_json_schema={"format": "uuid"})]


class Page(PageExtras, kw_only=True):
    """A page of conversations. The optional fields are present if a parameter requests them.

    The keys of highlights are the uids of the items. suggestions is null if it could not be computed in time.
    """

    items: list[Conversation]
    pagination: Pagination


class Identity(Shape):
    """The user of the token, its organizations, its scopes, and whether it is restricted to some agents or parties."""

    user: str
    organizations: list[Uid]
    default_organization: Uid | None
    scopes: list[str]
    is_restricted: bool


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
    """The service is live, or ready.

    `nodes` says how many of several nodes of OpenSearch answer, `unknown` what could not be found out, because one of
    them does not.
    """

    status: Literal["live", "ready"]
    nodes: str | UnsetType = UNSET
    unknown: str | UnsetType = UNSET


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


class IdentityAnswer(Shape):
    """The caller."""

    status: Success
    data: Identity


class DeletionAnswer(Shape):
    """The response to a deletion."""

    status: Success
    data: DeletionResults


class BulkAnswer(Shape):
    """The response to a bulk request."""

    status: Success
    data: BulkResult


ANSWERS = (
    PageAnswer, CountAnswer, SuggestAnswer, ConversationAnswer, DeletionAnswer, BulkAnswer, IdentityAnswer, Health,
    ErrorAnswer,
)  # fmt: skip
