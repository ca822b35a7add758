"""Cursors that an earlier version handed out are still read."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

import pytest

from service.errors import InvalidQuery
from service.query.conversation_query import ConversationQuery
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.search.paging.cursors import Cursors

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
CURSORS = Cursors(b"x" * 32)
HANDED_OUT = [  # by the version whose queries held the filters of the contract as attributes
    ("status=closed", "BaztpxdCo0r4CPkSEPLUN0hGEVdL"),
    ("status%5Bin%5D=closed", "ftJKKsu7wHP5WMPUVEEiEhOEoK3c"),
    ("q=status%3Aclosed", "ftJKKsu7wHP5WMPUVEEiEhOEoK3c"),
    ("q=category%3A%22a%2C%20b%22%2Cc%20label%3Anone", "j66P7IcmXW0UeSFm_hU2mHOZW3yX"),
    ("q=is%3Aunread%20is%3Aassigned%20-is%3Areplied", "hGN29Wbcn8tAaOybTHPbGnCgayra"),
    ("updated_on%5Blt%5D=-1d&is_read=true&status%5Bin%5D=closed", "ndSLWDVXHx_ViL1u_ZAXwYuwfeKI"),
    (
        "party_uid%5Bin%5D=16a04d58-cc72-56da-86e1-247d0b908333&agent_uid=7dd3833a-4044-5bfc-84b9-49f387f5a79d&created_on%5Blte%5D=2024-02",
        "bv7gm7CdzQrwnijo6pNwOMQmqJF4",
    ),
]


def query_of(query_string: str, cursor: str) -> ConversationQuery:
    return replace(parse_query(query_string.encode(), ORGANIZATION, known=LIST_PARAMETERS)[1], cursor=cursor)


@pytest.mark.parametrize(("query_string", "cursor"), HANDED_OUT)
def test_a_cursor_of_an_earlier_version_is_read(query_string: str, cursor: str) -> None:
    assert CURSORS.read(query_of(query_string, cursor), ORGANIZATION) == (1, "a", None)


@pytest.mark.parametrize(("query_string", "cursor"), HANDED_OUT)
def test_a_cursor_is_no_other_querys(query_string: str, cursor: str) -> None:
    for other in ("", f"{query_string}&direction=inbound", "status=draft", "status=closed,draft"):
        with pytest.raises(InvalidQuery):
            CURSORS.read(query_of(other, cursor), ORGANIZATION)
