"""Parses one line of NDJSON into a conversation or a deletion, with the same rules over HTTP and in `load`.

The size of a line is checked before it is parsed, and the shape of a long line before its values. So the worst line
takes about twenty milliseconds, and memory of a few times its size.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType
from pydantic import BaseModel, ValidationError
from pydantic_core import from_json

from service.conversation import (
    LIMITS,
    MAX_ITEM_BYTES,
    MAX_LINE_BYTES,
    MAX_REASON_BYTES,
    TOO_LARGE,
    Conversation,
    Metadata,
    Tombstone,
    reason,
    shortened,
    shown_name,
)
from service.message_texts import rule
from service.times import check_not_ahead

BOM = b"\xef\xbb\xbf"
_NOT_JSON = "is not valid JSON: "
EXPLAINED_BYTES = 32_000  # for a longer invalid line, only the first problem is reported
SHORTENED_VALUES_BYTES = 1_000  # an upper bound for what normalising times and numbers can save
SHOWN_UID = 100

_NAMES = re.compile(rb'"[ \t\r\n]*:')
_UNKNOWN = re.compile(r"unknown field `(.*?)`(?: - at `\$\.(metadata)`)?\Z", re.DOTALL)
_MISSHAPEN = re.compile(r"Expected `([\w| ]+)`(?: of length <= (\d+))?.* - at `\$\.(.*?)`\Z", re.DOTALL)
_ELEMENT = re.compile(r"\[(\w+)\]|\[\.\.\.\]")
_KINDS = {"array": "list_type", "str": "string_type", "object": "model_type"}  # msgspec's types to pydantic's errors
_SCALAR = "scalar_type"  # the error for any other type
_SYNTAX = (
    ("recursion limit", "is nested too deeply: a conversation's JSON has three levels"),
    ("hex escape", "is not valid text: a \\u escape is a lone surrogate, which is half a character"),
    ("invalid unicode", "is not valid UTF-8"),
    ("out of range", "holds a number that is too large"),
)
_PLAINLY = (  # replacements in the parsers' messages; their line number is always 1, so it is dropped
    (" at line 1 column ", " at column "),
    ("EOF while parsing", "it ends inside"),
    ("JSON is malformed: ", ""),
    ("Input data was truncated", "it breaks off"),
)


Scalar = str | int | float | bool | None


class InvalidLine(ValueError):
    """Why a line is neither a conversation nor a deletion. `uid` is the line's uid, if it could be read."""

    def __init__(self, problem: str, uid: str | None = None) -> None:
        super().__init__(shortened(problem, MAX_REASON_BYTES))
        self.uid = uid


def parse(text: bytes, *, max_ahead: timedelta) -> Conversation | Tombstone:
    """Parses a line. A line with `deleted_on` is a deletion, any other a conversation.

    `max_ahead` is how far its version may lie ahead of the clock. Raises InvalidLine.
    """
    if len(text) > MAX_LINE_BYTES:
        raise InvalidLine(f"is longer than {MAX_LINE_BYTES:,} bytes")
    keys = _keys(text)
    kind = _kind(keys)
    uid = _uid(keys)
    if _least_item_bytes(text) > MAX_ITEM_BYTES:
        raise InvalidLine(TOO_LARGE, uid)
    try:
        if len(text) > EXPLAINED_BYTES:
            _check_shape(text, kind)
        content = kind.model_validate_json(text)
        _check_names(text, content)
    except ValidationError as error:
        raise InvalidLine(_explained(error), uid) from None
    except ValueError as error:
        raise InvalidLine(str(error), uid) from None
    _check_clock(content, max_ahead)
    return content


def _least_item_bytes(text: bytes) -> int:
    """A lower bound for the size of the line's item as JSON, without parsing the line.

    White space is not counted, and an escape counts as one byte, because normalising may shorten it to one.
    """
    blanks = sum(text.count(blank) for blank in (b" ", b"\t", b"\r", b"\n"))
    escapes = text.count(b"\\") + 4 * text.count(b"\\u")
    return len(text) - blanks - escapes - SHORTENED_VALUES_BYTES


class _Keys(msgspec.Struct):
    """The keys of a line that decide its kind. Other keys are ignored."""

    uid: Raw | UnsetType = UNSET
    updated_on: Raw | UnsetType = UNSET
    deleted_on: Raw | UnsetType = UNSET


_KEYS = msgspec.json.Decoder(_Keys)


def _keys(text: bytes) -> _Keys:
    try:
        return _KEYS.decode(text)
    except RecursionError:
        raise InvalidLine(_SYNTAX[0][1]) from None
    except msgspec.ValidationError:
        raise InvalidLine("must be a JSON object") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidLine(_syntax(text, str(error))) from None


