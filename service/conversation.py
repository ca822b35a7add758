"""The document: a conversation as it is stored and returned, and what is derived from it when it is written.

One definition serves the loader, the mapping, the API and the tests' oracle. `Conversation` validates and
normalises; `stored` adds the fields that only the index needs: numeric tie-breaks and sort keys.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Literal, Self, get_args
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
from service.text import fold
from service.times import epoch_milliseconds, format_time, parse_time, parse_version

Channel = Literal["email", "sms"]
Direction = Literal["inbound", "outbound"]
Status = Literal["draft", "active", "archived", "closed"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
STATUSES: tuple[Status, ...] = get_args(Status)

# The version of what is derived from a conversation when it is written: `order`, `sent`, tombstones, document ids.
# Raise it whenever any of that changes: for the folding, the prefixes, the digests, the numbers of names. Indices of
# another version are not served until a reindex (docs/decisions/0017). tests/test_derived.py pins each version.
DERIVED_VERSION = 1

SORT_KEY_CHARACTERS = 1000
PREFIX_BYTES = 6  # 48 bits: what a histogram, whose arithmetic is in doubles, counts exactly
PREFIXES = 4  # 24 bytes: past the tags and reply marks that many subjects share

_PREFIX_MASK = 2 ** (8 * PREFIX_BYTES) - 1
_PREFIX_SHIFTS = tuple(8 * PREFIX_BYTES * place for place in reversed(range(PREFIXES)))

_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Limit:
    """The most that a field may hold: characters in a text (in each text of a list), texts in a list."""

    characters: int
    items: int | None = None


# Far above what real conversations hold, so that only abuse meets them. They keep every term of the index below
# Lucene's 32,766 bytes and every analyzed text short. Validation, the OpenAPI document and docs/documents.md follow.
LIMITS: dict[str, Limit] = {
    "subject": Limit(2_000),  # a line of mail has at most 998 (RFC 5322, 2.1.1)
    "categories": Limit(256, 100),
    "metadata.from_email": Limit(1_024),  # 254 in RFC 5321; gateways put addresses of other systems inside one
    "metadata.from_name": Limit(1_000),
    "metadata.to_emails": Limit(1_024, 1_000),
    "metadata.cc_emails": Limit(1_024, 1_000),
    "metadata.snippet": Limit(4_000),
    "metadata.labels": Limit(256, 500),  # Gmail's have at most 225
    "metadata.provider_message_id": Limit(1_000),
    "metadata.thread_id": Limit(1_000),
}
MAX_ITEM_BYTES = 256_000  # of the whole item as JSON in UTF-8: not all fields can be full at once
TOO_LARGE = f"must have at most {MAX_ITEM_BYTES:,} bytes as JSON"
MAX_LINE_BYTES = 6 * MAX_ITEM_BYTES  # of an item in a line of NDJSON, as each byte may be written as \u0000


def parse_uuid(value: object) -> UUID:
    """A UUID in its hyphenated form, in either case. Raises ValueError."""
    return value if isinstance(value, UUID) else UUID(_check_uuid(value))


def _check_uuid(value: object) -> str:
    if not isinstance(value, str) or not _UUID.fullmatch(value):
        raise ValueError("must be a UUID such as 6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
    return value


def _before_uuid(value: object, info: ValidationInfo) -> UUID | str:
    """pydantic alone would take more forms than the hyphenated one; from JSON it makes the UUID itself, faster."""
    return _check_uuid(value) if info.mode == "json" else parse_uuid(value)


Time = Annotated[datetime, BeforeValidator(parse_time), PlainSerializer(format_time, return_type=str)]
Version = Annotated[datetime, BeforeValidator(parse_version), PlainSerializer(format_time, return_type=str)]
Uid = Annotated[UUID, BeforeValidator(_before_uuid)]


def _text(field: str, **more: Any) -> StringConstraints:
    """A limit also has pydantic refuse a lone surrogate, which is no text."""
    return StringConstraints(max_length=LIMITS[field].characters, **more)


def _list(field: str) -> Any:
    return Field(default=[], max_length=LIMITS[field].items, fail_fast=True)


Count = Annotated[int, Field(ge=0, le=2**31 - 1)]
Integer = Annotated[int, Field(ge=-(2**63), le=2**63 - 1)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Metadata(_Document):
    """What the provider told. Kept and returned; not searched."""

    from_email: Annotated[str, _text("metadata.from_email")] | None = None
    from_name: Annotated[str, _text("metadata.from_name")] | None = None
    to_emails: list[Annotated[str, _text("metadata.to_emails")]] = _list("metadata.to_emails")
    cc_emails: list[Annotated[str, _text("metadata.cc_emails")]] = _list("metadata.cc_emails")
    snippet: Annotated[str, _text("metadata.snippet")] | None = None
    labels: list[Annotated[str, _text("metadata.labels")]] = _list("metadata.labels")
    provider_message_id: Annotated[str, _text("metadata.provider_message_id")] | None = None
    thread_id: Annotated[str, _text("metadata.thread_id")] | None = None
    has_attachments: bool | None = None
    attachment_count: Count | None = None
    history_id: Integer | None = None


class Conversation(_Document):
    """One conversation, valid and normalised: lower-case uids, UTC times to the millisecond.

    Only identity (`uid`, `organization_uid`) and version (`updated_on`) must be known; the rest is null where unknown.
    The order of the fields is the order of an item in an answer.
    """

    uid: Uid
    organization_uid: Uid
    channel: Channel | None = None
    direction: Direction | None = None
    status: Status | None = None
    subject: Annotated[str, _text("subject")] | None = None
    categories: list[Annotated[str, _text("categories", strip_whitespace=True, min_length=1)]] = _list("categories")
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
    """At least the bytes of the item as JSON: a character has at most six, written as an escape."""
    metadata = conversation.metadata
    lists = (conversation.categories, metadata.labels, metadata.to_emails, metadata.cc_emails)
    return _ALL_BUT_LISTS + sum(6 * sum(map(len, texts)) + 3 * len(texts) for texts in lists if texts)


_ALL_BUT_LISTS = 2_000 + 6 * sum(limit.characters for limit in LIMITS.values() if limit.items is None)
MOST_PROBLEMS = 5
MAX_REASON_BYTES = 1_000
SHOWN_NAME = 40


def reason(error: ValidationError) -> str:
    """The first problems of a document that is not valid, each with its field, and how many more there are.

    At most MAX_REASON_BYTES. It never tells values, and of unknown fields' names no more than their beginning.
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
    """The beginning of a name that a caller chose, printable and in one line."""
    text = str(name)
    start = text[:SHOWN_NAME]
    return (start if start.isprintable() else ascii(start)[1:-1]) + ("…" if len(text) > SHOWN_NAME else "")


