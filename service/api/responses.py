"""Encodes the bodies of responses, success and error, as JSON in UTF-8."""

from __future__ import annotations

import msgspec

from service.api import response_models as models
from service.errors import Problem
from service.search.paging.page import Page, page_data


def page(answer: Page) -> list[bytes]:
    """The body in pieces, to be sent one after another. The items are the stored bytes, not decoded."""
    first, *others, last = page_data(answer)
    return [b'{"status":"success","data":%s' % first, *others, b"%s}" % last]


def data(content: msgspec.Struct) -> bytes:
    """A success whose `data` is `content`."""
    return b'{"status":"success","data":%s}' % msgspec.json.encode(content)


def one(item: bytes) -> bytes:
    """A success whose `data` is one conversation, already encoded."""
    return b'{"status":"success","data":%s}' % item


def error(code: str, message: str, request_id: str, problems: list[Problem]) -> bytes:
    """An error: a code for programs, a message for people, and one detail for each invalid parameter."""
    details = [models.Problem(one.parameter, one.message, one.value) for one in problems]
    return msgspec.json.encode(models.ErrorAnswer("error", models.Error(code, message, details, request_id)))