def _kind(keys: _Keys) -> type[Conversation | Tombstone]:
    if keys.deleted_on is UNSET:
        return Conversation
    if keys.updated_on is not UNSET:
        raise InvalidLine("must have updated_on (a conversation) or deleted_on (a deletion), not both", _uid(keys))
    return Tombstone


def _uid(keys: _Keys) -> str | None:
    """The uid of an invalid line, so that the result can name it."""
    try:
        uid = msgspec.json.decode(keys.uid) if isinstance(keys.uid, Raw) else None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return uid[:SHOWN_UID] if isinstance(uid, str) else None


def _syntax(text: bytes, message: str) -> str:
    """Why a text is not JSON. To bound the time, a long line is not parsed again for a better message."""
    if text.startswith(BOM):
        return "begins with a byte order mark, which only the first line may have"
    if b"\0" in text:
        return "has bytes that are 0: it must be UTF-8, not UTF-16 or binary"
    if len(text) <= EXPLAINED_BYTES:
        try:
            from_json(text, allow_inf_nan=False)
        except ValueError as error:
            message = str(error)
    return _sentence(message)


def _shape(name: str, model: type[BaseModel], *, prefix: str = "", **own: object) -> type[msgspec.Struct]:
    """A struct with the model's fields. Lists have their limits; other fields take any value but lists and objects."""

    def kind(field: str) -> object:
        limit = LIMITS.get(f"{prefix}{field}")
        return Scalar if limit is None or limit.items is None else Annotated[list[str], Meta(max_length=limit.items)]

    fields = [(field, own.get(field) or kind(field), UNSET) for field in model.model_fields]
    return msgspec.defstruct(name, fields, forbid_unknown_fields=True)


_SHAPES: dict[type[BaseModel], msgspec.json.Decoder[object]] = {
    Conversation: msgspec.json.Decoder(
        _shape("Shape", Conversation, metadata=_shape("MetadataShape", Metadata, prefix="metadata."))
    ),
    Tombstone: msgspec.json.Decoder(_shape("Deletion", Tombstone)),
}


def _explained(error: ValidationError) -> str:
    is_syntax = error.error_count() == 1 and error.errors(include_input=False)[0]["type"] == "json_invalid"
    return _sentence(reason(error).removeprefix(_NOT_JSON)) if is_syntax else reason(error)


def _sentence(message: str) -> str:
    for mark, sentence in _SYNTAX:
        if mark in message:
            return sentence
    for words, plainer in _PLAINLY:
        message = message.replace(words, plainer)
    return f"{_NOT_JSON}{message}"


def _check_shape(text: bytes, kind: type[BaseModel]) -> None:
    """Raises ValueError for an unknown field, a list that is too long, or a value of the wrong kind.

    Used for long lines, because pydantic would first make an object of every element and an error of every unknown
    field.
    """
    try:
        _SHAPES[kind].decode(text)
    except RecursionError:
        raise ValueError(_SYNTAX[0][1]) from None
    except UnicodeDecodeError:
        raise ValueError(_SYNTAX[2][1]) from None
    except msgspec.DecodeError as error:
        unknown = _UNKNOWN.search(str(error))
        if unknown:
            place = f"{unknown[2]}." if unknown[2] else ""
            raise ValueError(f"{place}{shown_name(unknown[1])}: is not a known field") from None
        raise ValueError(_misshapen(str(error))) from None


def _misshapen(message: str) -> str:
    """Rewrites an error message of the shape's decoder in the words of the other messages."""
    match = _MISSHAPEN.match(message)
    if match is None:
        return _sentence(message)
    kind, most, place = match.groups()
    name = ".".join(filter(None, _ELEMENT.sub(r".\1", place).split(".")))
    return f"{name}: {rule('too_long', max_length=int(most)) if most else rule(_KINDS.get(kind, _SCALAR))}"


def _check_names(text: bytes, content: Conversation | Tombstone) -> None:
    """Raises ValueError if an object has a key twice, because it is unknown which value is meant.

    Each key ends in a quotation mark before a colon. If the line has no more of these than it has keys, no key is
    repeated, and the slower check is skipped.
    """
    metadata = content.metadata.model_fields_set if isinstance(content, Conversation) else ()
    if len(_NAMES.findall(text)) > len(content.model_fields_set) + len(metadata):
        json.loads(text, object_pairs_hook=_check_unique)


def _check_unique(pairs: list[tuple[str, object]]) -> None:
    counts = Counter(name for name, _value in pairs)
    if len(counts) < len(pairs):
        raise ValueError(f"{counts.most_common(1)[0][0]} is given more than once")


def _check_clock(content: Conversation | Tombstone, max_ahead: timedelta) -> None:
    field = "updated_on" if isinstance(content, Conversation) else "deleted_on"
    try:
        check_not_ahead(getattr(content, field), max_ahead)
    except ValueError as error:
        raise InvalidLine(f"{field}: {error}", str(content.uid)) from None
