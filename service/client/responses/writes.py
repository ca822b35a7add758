"""The answer to a bulk request: one entry for each document."""

from __future__ import annotations

from typing import Literal

import msgspec

from service.client.responses.parts import Count


class BulkError(msgspec.Struct):
    type: str = "unknown"
    reason: str | None = None


class BulkEntry(msgspec.Struct):
    """What became of one document of a bulk request."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    status: Count
    error: BulkError | None = None


class _BulkItem(msgspec.Struct):
    index: BulkEntry


class Bulk(msgspec.Struct):
    """The answer where every action was to index a document."""

    items: list[_BulkItem]


Action = Literal["index", "delete"]


class AnyBulk(msgspec.Struct):
    """The answer to actions of any kind: each item names its own."""

    items: list[dict[Action, BulkEntry]]
