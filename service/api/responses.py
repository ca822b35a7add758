"""Encodes the bodies of responses, success and error, as JSON in UTF-8."""

from __future__ import annotations

from typing import Any

import msgspec

from service.errors import Problem
from service.search.paging.page import Page, page_data


def page(answer: Page) -> list[bytes]:
    """The body in pieces, to be sent one after another. The items are the stored bytes, not decoded."""
    first, *others, last = page_data(answer)
    return [b'{"status":"success","data":%s' % first, *others, b"%s}" % last]


def data(content: dict[str, Any]) -> bytes:
    """A success whose `data` is `content`."""
    return b'{"status":"success","data":%s}' % msgspec.json.encode(content)


def one(item: bytes) -> bytes:
    """A success whose `data` is one conversation, already encoded."""
    return b'{"status":"success","data":%s}' % item


def writes(results: list[dict[str, Any]], counts: dict[str, int]) -> bytes:
    """A success with the result of each write and the number of each outcome."""
    return msgspec.json.encode({"status": "success", "data": {"items": results, **counts}})


def error(code: str, message: str, request_id: str, details: list[Problem]) -> bytes:
    """An error: a code for programs, a message for people, and one detail for each invalid parameter."""
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
