"""A page of conversations: its items, as the bytes that are stored, and its position."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from service.query.conversation_query import ConversationQuery
from service.search.answers import PageExtras, Pagination


@dataclass(frozen=True, slots=True)
class Page:
    """`total` is exact. `items` are JSON objects in UTF-8, in the query's order. `took` is OpenSearch's time in ms.

    `next_cursor` continues after the last item. It is None at the end of a walk, and for numbered pages. `extras` has
    the other requested parts, such as facets.
    """

    query: ConversationQuery
    total: int
    items: tuple[bytes, ...]
    took: int
    next_cursor: str | None = None
    extras: PageExtras = field(default_factory=PageExtras)

    @property
    def total_pages(self) -> int:
        return -(-self.total // self.query.per_page)


def page_data(page: Page) -> list[bytes]:
    """The page as JSON, in two or more pieces. The items are the stored bytes."""
    fields = msgspec.json.encode(page.extras)[1:-1]
    extras = b"," + fields if fields else b""
    pieces = [b'{"items":[']
    for item in page.items:
        pieces += [item, b","]
    if page.items:
        pieces.pop()
    pieces.append(b'],"pagination":%s%s}' % (msgspec.json.encode(_pagination(page)), extras))
    return pieces


def _pagination(page: Page) -> Pagination:
    found = Pagination(per_page=page.query.per_page, total=page.total)
    if page.query.cursor is not None:
        found.next_cursor = page.next_cursor
    else:
        found.page, found.total_pages = page.query.page, page.total_pages
    return found
