"""What requests cost in the units of CONVERSATIONS_CALLER_RATE: 1 for each, and more for expensive ones."""

from __future__ import annotations

from collections.abc import Callable

from service.query.conditions import AllOf, texts_of
from service.query.conversation_query import ConversationQuery
from service.search.paging.rank_descent import Windows

EXPORT = 20.0
LINES_A_UNIT = 100  # of a bulk write
BYTES_A_UNIT = 50_000  # of a bulk write
DEEP = 4.0  # a page that is found by counting

# What a query costs in addition to the unit of each request: about how much longer than a first page it takes.
_EXTRAS: tuple[tuple[float, Callable[[ConversationQuery], bool]], ...] = (
    (2.0, lambda query: bool(query.extras.facets)),
    (4.0, lambda query: any(words.match == "fuzzy" for words in texts_of(AllOf(query.where)))),
    (1.0, lambda query: query.extras.suggest),
)


def of_query(query: ConversationQuery, windows: Windows) -> float:
    """What the query costs above 1."""
    return sum(units for units, applies in _EXTRAS if applies(query)) + DEEP * windows.is_deep(query)


def of_bulk(lines: int, size: int) -> float:
    """What a bulk write costs above 1. Bytes count, too, because one conversation may have thousands of addresses."""
    return max(lines / LINES_A_UNIT, size / BYTES_A_UNIT)
