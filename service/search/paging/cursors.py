"""Cursors: where a walk stands, as an opaque text that only its own query, organization and service can read.

A cursor holds the sort values of the last conversation given, among them its subject, so they are encrypted; the query
and the organization are authenticated with them. All of it comes from documents and settings, so a cursor outlives a
restart and a reindex, but not a change of what is derived. AES-SIV (RFC 5297) needs no nonce: the same position makes
the same cursor, and a page its ETag.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import itertools
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from service.conversation import DERIVED_VERSION
from service.errors import InvalidQuery, Problem
from service.query.conditions import DEFAULT_MATCH, OneOf, SearchText
from service.query.conversation_query import CURSOR_START, ConversationQuery, Sort

_LAYOUT = b"2"  # of the sort values; a new one makes cursors of the old one invalid rather than wrong
_PURPOSE = b"conversation search: sealed cursors"
# Filters that a fingerprint holds under names of their own, in this order: cursors in use depend on it.
_NAMED = {
    "is_read": "is_read", "status": "statuses", "channel": "channel", "category": "categories",
    "agent_uid": "agent_uid", "party_uid": "party_uid",
}  # fmt: skip

Position = tuple[int | float | str | None, ...]


class Cursors:
    """Writes and reads cursors. Every process that shares the secret reads the same ones.

    Cursors sealed with a `previous` secret are read too, so that walks outlive a new one.
    """

    def __init__(self, secret: bytes, *previous: bytes) -> None:
        self._keys = [AESSIV(hmac.digest(one, _PURPOSE, hashlib.sha512)) for one in (secret, *previous)]

    def write(self, position: Position, query: ConversationQuery, organization_uid: UUID) -> str:
        """The cursor that goes on behind this position."""
        sealed = self._keys[0].encrypt(msgspec.msgpack.encode(position), _bound_to(query, organization_uid))
        return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()

    def read(self, query: ConversationQuery, organization_uid: UUID) -> Position | None:
        """The position in the query's cursor; None for the start. Raises InvalidQuery on any cursor but its own."""
        text = query.cursor
        if text is None or text == CURSOR_START:
            return None
        values = self._opened(text, _bound_to(query, organization_uid), *_bound_earlier(query, organization_uid))
        if values is None:
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

    def _opened(self, text: str, *bindings: list[bytes]) -> bytes | None:
        """What the text seals; None where none of the keys made it, or not for this query and organization."""
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        for key, bound_to in itertools.product(self._keys, bindings):
            try:
                return key.decrypt(sealed, bound_to)
            except InvalidTag:
                continue
        return None


def _bound_to(query: ConversationQuery, organization_uid: UUID) -> list[bytes]:
    """What a cursor is good for, and nothing else: sort values that were derived otherwise stand at another place."""
    return [_LAYOUT, b"%d" % DERIVED_VERSION, organization_uid.bytes, fingerprint(query)]


def _bound_earlier(query: ConversationQuery, organization_uid: UUID) -> list[list[bytes]]:
    """What cursors of earlier versions may be bound to, where they told `status[in]=x` from `status=x`."""
    if query.search is not None:
        return []
    return [
        [_LAYOUT, organization_uid.bytes, _fingerprint(query, count)]
        for count in range(len(_named_filters(query)) - 1, -1, -1)
    ]


def fingerprint(query: ConversationQuery) -> bytes:
    """Everything that decides which conversations match and in what order; what was left out is left out here."""
    return _fingerprint(query, len(_named_filters(query)))


def _fingerprint(query: ConversationQuery, count: int) -> bytes:
    """The first `count` filters go by their own names, as they did when cursors were first made; so does the search."""
    named = _named_filters(query)[:count]
    given: dict[str, object] = {_NAMED[node.field]: _plain(node) for node in named}
    rest = query.where[count:]
    if query.search is not None:
        given["search"] = query.search.text
        if query.search.match != DEFAULT_MATCH:
            given["match"] = query.search.match
        rest = tuple(node for node in rest if not isinstance(node, SearchText))
    given |= {"where": rest} if rest else {}
    given |= {"sort": query.sort} if query.sort != Sort() else {}
    return msgspec.json.encode(given | ({"then": query.then} if query.then else {}))


def _named_filters(query: ConversationQuery) -> list[OneOf]:
    """The filters at the beginning of the query that are named, as long as they stand in the order of the names."""
    found: list[OneOf] = []
    names = list(_NAMED)
    for node in query.where:
        if not isinstance(node, OneOf) or node.field not in names or (len(node.values) > 1 and not _is_list(node)):
            break
        found.append(node)
        names = names[names.index(node.field) + 1 :]
    return found


def _plain(node: OneOf) -> object:
    return node.values if _is_list(node) else node.values[0]


def _is_list(node: OneOf) -> bool:
    return node.field in ("status", "category")
