"""The conversation: how it is validated, stored and returned, and the fields that are derived from it.

This is the only definition; the loader, the API and the tests use it. `Conversation` validates and normalises. `stored`
adds the fields that only the index needs, such as sort keys.
"""

from __future__ import annotations

import hashlib
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
from service.text import fold, trimmed
from service.times import epoch_milliseconds, format_time, parse_time, parse_version
from service.vocabulary import own_words

Channel = Literal["email", "sms"]
Direction = Literal["inbound", "outbound"]
Status = Literal["draft", "active", "archived", "closed"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)
DIRECTIONS: tuple[Direction, ...] = get_args(Direction)
STATUSES: tuple[Status, ...] = get_args(Status)

# The version of the data that is derived from a conversation: `order`, `sent`, `words`, tombstones and document ids.
# Raise it if one of them changes, for example by other folding, prefixes, digests or numbers of names. An index of
# another version is not served until a reindex (docs/decisions/0017). tests/test_derived.py pins each version.
DERIVED_VERSION = 6

SORT_KEY_CHARACTERS = 1000
PREFIX_BYTES = 6  # 48 bits, which a histogram counts exactly, because its arithmetic is in doubles
PREFIXES = 4  # 24 bytes, which is longer than the tags and reply marks that many subjects share

_PREFIX_MASK = 2 ** (8 * PREFIX_BYTES) - 1
_PREFIX_SHIFTS = tuple(8 * PREFIX_BYTES * place for place in reversed(range(PREFIXES)))

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


def subject_sort_key(subject: str) -> str:
    """The sort key of `sort=subject`: the first 1,000 characters of the folded subject, compared by code point."""
    return fold(subject)[:SORT_KEY_CHARACTERS]


def sort_key_prefixes(key: str) -> tuple[int, ...]:
    """The first 24 bytes of the key in UTF-8 as four 48-bit numbers. They sort like the key, because UTF-8 does."""
    bytes_of_key = key[: PREFIX_BYTES * PREFIXES].encode()[: PREFIX_BYTES * PREFIXES]
    number = int.from_bytes(bytes_of_key.ljust(PREFIX_BYTES * PREFIXES, b"\0"), "big")
    return tuple(number >> shift & _PREFIX_MASK for shift in _PREFIX_SHIFTS)


def uid_order(uid: UUID) -> tuple[int, int, int]:
    """The UUID as numbers of 48, 48 and 32 bits. They sort like its text, and each is exact in a histogram."""
    return uid.int >> 80, uid.int >> 32 & (2**48 - 1), uid.int & (2**32 - 1)


def digest(document: str, version: int, kind: str) -> tuple[int, int]:
    """Two 32-bit numbers: a hash of a document's id, version and kind (LIVE, DELETED or REMEMBERED).

    OpenSearch's sums, which are doubles, are exact for up to two million documents.
    """
    hashed = hashlib.blake2b(f"{document}:{version}:{kind}".encode(), digest_size=8).digest()
    return int.from_bytes(hashed[:4], "big"), int.from_bytes(hashed[4:], "big")


def identity_fields(organization_uid: UUID, uid: UUID, version: int, kind: str) -> dict[str, int]:
    """The fields that `order` has in every document, also in a tombstone."""
    parts = (*uid_order(uid), *digest(document_id(organization_uid, uid), version, kind))
    return dict(zip(_IDENTITY_FIELDS, parts, strict=True))


LIVE, DELETED, REMEMBERED = "live", "deleted", "remembered"
_IDENTITY_FIELDS = ("uid_1", "uid_2", "uid_3", "digest_1", "digest_2")
_SUBJECT_FIELDS = tuple(f"subject_{number}" for number in range(1, PREFIXES + 1))
# The numbers sort like the names and have gaps, so that a new name gets a number between its neighbours.
_STATUS_ORDER: dict[Status, int] = {"active": 10, "archived": 20, "closed": 30, "draft": 40}
_CHANNEL_ORDER: dict[Channel, int] = {"email": 10, "sms": 20}


def order_fields(conversation: Conversation) -> dict[str, int | str]:
    """The fields for sorting and comparing, which are never returned. Missing values are left out and sort last."""
    fields: dict[str, int | str] = {
        **identity_fields(conversation.organization_uid, conversation.uid, conversation.version, LIVE)
    }
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
    """The document's `_id`. It contains the organization, so that one organization cannot overwrite another's data."""
    return f"{organization_uid}:{uid}"


_ORDER = b',"order":{'


DERIVED = ("order", "sent", "words")  # the fields that are derived from the item
NOT_IN_ITEM = (*DERIVED, "parts")  # the fields of a stored document that its item does not have; imports write `parts`


def sent_fields(conversation: Conversation) -> dict[str, int]:
    """The day of the week (1 is Monday, ISO 8601) and the hour (0 to 23) of `sent_at` in UTC, for analysts."""
    if conversation.sent_at is None:
        return {}
    return {"weekday": conversation.sent_at.isoweekday(), "hour": conversation.sent_at.hour}


def stored(conversation: Conversation, parts: str = "") -> bytes:
    """The document that OpenSearch stores, as JSON in UTF-8: the item's fields in order, then those of NOT_IN_ITEM.

    `parts` is data for later imports, in base64.
    """
    item = conversation.model_dump_json().encode()
    derived = (msgspec.json.encode(order_fields(conversation)), msgspec.json.encode(sent_fields(conversation)))
    texts = {name: text for name, text in (("words", _words(conversation)), ("parts", parts)) if text}
    more = b"," + msgspec.json.encode(texts)[1:-1] if texts else b""
    return b'%s,"order":%s,"sent":%s%s}' % (item[:-1], *derived, more)


def _words(conversation: Conversation) -> str:
    given = conversation.metadata
    return own_words(
        conversation.organization_uid,
        conversation.subject or "",
        sender=[text for text in (given.from_email, given.from_name) if text],
        recipients=given.to_emails,
        copies=given.cc_emails,
        categories=conversation.categories,
        labels=given.labels,
    )


def item(source: bytes) -> bytes:
    """The item in a stored document, without decoding it. Raises ValueError if `stored` did not make the document.

    The search for the end of the item is exact: in a JSON string, a quotation mark follows a backslash, not a comma.
    """
    at = source.rfind(_ORDER)
    if at < 0:
        raise ValueError("this service did not write the document: it has no order field")
    return source[:at] + b"}"


def is_tombstone(source: bytes) -> bool:
    """Whether the document is not a conversation but a tombstone or an import record: both begin with `order`."""
    return source.startswith(b'{"order":')


class Tombstone(_Document):
    """A deletion: a line of a bulk request, and the record of it that stays in the index."""

    uid: Uid
    organization_uid: Uid
    deleted_on: Version


def tombstone(organization_uid: UUID, uid: UUID, deleted_on: datetime) -> bytes:
    """The document that replaces a deleted conversation.

    It has no field `organization_uid` at the top level, so the filter of every search excludes it.
    """
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


def record_id(organization_uid: UUID, uid: UUID) -> str:
    """The `_id` of a conversation's import record."""
    return f"{document_id(organization_uid, uid)}:import"


def import_record(record: ImportRecord) -> bytes:
    """The document that OpenSearch stores. Like a tombstone, it has no field `organization_uid` at the top level."""
    parts = (
        *uid_order(record.uid),
        *digest(record_id(record.organization_uid, record.uid), record.version, REMEMBERED),
    )
    order = msgspec.json.encode(dict(zip(_IDENTITY_FIELDS, parts, strict=True)))
    return b'{"order":%s,"record":%s}' % (order, record.model_dump_json().encode())
