"""A cursor is bound to its query, in whatever form it is written, and to the version of the derived fields."""

from __future__ import annotations

import base64
import hashlib
import hmac
from contextlib import suppress
from dataclasses import replace
from itertools import combinations
from uuid import UUID

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESSIV
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidQuery
from service.query.conversation_query import ConversationQuery
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.search.paging.cursors import Cursors, Position, _bound_to, fingerprint
from service.stored_documents import DERIVED_VERSION

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
CURSORS = Cursors(b"x" * 32)
DIFFERENT = [
    "", "status=closed", "status=draft", "status=closed,draft", "status=closed&channel=sms", "status!=closed",
    "search=inv", "search=inv&match=prefix", "q=inv*", "sort=subject", "sort=subject,-sent_at", "message_count=5",
    "message_count[gt]=5", "created_on[gte]=2024", "agent_uid=none",
]  # fmt: skip


def query_of(query_string: str, cursor: str | None = None) -> ConversationQuery:
    return replace(parse_query(query_string.encode(), ORGANIZATION, known=LIST_PARAMETERS)[1], cursor=cursor)


def test_different_queries_have_different_fingerprints() -> None:
    for one, other in combinations(DIFFERENT, 2):
        assert fingerprint(query_of(one)) != fingerprint(query_of(other)), (one, other)


@pytest.mark.parametrize(
    "other", ["status[in]=closed", "q=status:closed", "status=closed&per_page=5&highlight=subject"]
)
def test_a_cursor_is_accepted_for_the_same_query_in_another_form(other: str) -> None:
    cursor = CURSORS.write((1, "a", None), query_of("status=closed"), ORGANIZATION)
    assert CURSORS.read(query_of(other, cursor), ORGANIZATION) == (1, "a", None)


def test_the_text_of_the_search_box_belongs_to_the_query_if_it_decides_the_order() -> None:
    one, other = "q=red+-+boat", "q=red+boat"
    assert fingerprint(query_of(one)) == fingerprint(query_of(other))
    assert fingerprint(query_of(f"{one}&sort=relevance")) != fingerprint(query_of(f"{other}&sort=relevance"))


def test_a_cursor_of_another_derived_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = CURSORS.write((1, "a", None), query_of("status=closed"), ORGANIZATION)
    monkeypatch.setattr("service.search.paging.cursors.DERIVED_VERSION", DERIVED_VERSION + 1)
    with pytest.raises(InvalidQuery):
        CURSORS.read(query_of("status=closed", cursor), ORGANIZATION)


@pytest.mark.parametrize("sealed", [b"", b"\xff", b"\xa1x", msgspec.msgpack.encode([["\x00"], 5]), b"\x91\x91\xa1\xff"])
def test_a_cursor_with_the_content_of_another_version_is_refused_as_invalid(sealed: bytes) -> None:
    key = AESSIV(hmac.digest(b"x" * 32, b"conversation search: sealed cursors", hashlib.sha512))
    query = query_of("status=closed")
    cursor = base64.urlsafe_b64encode(key.encrypt(sealed, _bound_to(query, ORGANIZATION))).rstrip(b"=").decode()
    with pytest.raises(InvalidQuery):
        CURSORS.read(query_of("status=closed", cursor), ORGANIZATION)


values = st.none() | st.text(max_size=20) | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False)
positions = st.lists(values, max_size=5).map(tuple)
query_strings = st.sampled_from(DIFFERENT)
organizations = st.uuids()
secrets = st.binary(min_size=32, max_size=40)


@given(positions, query_strings, organizations, secrets, secrets)
def test_a_cursor_is_read_with_its_own_secret_also_beside_a_newer_one(
    position: Position, query_string: str, organization: UUID, secret: bytes, newer: bytes
) -> None:
    cursor = Cursors(secret).write(position, query_of(query_string), organization)
    assert cursor == Cursors(secret).write(position, query_of(query_string), organization)
    query = query_of(query_string, cursor)
    for cursors in (Cursors(secret), Cursors(newer, secret)):
        assert cursors.read(query, organization) == position
    if newer != secret:
        with pytest.raises(InvalidQuery):
            Cursors(newer).read(query, organization)


@given(positions, query_strings, query_strings, organizations, organizations)
def test_a_cursor_of_another_query_or_organization_is_refused(
    position: Position, query_string: str, other_query_string: str, organization: UUID, other: UUID
) -> None:
    cursor = CURSORS.write(position, query_of(query_string), organization)
    for asked, asker in ((query_string, other), (other_query_string, organization), (other_query_string, other)):
        if (asked, asker) != (query_string, organization):
            with pytest.raises(InvalidQuery):
                CURSORS.read(query_of(asked, cursor), asker)


def test_nothing_in_a_cursor_can_be_read() -> None:
    """Neither the position of the walk nor the query."""
    cursor = CURSORS.write(("a subject of somebody", "a uid"), query_of("search=something"), ORGANIZATION)
    sealed = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
    for hidden in (b"subject", b"somebody", b"a uid", b"something", ORGANIZATION.bytes, str(ORGANIZATION).encode()):
        assert hidden not in sealed
        assert hidden not in cursor.encode()


@given(positions, st.integers(0), st.integers(1, 255))
def test_a_cursor_with_one_changed_byte_is_refused(position: Position, at: int, change: int) -> None:
    cursor = CURSORS.write(position, query_of(""), ORGANIZATION)
    sealed = bytearray(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    sealed[at % len(sealed)] ^= change
    with pytest.raises(InvalidQuery):
        CURSORS.read(query_of("", base64.urlsafe_b64encode(sealed).rstrip(b"=").decode()), ORGANIZATION)


@given(positions, st.integers(0), st.text(max_size=2), st.integers(0, 2))
def test_a_changed_text_is_refused_unless_only_padding_was_added(
    position: Position, at: int, inserted: str, removed: int
) -> None:
    cursor = CURSORS.write(position, query_of(""), ORGANIZATION)
    at %= len(cursor) + 1
    changed = cursor[:at] + inserted + cursor[at + removed :]
    with suppress(InvalidQuery):
        assert CURSORS.read(query_of("", changed), ORGANIZATION) == position
        assert changed.rstrip("=") in (cursor, "*")


def test_a_cursor_in_the_other_base64_alphabet_is_refused() -> None:
    """Decoders of base64 often accept the characters of both alphabets."""
    cursors = [CURSORS.write((number, 1.0, "a", None), query_of(""), ORGANIZATION) for number in range(100)]
    for cursor in (one for one in cursors if "-" in one or "_" in one):
        with pytest.raises(InvalidQuery):
            CURSORS.read(query_of("", cursor.replace("-", "+").replace("_", "/")), ORGANIZATION)
