"""The two shapes of an answer: success and error, as JSON in UTF-8."""

from __future__ import annotations

from typing import Any

import msgspec

from service.errors import Problem
from service.search.paging.page import Page, page_data


def page(answer: Page) -> list[bytes]:
    """The pieces of the body. The items are spliced in as the bytes they are stored as."""
    first, *others, last = page_data(answer)
    return [b'{"status":"success","data":%s' % first, *others, b"%s}" % last]


def data(found: dict[str, Any]) -> bytes:
    return b'{"status":"success","data":%s}' % msgspec.json.encode(found)


def one(item: bytes) -> bytes:
    return b'{"status":"success","data":%s}' % item


def writes(results: list[dict[str, Any]], counts: dict[str, int]) -> bytes:
    return msgspec.json.encode({"status": "success", "data": {"items": results, **counts}})


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
