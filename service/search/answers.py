"""The parts of answers that the search makes. The API sends them as JSON, and makes its OpenAPI document from them."""

from __future__ import annotations

from typing import Annotated, Any, TypedDict

import msgspec
from msgspec import UNSET, Meta, UnsetType

from service.query.conversation_query import Matched
from service.query.explain import Explanation
from service.query.search_syntax import Warning  # noqa: A004

Whole = Annotated[int, Meta(ge=0)]


class Shape(msgspec.Struct, forbid_unknown_fields=True):
    """An object with exactly these fields. A field that is UNSET is left out of the JSON."""


class Pagination(Shape, kw_only=True):
    """The position of the page: page and total_pages of a numbered page, or next_cursor of a walk (null at the end)."""

    page: Whole | UnsetType = UNSET
    per_page: Whole
    total: Whole
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


class Facets(TypedDict, total=False):
    """The requested facets, by name."""

    status: Facet
    channel: Facet
    category: Facet
    agent_uid: Facet
    is_read: Facet
    direction: Facet
    created_on: Facet


class Marks(Shape):
    """Start and end of each match in code points, and the text as HTML with <mark> around the matches."""

    ranges: list[Annotated[list[Whole], Meta(min_length=2, max_length=2)]]
    html: str


class Highlight(Shape):
    """The matches in one conversation."""

    subject: Marks


class DidYouMean(Shape, kw_only=True):
    """A corrected text for search or q, how many conversations it finds, and whether the other filters were applied."""

    search: str | UnsetType = UNSET
    q: str | UnsetType = UNSET
    total: Whole
    with_filters: bool


class WithoutFilter(Shape):
    """How many conversations the request would find without this one parameter."""

    parameter: str
    total: Whole


class Alternatives(Shape):
    """Changes to a request without results that would give it results.

    `any_words` counts the conversations that have any of the words, with the same filters.
    """

    did_you_mean: DidYouMean | None
    any_words: Whole
    without: list[WithoutFilter]


class PageExtras(Shape):
    """The optional fields of a page, each of which a parameter requests.

    With match=auto, `matched` says which words the results have: all of them, or any because none has all.
    """

    matched: Matched | UnsetType = UNSET
    highlights: dict[str, Highlight] | UnsetType = UNSET
    facets: Facets | UnsetType = UNSET
    query: Explanation | UnsetType = UNSET
    warnings: list[Warning] | UnsetType = UNSET
    suggestions: Alternatives | UnsetType | None = UNSET


class Count(Shape):
    """The exact number of conversations that match. The optional fields are present if a parameter requests them."""

    total: Whole
    matched: Matched | UnsetType = UNSET
    facets: Facets | UnsetType = UNSET
    query: Explanation | UnsetType = UNSET
    warnings: list[Warning] | UnsetType = UNSET


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


class SuggestedLabel(Shape):
    """A label, and how many conversations have it."""

    label: str
    count: Whole


class Suggestions(Shape):
    """Completions of the text, up to five of each kind."""

    words: list[SuggestedText]
    senders: list[SuggestedSender]
    categories: list[SuggestedCategory]
    labels: list[SuggestedLabel]
