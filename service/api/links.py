"""The Link header of a page (RFC 8288): first, prev, next and last, as relative references."""

from __future__ import annotations

from urllib.parse import quote, unquote_to_bytes

from service.query.conversation_query import CURSOR_START
from service.search.paging.page import Page

MAX_LINK_BYTES = 4_096  # many proxies refuse an answer whose headers have 8 kB or more
_SAFE = "!$&'()*+,-./:;=?@_~%"  # characters that RFC 3986 allows in a query; all others are percent-encoded


def links(path: str, query_string: bytes, page: Page) -> dict[str, str]:
    """The Link header: the URL of this request with another page or cursor. Empty if it would exceed MAX_LINK_BYTES."""
    kept = [piece for piece in query_string.split(b"&") if piece and _name(piece) not in (b"page", b"cursor")]
    base = quote(b"&".join(kept), safe=_SAFE)
    base = f"{path}?{base}&" if base else f"{path}?"
    link = ", ".join(f'<{base}{target}>; rel="{relation}"' for relation, target in _targets(page).items())
    return {"Link": link} if len(link) <= MAX_LINK_BYTES else {}


def _name(piece: bytes) -> bytes:
    return unquote_to_bytes(piece.partition(b"=")[0])


def _targets(page: Page) -> dict[str, str]:
    if page.query.cursor is not None:
        following = {} if page.next_cursor is None else {"next": f"cursor={page.next_cursor}"}
        return {"first": f"cursor={CURSOR_START}", **following}
    last = max(page.total_pages, 1)
    numbers = {"first": 1}
    if page.query.page > 1:
        numbers["prev"] = min(page.query.page - 1, last)
    if page.query.page < last:
        numbers["next"] = page.query.page + 1
    numbers["last"] = last
    return {relation: f"page={number}" for relation, number in numbers.items()}
