"""Reads values out of a response. Each must have its expected type; otherwise AnswerUnusable is raised."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from service.errors import AnswerUnusable

Expected = TypeVar("Expected")

Count = Annotated[int, Meta(ge=0, le=2**53)]
Key = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[float, Meta(ge=-(2.0**63), lt=2.0**63)] | str | bool
Json = dict[str, Any]
"""A JSON object from OpenSearch, before it is converted to a type."""
Body = Mapping[str, Any]
"""The body of a request, or a part of it."""


def unusable(why: str) -> AnswerUnusable:
    """The error for a response that fails a check. `why` is a clause that describes the response."""
    return AnswerUnusable(
        f"OpenSearch's response is not valid ({why}): check the cluster, and any proxy between it and the service"
    )


def convert(answer: object, expected: type[Expected]) -> Expected:
    """The response as this type. Raises AnswerUnusable if it has another shape."""
    try:
        return msgspec.convert(answer, expected)
    except (msgspec.ValidationError, RecursionError) as error:
        raise unusable("a field is missing or has the wrong type") from error


def decode(text: bytes | msgspec.Raw, expected: type[Expected]) -> Expected:
    """Decodes a stored document to this type. Raises AnswerUnusable if it has another shape."""
    try:
        return msgspec.json.decode(text, type=expected)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise unusable("a document in it has another shape than the service writes") from error


def part(answer: object, *path: str, expected: type[Expected]) -> Expected:
    """The value at this path of the response. Raises AnswerUnusable if it is missing or of another type."""
    for name in path:
        if not isinstance(answer, dict) or name not in answer:
            raise unusable(f"{name if name.replace('_', '').isalpha() else 'a field'} is missing")
        answer = answer[name]
    return convert(answer, expected)
