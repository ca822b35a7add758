"""Conversations, deletions and import records: their fields and limits, and how they are validated and normalised.

This is the only definition; the loader, the API and the tests use it. stored_documents.py says how it is stored.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Literal, Self, get_args
from uuid import UUID

import msgspec
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)
from pydantic_core import ErrorDetails

from service import message_texts
from service.text import trimmed
from service.times import epoch_milliseconds, format_time, parse_time, parse_version

Channel = Literal["email", "sms"]
Direction = Literal["inbound", "outbound"]
Status = Literal["draft", "active", "archived", "closed"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
STATUSES: tuple[Status, ...] = get_args(Status)

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limit:
    """The limits of a field: characters of a text (or of each text in a list), and texts in a list."""

    characters: int
    items: int | None = None


# These are far above real conversations, so that only abuse reaches them. They keep every term of the index below
# Lucene's limit of 32,766 bytes, and every analyzed text short. Validation, OpenAPI and docs/documents.md use them.
LIMITS: dict[str, Limit] = {
    "subject": Limit(2_000),  # a line of mail has at most 998 (RFC 5322, 2.1.1)
    "categories": Limit(256, 100),
    "metadata.from_email": Limit(1_024),  # 254 in RFC 5321; gateways embed addresses of other systems in one
    "metadata.from_name": Limit(1_000),
    "metadata.to_emails": Limit(1_024, 1_000),
    "metadata.cc_emails": Limit(1_024, 1_000),
    "metadata.snippet": Limit(4_000),
    "metadata.labels": Limit(256, 500),  # Gmail's have at most 225
    "metadata.provider_message_id": Limit(1_000),
    "metadata.thread_id": Limit(1_000),
}
MAX_ITEM_BYTES = 256_000  # of the whole item as JSON in UTF-8; not all fields can have their full length at once
TOO_LARGE = f"must have at most {MAX_ITEM_BYTES:,} bytes as JSON"
MAX_LINE_BYTES = 6 * MAX_ITEM_BYTES  # of an item in a line of NDJSON, because each byte may be escaped as \u0000


def parse_uuid(value: object) -> UUID:
    """Parses a UUID in its hyphenated form, in upper or lower case. Raises ValueError."""
    return value if isinstance(value, UUID) else UUID(_check_uuid(value))


def parse_uuids(values: list[object]) -> list[UUID]:
    """Parses a list of UUIDs, four times as fast as one by one. Raises ValueError."""
    return msgspec.convert([_check_uuid(value) for value in values], list[UUID])


def _check_uuid(value: object) -> str:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError("must be a UUID such as 6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
    return value


def _before_uuid(value: object, info: ValidationInfo) -> UUID | str:
    """Refuses the other forms of a UUID that pydantic accepts. From JSON, pydantic itself makes the UUID, faster."""
    return _check_uuid(value) if info.mode == "json" else parse_uuid(value)


Time = Annotated[datetime, BeforeValidator(parse_time), PlainSerializer(format_time, return_type=str)]
Version = Annotated[datetime, BeforeValidator(parse_version), PlainSerializer(format_time, return_type=str)]
Uid = Annotated[UUID, BeforeValidator(_before_uuid)]


def _text(field: str, *, least: int | None = None) -> StringConstraints:
    """The field's limit. With a limit, pydantic also refuses lone surrogates, which are not valid text."""
    return StringConstraints(max_length=LIMITS[field].characters, min_length=least)


# Trims a text before the limit counts its characters.
_TRIMMED = BeforeValidator(lambda value: trimmed(value) if isinstance(value, str) else value)


def _list(field: str) -> list[str]:
    return Field(default=[], max_length=LIMITS[field].items, fail_fast=True)


Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Integer = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Metadata(_Document):
    """Data from the provider of the messages, stored and returned with the conversation."""

    from_email: Annotated[str, _text("metadata.from_email"), _TRIMMED] | None = None
    from_name: Annotated[str, _text("metadata.from_name")] | None = None
    to_emails: list[Annotated[str, _text("metadata.to_emails"), _TRIMMED]] = _list("metadata.to_emails")
    cc_emails: list[Annotated[str, _text("metadata.cc_emails"), _TRIMMED]] = _list("metadata.cc_emails")
    snippet: Annotated[str, _text("metadata.snippet")] | None = None
    labels: list[Annotated[str, _text("metadata.labels"), _TRIMMED]] = _list("metadata.labels")
    provider_message_id: Annotated[str, _text("metadata.provider_message_id")] | None = None
    thread_id: Annotated[str, _text("metadata.thread_id")] | None = None
    has_attachments: bool | None = None
    attachment_count: Count | None = None
    history_id: Integer | None = None


