"""The response to a bulk request: one entry for each document."""

from __future__ import annotations

from typing import Literal

import msgspec

from service.client.responses.parts import Count


class BulkError(msgspec.Struct):
    type: str = "unknown"
    reason: str | None = None


class BulkEntry(msgspec.Struct):
    """The result of one document of a bulk request."""

    id: str = msgspec.field(name="_id")
    index: str = msgspec.field(name="_index")
    status: Count
    error: BulkError | None = None


class _BulkItem(msgspec.Struct):
    index: BulkEntry


class Bulk(msgspec.Struct):
    """The response to a bulk request in which every action is `index`."""

    items: list[_BulkItem]


Action = Literal["index", "delete"]


class AnyBulk(msgspec.Struct):
    """The response to a bulk request with any actions. The key of each item is its action."""

    items: list[dict[Action, BulkEntry]]
