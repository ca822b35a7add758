"""Cursors: where a walk stands, as an opaque text that only its own query, organization and service can read.

A cursor holds the sort values of the last conversation given, and a signature over these, the query and the
organization. All of them come from documents and settings, so a cursor outlives a restart and a reindex.
"""

from __future__ import annotations

import base64
import binascii
import dataclasses
import hashlib
import hmac
from uuid import UUID

import msgspec

from service.errors import InvalidQuery, Problem
from service.search.query import CURSOR_START, ConversationQuery

SIGNATURE_BYTES = 16
_LAYOUT = b"1"  # of the sort values; a new one makes cursors of the old one invalid rather than wrong
_NOT_PART = frozenset({"page", "per_page", "cursor", "extras", "now"})

Position = tuple[int | float | str | None, ...]


class Cursors:
    """Writes and reads cursors. Every process that shares the secret reads the same ones.

    Cursors signed with a `previous` secret are read too, so that walks outlive a new one.
    """

    def __init__(self, secret: bytes, *previous: bytes) -> None:
        self._keys = [hmac.digest(one, b"conversation search: cursors", hashlib.sha256) for one in (secret, *previous)]

    def write(self, position: Position, query: ConversationQuery, organization_uid: UUID) -> str:
        values = msgspec.msgpack.encode(position)
        signed = self._signature(self._keys[0], values, query, organization_uid) + values
        return base64.urlsafe_b64encode(signed).rstrip(b"=").decode()

    def read(self, query: ConversationQuery, organization_uid: UUID) -> Position | None:
        """The position in the query's cursor; None for the start. Raises InvalidQuery on any cursor but its own."""
        text = query.cursor
        if text is None or text == CURSOR_START:
            return None
        try:
            signed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            signed = b""
        signature, values = signed[:SIGNATURE_BYTES], signed[SIGNATURE_BYTES:]
        right = [self._signature(key, values, query, organization_uid) for key in self._keys]
        if not any(hmac.compare_digest(signature, one) for one in right):
            raise InvalidQuery(
                [
                    Problem(
                        "cursor",
                        "is not one of this query: send the pagination.next_cursor of an answer to the same "
                        f"organization, filters, search and sort, unchanged, or {CURSOR_START} to begin",
                        text[:200],
                    )
                ]
            )
        return msgspec.msgpack.decode(values, type=Position)

    @staticmethod
    def _signature(key: bytes, values: bytes, query: ConversationQuery, organization_uid: UUID) -> bytes:
        signed = b"\0".join((_LAYOUT, organization_uid.bytes, fingerprint(query), values))
        return hmac.digest(key, signed, hashlib.sha256)[:SIGNATURE_BYTES]


def fingerprint(query: ConversationQuery) -> bytes:
    """Everything that decides which conversations match and in what order; what was left out is left out here."""
    given = {
        field.name: getattr(query, field.name)
        for field in dataclasses.fields(query)
        if field.name not in _NOT_PART and getattr(query, field.name) != _default(field)
    }
    return msgspec.json.encode(given)


def _default(field: dataclasses.Field[object]) -> object:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()
