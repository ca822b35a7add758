"""The two shapes of an answer: success and error, as JSON in UTF-8."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import msgspec

from service.errors import Problem
from service.search.paging.page import Page


def page(answer: Page) -> list[bytes]:
    """The pieces of the body. The items are spliced in as the bytes they are stored as."""
    extras = b"," + msgspec.json.encode(answer.extras)[1:-1] if answer.extras else b""
    pieces = [b'{"status":"success","data":{"items":[']
    for item in answer.items:
        pieces += [item, b","]
    if answer.items:
        pieces.pop()
    pieces.append(b'],"pagination":%s%s}}' % (msgspec.json.encode(_pagination(answer)), extras))
    return pieces


def _pagination(answer: Page) -> dict[str, Any]:
    if answer.query.cursor is not None:
        return {"per_page": answer.query.per_page, "total": answer.total, "next_cursor": answer.next_cursor}
    return {
        "page": answer.query.page,
        "per_page": answer.query.per_page,
        "total": answer.total,
        "total_pages": answer.total_pages,
    }


def data(found: dict[str, Any]) -> bytes:
    return b'{"status":"success","data":%s}' % msgspec.json.encode(found)


def one(item: bytes) -> bytes:
    return b'{"status":"success","data":%s}' % item


def writes(results: list[dict[str, Any]], counts: dict[str, int]) -> bytes:
    return msgspec.json.encode({"status": "success", "data": {"items": results, **counts}})


def export_end(conversations: int, organization_uid: UUID, query_string: bytes) -> bytes:
    """The last line of an export, which only a whole one has: how many it holds, of which organization and filters.

    `where` is the query string without the organization and the order, so it is empty where nothing was filtered.
    """
    end = {
        "complete": True,
        "conversations": conversations,
        "organization_uid": str(organization_uid),
        "where": _filters(query_string),
    }
    return msgspec.json.encode({"export": end}) + b"\n"


def _filters(query_string: bytes) -> str:
    pairs = query_string.decode("utf-8", "backslashreplace").split("&")
    return "&".join(pair for pair in pairs if pair and pair.partition("=")[0] not in _NO_FILTERS)


_NO_FILTERS = ("organization_uid", "sort")


def error(code: str, message: str, request_id: str, details: list[Problem]) -> bytes:
    return msgspec.json.encode(
        {
            "status": "error",
            "error": {
                "code": code,
                "message": message,
                "details": [
                    {"parameter": problem.parameter, "message": problem.message, "value": problem.value}
                    for problem in details
                ],
                "request_id": request_id,
            },
        }
    )