def shortened(text: str, most_bytes: int) -> str:
    """The text, or its beginning and an ellipsis, in at most so many bytes of UTF-8."""
    data = text.encode("utf-8", "replace")
    return text if len(data) <= most_bytes else data[: most_bytes - 3].decode("utf-8", "ignore") + "…"


ITEM_FIELDS = tuple(Conversation.model_fields)


def subject_sort_key(subject: str) -> str:
    """The text by which `sort=subject` orders, compared by code point: folded, the first 1 000 characters."""
    return fold(subject)[:SORT_KEY_CHARACTERS]


def sort_key_prefixes(key: str) -> tuple[int, ...]:
    """The first bytes of the key's UTF-8 as numbers of 48 bits each, in the key's own order (UTF-8 keeps it)."""
    bytes_of_key = key[: PREFIX_BYTES * PREFIXES].encode()[: PREFIX_BYTES * PREFIXES]
    number = int.from_bytes(bytes_of_key.ljust(PREFIX_BYTES * PREFIXES, b"\0"), "big")
    return tuple(number >> shift & _PREFIX_MASK for shift in _PREFIX_SHIFTS)


def uid_order(uid: UUID) -> tuple[int, int, int]:
    """The UUID as numbers of 48, 48 and 32 bits: ordered exactly as its text, and each exact in a histogram."""
    return uid.int >> 80, uid.int >> 32 & (2**48 - 1), uid.int & (2**32 - 1)


