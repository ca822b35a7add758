"""A page of conversations: the items as the bytes they are stored as, and where the page stands."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from service.query.conversation_query import ConversationQuery
from service.search.answers import PageExtras, Pagination


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
    extras: PageExtras = field(default_factory=PageExtras)

    @property
    def total_pages(self) -> int:
        return -(-self.total // self.query.per_page)


def page_data(page: Page) -> list[bytes]:
    """The page as JSON, in two pieces or more. The items are spliced in as the bytes they are stored as."""
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