class Conversation(_Document):
    """One conversation, valid and normalised: lower-case uids, and UTC times in milliseconds.

    `uid`, `organization_uid` and `updated_on` (the version) are required; other fields are null or empty if unknown.
    The order of the fields is also their order in responses.
    """

    uid: Uid
    organization_uid: Uid
    channel: Channel | None = None
    direction: Direction | None = None
    status: Status | None = None
    subject: Annotated[str, _text("subject")] | None = None
    categories: list[Annotated[str, _text("categories", least=1), _TRIMMED]] = _list("categories")
    sent_at: Time | None = None
    is_read: bool | None = None
    has_reply: bool | None = None
    message_count: Count | None = None
    metadata: Metadata = Metadata()
    agent_uid: Uid | None = None
    party_uid: Uid | None = None
    created_by_uid: Uid | None = None
    parent_conversation_uid: Uid | None = None
    created_on: Time | None = None
    updated_on: Version

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if _most_bytes(self) > MAX_ITEM_BYTES and len(self.model_dump_json().encode()) > MAX_ITEM_BYTES:
            raise ValueError(TOO_LARGE)
        return self

    @property
    def version(self) -> int:
        """The external version: `updated_on` in milliseconds since 1970."""
        return epoch_milliseconds(self.updated_on)


def _most_bytes(conversation: Conversation) -> int:
    """An upper bound for the item's size as JSON in bytes: a character has at most six, as an escape."""
    metadata = conversation.metadata
    lists = (conversation.categories, metadata.labels, metadata.to_emails, metadata.cc_emails)
    return _ALL_BUT_LISTS + sum(6 * sum(map(len, texts)) + 3 * len(texts) for texts in lists if texts)


_ALL_BUT_LISTS = 2_000 + 6 * sum(limit.characters for limit in LIMITS.values() if limit.items is None)
MOST_PROBLEMS = 5
MAX_REASON_BYTES = 1_000
SHOWN_NAME = 40


def reason(error: ValidationError) -> str:
    """Describes the first MOST_PROBLEMS problems of an invalid document, each with its field, and counts the rest.

    The text has at most MAX_REASON_BYTES. It never contains values, and only the beginning of an unknown field's name.
    """
    problems = error.errors(include_url=False, include_input=False)
    reasons = [_reason_of(problem) for problem in problems[:MOST_PROBLEMS]]
    more = len(problems) - len(reasons)
    return shortened("; ".join([*reasons, *([f"and {more:,} more"] if more else [])]), MAX_REASON_BYTES)


def _reason_of(problem: ErrorDetails) -> str:
    message = message_texts.rule(problem["type"], **problem.get("ctx", {}))
    field = ".".join(map(shown_name, problem["loc"]))
    return f"{field}: {message}" if field else message


def shown_name(name: str | int) -> str:
    """The beginning of a name that a caller chose, in one printable line."""
    text = str(name)
    start = text[:SHOWN_NAME]
    return (start if start.isprintable() else ascii(start)[1:-1]) + ("…" if len(text) > SHOWN_NAME else "")


def shortened(text: str, most_bytes: int) -> str:
    """The text, cut to at most `most_bytes` bytes of UTF-8. A text that was cut ends in an ellipsis."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= most_bytes else data[: most_bytes - 3].decode("utf-8", "ignore") + "…"


ITEM_FIELDS = tuple(Conversation.model_fields)


class Tombstone(_Document):
    """A deletion: a line of a bulk request, and the record of it that stays in the index."""

    uid: Uid
    organization_uid: Uid
    deleted_on: Version


class ImportRecord(_Document):
    """The import record of a conversation: a separate document with the facts of its messages (docs/decisions/0019).

    Imports find it by `keys`, which are hashes. `data` contains the facts of each message, in base64. `version` is the
    external version of the document. If the conversation was merged into another one, `moved_to` is the uid of that.
    """

    uid: Uid
    organization_uid: Uid
    version: Annotated[int, Field(ge=0, le=2**63 - 1)]
    keys: list[str] = []
    data: str = ""
    moved_to: Uid | None = None
