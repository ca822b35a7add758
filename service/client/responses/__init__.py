"""Validates OpenSearch's responses before they are used.

Proxies may respond in OpenSearch's place, and a failing cluster may leave parts out. So each kind of call has a shape
(shapes.py), and the response to a search must also fit its request: the number of hits, the exact total, the sort
values and the aggregations. A response that does not fit raises AnswerUnusable.
"""

from service.client.responses.aggregations import Aggregation, Bucket, listed, named
from service.client.responses.marks import whole_characters
from service.client.responses.parts import Json, convert, decode, part, unusable
from service.client.responses.search import Hit, SearchAnswer, Shards, check_owner, check_search, check_shards, total_of
from service.client.responses.shapes import check_shape, kind_of
from service.client.responses.writes import Bulk, BulkEntry, BulkError

__all__ = (
    "Aggregation",
    "Bucket",
    "Bulk",
    "BulkEntry",
    "BulkError",
    "Hit",
    "Json",
    "SearchAnswer",
    "Shards",
    "check_owner",
    "check_search",
    "check_shape",
    "check_shards",
    "convert",
    "decode",
    "kind_of",
    "listed",
    "named",
    "part",
    "total_of",
    "unusable",
    "whole_characters",
)
