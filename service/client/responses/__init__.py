"""What OpenSearch's answers must hold. An answer of another shape is refused before anything is made of it.

Between the service and OpenSearch there may be proxies, and clusters answer with parts missing while they fail. So each
kind of call has a shape (shapes.py), and a search's answer must also fit its request: the number of hits, the exact
total, the sort values, the aggregations. Whatever does not fit raises AnswerUnusable.
"""

from service.client.responses.parts import convert, decode, part, unusable
from service.client.responses.search import Hit, SearchAnswer, check_owner, check_search, total_of
from service.client.responses.shapes import check_shape, kind_of
from service.client.responses.writes import Bulk, BulkEntry, BulkError

__all__ = (
    "Bulk",
    "BulkEntry",
    "BulkError",
    "Hit",
    "SearchAnswer",
    "check_owner",
    "check_search",
    "check_shape",
    "convert",
    "decode",
    "kind_of",
    "part",
    "total_of",
    "unusable",
)
