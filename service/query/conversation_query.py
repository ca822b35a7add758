"""The parsed query: immutable and always valid. This package knows neither HTTP nor OpenSearch."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args
from zoneinfo import ZoneInfo

from service.query.conditions import (
    DEFAULT_MATCH,
    LOOSE_MATCHES,
    AllOf,
    Match,
    Node,
    SearchText,
    Words,
    texts_of,
    with_match,
)
from service.query.fields import FACET_FIELDS, RELEVANCE, SORT_FIELDS
from service.query.search_syntax import ParsedSearch
from service.query.time_bounds import UTC_ZONE

MAX_SORTS = 4

Interval = Literal["day", "week", "month", "year"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)

FIRST_PAGE = 1
DEFAULT_PER_PAGE = 25
MAX_PER_PAGE = 100
MAX_CURSOR_CHARACTERS = 8192  # a cursor contains sort values of up to 1,000 characters
CURSOR_START = "*"
MAX_PAGE = 10**15  # more than any index has (Lucene allows 2^31 documents in a shard), and exact as a double


@dataclass(frozen=True, slots=True)
class Sort:
    """One key of the order. Every order ends with `-updated_on, uid`."""

    field: str = "updated_on"
    descending: bool = True

    def __post_init__(self) -> None:
        if self.field not in SORT_FIELDS:
            raise ValueError(f"no such sort: {self.field}")

    def __str__(self) -> str:
        return f"{'-' if self.descending and self.field != RELEVANCE else ''}{self.field}"


@dataclass(frozen=True, slots=True)
class Facets:
    """The requested counts: by the values of these fields, and by intervals of created_on."""

    fields: tuple[str, ...] = ()
    created_on: Interval | None = None

    def __post_init__(self) -> None:
        if not set(self.fields) <= set(FACET_FIELDS):
            raise ValueError(f"no such facet: {self.fields}")

    def __bool__(self) -> bool:
        return bool(self.fields) or self.created_on is not None


Matched = Literal["all", "any"]


@dataclass(frozen=True, slots=True)
class Resolution:
    """What `match=auto` or `match=any` means in an organization. It is decided before the search, and kept in a walk.

    `matched` says which words the results have: all of them, or any. If any word is enough, `worths` has the words that
    score in the order by relevance, rare ones higher; `signed` has the words that also score with their signs.
    """

    matched: Matched
    worths: tuple[tuple[str, int], ...] = ()
    signed: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Extras:
    """What the answer has in addition to the items. It does not affect which conversations match, or their order."""

    facets: Facets = Facets()
    highlight: bool = False
    suggest: bool = False
    explain: bool = False
    zone: ZoneInfo = UTC_ZONE
    parsed_search: ParsedSearch | None = None


@dataclass(frozen=True, slots=True)
class ConversationQuery:
    """Which conversations, in which order, and which page of them.

    `where` has all filters and the search; all must match. If it is empty, every conversation matches. `sort` is the
    first key of the order, and `then` has the others. Times such as "7 days ago" are relative to `now`.

    `match=auto` and `match=any` are as `resolution` says. Without one, `auto` means that all words must match.

    A walk has a `cursor` instead of a page. It marks the conversation after which the answer begins; CURSOR_START is
    the beginning.
    """

    where: tuple[Node, ...] = ()
    sort: Sort = field(default_factory=Sort)
    then: tuple[Sort, ...] = ()
    page: int = FIRST_PAGE
    per_page: int = DEFAULT_PER_PAGE
    cursor: str | None = None
    extras: Extras = field(default_factory=Extras)
    now: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)
    resolution: Resolution | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.page <= MAX_PAGE or not 1 <= self.per_page <= MAX_PER_PAGE:
            raise ValueError(f"no such page: {self.page} of {self.per_page}")
        if self.cursor is not None and self.page != FIRST_PAGE:
            raise ValueError("a walk by cursor has no page numbers")
        if self.sort.field == RELEVANCE and self.words is None and self.extras.parsed_search is None:
            raise ValueError("relevance needs a text")

    @property
    def loose_matches(self) -> frozenset[Match]:
        """Which of `any` and `auto` the texts have. Only these queries need a resolution."""
        return frozenset(words.match for words in texts_of(AllOf(self.where)) if words.match in LOOSE_MATCHES)

    @property
    def conditions(self) -> tuple[Node, ...]:
        """`where` with `match=auto` replaced by what it means."""
        if "auto" not in self.loose_matches:
            return self.where
        match: Match = "any" if self.resolution is not None and self.resolution.matched == "any" else "words"
        return with_match(self.where, "auto", match)

    @property
    def words(self) -> Words | None:
        """All words that can find a conversation, as one text. Relevance is computed from it."""
        texts = [words.text for words in texts_of(AllOf(self.where))]
        return Words(" ".join(texts), DEFAULT_MATCH if self.search is None else self.search.match) if texts else None

    @property
    def pasted(self) -> str | None:
        """The text of q, which may be a pasted subject.

        None if q has no words, if the order is not by relevance, or if `words` has the same text.
        """
        text = None if self.extras.parsed_search is None else self.extras.parsed_search.text
        if text is None or self.sort.field != RELEVANCE or self.words is None or self.words.text == text:
            return None
        return text

    @property
    def search(self) -> SearchText | None:
        """The condition that the parameter `search` made, if it was given."""
        return next((node for node in self.where if isinstance(node, SearchText)), None)

    @property
    def offset(self) -> int:
        """The number of conversations before the page."""
        return (self.page - 1) * self.per_page
