"""The answer to a bulk request: one entry for each document."""

from __future__ import annotations

import msgspec

from service.answers.parts import Count


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
    items: list[_BulkItem]
