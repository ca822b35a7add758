"""Cursors: the position of a walk, as an opaque text that is valid only for the same query and organization.

A cursor contains the sort values of the last conversation that was returned. These may include its subject, so they
are encrypted, and authenticated together with the query and the organization. A cursor stays valid after a restart and
a reindex, but not after a change of the derived fields. AES-SIV (RFC 5297) needs no nonce, so the same position gives
the same cursor, and an unchanged page keeps its ETag.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from service.errors import InvalidQuery, Problem
from service.query.conversation_query import CURSOR_START, ConversationQuery, Resolution, Sort
from service.reach import identity_of
from service.stored_documents import DERIVED_VERSION

_LAYOUT = b"4"  # of the sort values; raising it makes older cursors invalid, so that none is read wrongly
_PURPOSE = b"conversation search: sealed cursors"
Position = tuple[int | float | str | None, ...]


class _Content(msgspec.Struct, array_like=True, omit_defaults=True):
    """The content of a cursor. The resolution stays the same in a walk, whatever is written meanwhile."""

    position: Position
    resolution: Resolution | None = None


class Cursors:
    """Writes and reads cursors. Every process with the same secret can read them.

    Cursors that were sealed with a `previous` secret are read too, so that a walk goes on after the secret changes.
    """

    def __init__(self, secret: bytes, *previous: bytes) -> None:
        self._keys = [AESSIV(hmac.digest(one, _PURPOSE, hashlib.sha512)) for one in (secret, *previous)]

    def write(self, position: Position, query: ConversationQuery, organization_uid: UUID) -> str:
        """The cursor that continues after this position."""
        content = msgspec.msgpack.encode(_Content(position, query.resolution))
        sealed = self._keys[0].encrypt(content, _bound_to(query, organization_uid))
        return _encoded(sealed)

    def read(self, query: ConversationQuery, organization_uid: UUID) -> Position | None:
        """The position in the query's cursor; None for the start. Raises InvalidQuery for a cursor of another query."""
        content = self._content(query, organization_uid)
        return None if content is None else content.position

    def resolution(self, query: ConversationQuery, organization_uid: UUID) -> Resolution | None:
        """The resolution that the walk began with; None at its start. Raises InvalidQuery like `read`."""
        content = self._content(query, organization_uid)
        return None if content is None else content.resolution

    def _content(self, query: ConversationQuery, organization_uid: UUID) -> _Content | None:
        text = query.cursor
        if text is None or text == CURSOR_START:
            return None
        content = self._opened(text, _bound_to(query, organization_uid))
        if content is None:
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
        return content

    def _opened(self, text: str, bound_to: list[bytes]) -> _Content | None:
        """The content of the cursor. None if it was not made with one of the keys for this query and organization.

        Also None if another version of the service made it with other content.
        """
        try:
            sealed = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except (ValueError, binascii.Error):
            return None
        if _encoded(sealed) != text.rstrip("="):  # several texts decode to the same bytes; only one is valid
            return None
        for key in self._keys:
            try:
                return msgspec.msgpack.decode(key.decrypt(sealed, bound_to), type=_Content)
            except (InvalidTag, msgspec.MsgspecError, UnicodeDecodeError):
                continue
        return None


def _bound_to(query: ConversationQuery, organization_uid: UUID) -> list[bytes]:
    """All that a cursor is bound to. It holds sort values, so a change of derived fields makes it invalid."""
    return [_LAYOUT, b"%d" % DERIVED_VERSION, identity_of(organization_uid), fingerprint(query)]


def fingerprint(query: ConversationQuery) -> bytes:
    """Everything that decides which conversations match and in what order. Defaults are left out."""
    given: dict[str, object] = {"where": query.where} if query.where else {}
    given |= {"sort": query.sort} if query.sort != Sort() else {}
    given |= {"pasted": query.pasted} if query.pasted is not None else {}
    return msgspec.json.encode(given | ({"then": query.then} if query.then else {}))


def _encoded(sealed: bytes) -> str:
    return base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()
