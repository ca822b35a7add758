"""Values taken out of an answer: each of its expected type, or the answer is refused."""

from __future__ import annotations

from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta

from service.errors import AnswerUnusable

Expected = TypeVar("Expected")

Count = Annotated[int, Meta(ge=0, le=2**53)]
Key = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)] | Annotated[float, Meta(ge=-(2.0**63), lt=2.0**63)] | str | bool
Json = dict[str, Any]


def unusable(why: str) -> AnswerUnusable:
    return AnswerUnusable(
        f"OpenSearch's answer cannot be used ({why}): check the cluster, and any proxy between it and the service"
    )


def convert(answer: Any, expected: type[Expected]) -> Expected:
    """The answer as this type. Raises AnswerUnusable where it has another shape."""
    try:
        return msgspec.convert(answer, expected)
    except (msgspec.ValidationError, RecursionError) as error:
        raise unusable("it lacks a part, or has one of another kind") from error


def decode(text: bytes | msgspec.Raw, expected: type[Expected]) -> Expected:
    """A document as this type. Raises AnswerUnusable where it has another shape."""
    try:
        return msgspec.json.decode(text, type=expected)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise unusable("a document in it has another shape than the service writes") from error


def part(answer: Any, *path: str, expected: type[Expected]) -> Expected:
    """The value at this path of the answer. Raises AnswerUnusable where there is none, or one of another type."""
    for name in path:
        if not isinstance(answer, dict) or name not in answer:
            raise unusable(f"it lacks {name if name.replace('_', '').isalpha() else 'a part'}")
        answer = answer[name]
    return convert(answer, expected)
