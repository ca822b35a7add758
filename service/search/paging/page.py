"""A page of conversations: the items as the bytes they are stored as, and where the page stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from service.query.conversation_query import ConversationQuery


@dataclass(frozen=True, slots=True)
class Page:
    """`total` is exact. `items` are JSON objects in UTF-8, in the order of the query. `took` is OpenSearch's, in ms.

    `next_cursor` goes on behind the last item; None at the end, and where the query did not ask for a walk. `extras` is
    what else was requested, such as facets, ready for JSON.
    """

    query: ConversationQuery
    total: int
    items: tuple[bytes, ...]
    took: int
    next_cursor: str | None = None
    extras: dict[str, Any] = field(default_factory=dict)

    @property
    def total_pages(self) -> int:
        return -(-self.total // self.query.per_page)
