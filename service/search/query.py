"""What is asked for: frozen, valid by construction. Knows neither HTTP nor OpenSearch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args
from uuid import UUID

from service.conversation import CHANNELS, STATUSES, Channel, Status

SortField = Literal["created_on", "updated_on", "sent_at", "subject", "status", "channel"]
SORT_FIELDS: tuple[SortField, ...] = get_args(SortField)

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
        return f"{'-' if self.descending else ''}{self.field}"


@dataclass(frozen=True, slots=True)
class ConversationQuery:
    """Filters (combined by AND; the values inside one by OR), a search, an order and a page. Empty means any.

    With a `cursor` there is no page: it tells after which conversation to go on (CURSOR_START: before the first).
    """

    is_read: bool | None = None
    statuses: tuple[Status, ...] = ()
    channel: Channel | None = None
    categories: tuple[str, ...] = ()
    agent_uid: UUID | None = None
    party_uid: UUID | None = None
    search: str | None = None
    sort: Sort = field(default_factory=Sort)
    page: int = 1
    per_page: int = 25
    cursor: str | None = None

    def __post_init__(self) -> None:
        if not set(self.statuses) <= set(STATUSES):
            raise ValueError(f"no such status: {self.statuses}")
        if self.channel is not None and self.channel not in CHANNELS:
            raise ValueError(f"no such channel: {self.channel}")
        if not 1 <= self.page <= MAX_PAGE or not 1 <= self.per_page <= MAX_PER_PAGE:
            raise ValueError(f"no such page: {self.page} of {self.per_page}")
        if self.search is not None and not 1 <= len(self.search) <= MAX_SEARCH_CHARACTERS:
            raise ValueError("search must have between 1 and 500 characters")
        if self.cursor is not None and self.page != 1:
            raise ValueError("a walk by cursor has no page numbers")

    @property
    def offset(self) -> int:
        """How many conversations lie before the page."""
        return (self.page - 1) * self.per_page
