"""What is asked for: frozen, valid by construction. Knows neither HTTP nor OpenSearch."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal, get_args
from uuid import UUID
from zoneinfo import ZoneInfo

from service.conversation import CHANNELS, STATUSES, Channel, Status
from service.query.conditions import MATCHES, AllOf, Match, Node, Words, texts_of
from service.query.search_syntax import ParsedSearch
from service.query.time_bounds import UTC_ZONE

DeepField = Literal["created_on", "updated_on", "sent_at", "subject", "status", "channel"]
SortField = Literal[DeepField, "is_read", "has_reply", "message_count", "relevance"]
DEEP_FIELDS: tuple[DeepField, ...] = get_args(DeepField)  # any page of these is found by rank descent
SORT_FIELDS: tuple[SortField, ...] = get_args(SortField)
RELEVANCE: SortField = "relevance"
MAX_SORTS = 4
WINDOW = 10_000  # what from/size reaches (index.max_result_window) where there is no rank descent

FacetField = Literal["status", "channel", "category", "agent_uid", "is_read", "direction"]
FACET_FIELDS: tuple[FacetField, ...] = get_args(FacetField)
Interval = Literal["day", "week", "month", "year"]
INTERVALS: tuple[Interval, ...] = get_args(Interval)

FIRST_PAGE = 1
DEFAULT_PER_PAGE = 25
DEFAULT_MATCH: Match = "words"
MAX_PER_PAGE = 100
MAX_SEARCH_CHARACTERS = 500
MAX_CURSOR_CHARACTERS = 8192  # sort values of at most 1 000 characters, and the signature
CURSOR_START = "*"
MAX_PAGE = 10**15  # beyond any index (Lucene holds 2^31 documents a shard), within exact integers everywhere


@dataclass(frozen=True, slots=True)
class Sort:
    """The first key of the order. Behind it always stand `-updated_on, uid`."""

    field: SortField = "updated_on"
    descending: bool = True

    def __post_init__(self) -> None:
        if self.field not in SORT_FIELDS:
            raise ValueError(f"no such sort: {self.field}")

    def __str__(self) -> str:
        return f"{'-' if self.descending and self.field != RELEVANCE else ''}{self.field}"


@dataclass(frozen=True, slots=True)
class Facets:
    """What is counted beside a page: by the values of fields, and of created_on by intervals of days in a zone."""

    fields: tuple[FacetField, ...] = ()
    created_on: Interval | None = None

    def __bool__(self) -> bool:
        return bool(self.fields) or self.created_on is not None


@dataclass(frozen=True, slots=True)
class Extras:
    """What an answer holds beside its page. None of it changes which conversations match, or their order."""

    facets: Facets = Facets()
    highlight: bool = False
    suggest: bool = False
    explain: bool = False
    zone: ZoneInfo = UTC_ZONE
    parsed_search: ParsedSearch | None = None


@dataclass(frozen=True, slots=True)
class ConversationQuery:
    """Filters (combined by AND; the values inside one by OR), a search, an order and a page. Empty means any.

    `where` holds further conditions. `sort` is the first key of the order, `then` those behind it. `now` is what times
    like "7 days ago" count from.

    With a `cursor` there is no page: it tells after which conversation to go on (CURSOR_START: before the first).
    """

    is_read: bool | None = None
    statuses: tuple[Status, ...] = ()
    channel: Channel | None = None
    categories: tuple[str, ...] = ()
    agent_uid: UUID | None = None
    party_uid: UUID | None = None
    search: str | None = None
    match: Match = DEFAULT_MATCH
    where: tuple[Node, ...] = ()
    sort: Sort = field(default_factory=Sort)
    then: tuple[Sort, ...] = ()
    page: int = FIRST_PAGE
    per_page: int = DEFAULT_PER_PAGE
    cursor: str | None = None
    extras: Extras = field(default_factory=Extras)
    now: datetime = field(default_factory=lambda: datetime.now(UTC), compare=False)

    def __post_init__(self) -> None:
        if not set(self.statuses) <= set(STATUSES):
            raise ValueError(f"no such status: {self.statuses}")
        if self.channel is not None and self.channel not in CHANNELS:
            raise ValueError(f"no such channel: {self.channel}")
        if not 1 <= self.page <= MAX_PAGE or not 1 <= self.per_page <= MAX_PER_PAGE:
            raise ValueError(f"no such page: {self.page} of {self.per_page}")
        if self.search is not None and not 1 <= len(self.search) <= MAX_SEARCH_CHARACTERS:
            raise ValueError("search must have between 1 and 500 characters")
        if self.match not in MATCHES:
            raise ValueError(f"no such match: {self.match}")
        if self.cursor is not None and self.page != FIRST_PAGE:
            raise ValueError("a walk by cursor has no page numbers")
        if self.sort.field == RELEVANCE and self.words is None:
            raise ValueError("relevance needs a text")

    @property
    def is_deep(self) -> bool:
        """Whether any page of this order can be reached."""
        return not self.then and self.sort.field in DEEP_FIELDS

    @property
    def words(self) -> Words | None:
        """All the text that conversations are found by, as one: what relevance looks at."""
        texts = [] if self.search is None else [self.search]
        texts += [words.text for words in texts_of(AllOf(self.where))]
        return Words(" ".join(texts), self.match) if texts else None

    @property
    def offset(self) -> int:
        """How many conversations lie before the page."""
        return (self.page - 1) * self.per_page