def digest(document: str, version: int, kind: str) -> tuple[int, int]:
    """32 bits and 32 bits that tell a document's id, version and kind (live or deleted).

    Sums of these over a range of documents are exact in OpenSearch's doubles for up to two million of them.
    """
    found = hashlib.blake2b(f"{document}:{version}:{kind}".encode(), digest_size=8).digest()
    return int.from_bytes(found[:4], "big"), int.from_bytes(found[4:], "big")


def identity_fields(organization_uid: UUID, uid: UUID, version: int, kind: str) -> dict[str, int]:
    """What every document's `order` holds, a tombstone's too."""
    parts = (*uid_order(uid), *digest(document_id(organization_uid, uid), version, kind))
    return dict(zip(_IDENTITY_FIELDS, parts, strict=True))


LIVE, DELETED = "live", "deleted"
_IDENTITY_FIELDS = ("uid_1", "uid_2", "uid_3", "digest_1", "digest_2")
_SUBJECT_FIELDS = tuple(f"subject_{number}" for number in range(1, PREFIXES + 1))
# In the order of the names, with gaps: a new name takes a number between its neighbours, and no other changes.
_STATUS_ORDER: dict[Status, int] = {"active": 10, "archived": 20, "closed": 30, "draft": 40}
_CHANNEL_ORDER: dict[Channel, int] = {"email": 10, "sms": 20}


def order_fields(conversation: Conversation) -> dict[str, Any]:
    """What only sorting needs: never returned. Missing values are left out, so that they sort last."""
    fields: dict[str, Any] = identity_fields(
        conversation.organization_uid, conversation.uid, conversation.version, LIVE
    )
    if conversation.status is not None:
        fields["status"] = _STATUS_ORDER[conversation.status]
    if conversation.channel is not None:
        fields["channel"] = _CHANNEL_ORDER[conversation.channel]
    if conversation.subject is not None:
        key = subject_sort_key(conversation.subject)
        fields["subject"] = key
        fields.update(zip(_SUBJECT_FIELDS, sort_key_prefixes(key), strict=True))
    return fields


def document_id(organization_uid: UUID, uid: UUID) -> str:
    """The document's `_id`. It holds the organization, so that one organization cannot overwrite another's."""
    return f"{organization_uid}:{uid}"


_ORDER = b',"order":{'


DERIVED = ("order", "sent")  # what stands behind an item in its stored document


def sent_fields(conversation: Conversation) -> dict[str, int]:
    """When in the week it was sent, in UTC, for analysts: the day (1: Monday, ISO 8601) and the hour (0 to 23)."""
    if conversation.sent_at is None:
        return {}
    return {"weekday": conversation.sent_at.isoweekday(), "hour": conversation.sent_at.hour}


def stored(conversation: Conversation) -> bytes:
    """The document as OpenSearch keeps it: the item's fields in their order, then what is derived. UTF-8 JSON."""
    item = conversation.model_dump_json().encode()
    derived = (msgspec.json.encode(order_fields(conversation)), msgspec.json.encode(sent_fields(conversation)))
    return b'%s,"order":%s,"sent":%s}' % (item[:-1], *derived)


def item(source: bytes) -> bytes:
    """The item of an answer, cut out of what `stored` made, without decoding it. Raises ValueError on anything else.

    Exact: inside a JSON text a quotation mark stands behind a backslash, never behind a comma.
    """
    at = source.rfind(_ORDER)
    if at < 0:
        raise ValueError("a document that this service did not write: it has no order")
    return source[:at] + b"}"


def is_tombstone(source: bytes) -> bool:
    """Whether a stored document is what `tombstone` makes: it begins with what a conversation's ends with."""
    return source.startswith(b'{"order":')


class Tombstone(_Document):
    """A deletion: what a line of a bulk request says, and what stays in the index."""

    uid: Uid
    organization_uid: Uid
    deleted_on: Version


def tombstone(organization_uid: UUID, uid: UUID, deleted_on: datetime) -> bytes:
    """What stays of a deleted conversation. It has no `organization_uid` of its own, so no query can find it."""
    return msgspec.json.encode(
        {
            "order": identity_fields(organization_uid, uid, epoch_milliseconds(deleted_on), DELETED),
            "tombstone": {
                "uid": str(uid),
                "organization_uid": str(organization_uid),
                "deleted_on": format_time(deleted_on),
            },
        }
    )
