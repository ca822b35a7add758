"""The documents in OpenSearch: conversations with their derived fields, tombstones and import records.

`stored` adds to an item the fields that only the index needs, such as sort keys; `item` cuts the item out again.
"""

from __future__ import annotations

import hashlib
from datetime import datetime
from uuid import UUID

import msgspec

from service.conversation import Channel, Conversation, ImportRecord, Status
from service.text import fold
from service.times import epoch_milliseconds, format_time
from service.vocabulary import own_words

# The version of the data that is derived from a conversation: `order`, `sent`, `words`, tombstones and document ids.
# Raise it if one of them changes, for example by other folding, prefixes, digests or numbers of names. An index of
# another version is not served until a reindex (docs/decisions/0017). tests/test_derived.py pins each version.
DERIVED_VERSION = 6

SORT_KEY_CHARACTERS = 1000
PREFIX_BYTES = 6  # 48 bits, which a histogram counts exactly, because its arithmetic is in doubles
PREFIXES = 4  # 24 bytes, which is longer than the tags and reply marks that many subjects share

_PREFIX_MASK = 2 ** (8 * PREFIX_BYTES) - 1
_PREFIX_SHIFTS = tuple(8 * PREFIX_BYTES * place for place in reversed(range(PREFIXES)))


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
