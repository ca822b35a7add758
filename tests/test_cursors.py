"""What a cursor is bound to: the question, however it was written, and how the sort values were derived."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from uuid import UUID

import pytest

from service.conversation import DERIVED_VERSION
from service.errors import InvalidQuery
from service.query.conversation_query import ConversationQuery
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.search.paging.cursors import Cursors, fingerprint

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
CURSORS = Cursors(b"x" * 32)
DIFFERENT = [
    "", "status=closed", "status=draft", "status=closed,draft", "status=closed&channel=sms", "status!=closed",
    "search=inv", "search=inv&match=prefix", "q=inv*", "sort=subject", "sort=subject,-sent_at", "message_count=5",
    "message_count[gt]=5", "created_on[gte]=2024", "agent_uid=none",
]  # fmt: skip


def query_of(query_string: str, cursor: str | None = None) -> ConversationQuery:
    return replace(parse_query(query_string.encode(), ORGANIZATION, known=LIST_PARAMETERS)[1], cursor=cursor)


def test_different_questions_have_different_fingerprints() -> None:
    for one, other in combinations(DIFFERENT, 2):
        assert fingerprint(query_of(one)) != fingerprint(query_of(other)), (one, other)


@pytest.mark.parametrize(
    "other", ["status[in]=closed", "q=status:closed", "status=closed&per_page=5&highlight=subject"]
)
def test_the_same_question_in_other_words_may_go_on(other: str) -> None:
    cursor = CURSORS.write((1, "a", None), query_of("status=closed"), ORGANIZATION)
    assert CURSORS.read(query_of(other, cursor), ORGANIZATION) == (1, "a", None)


def test_a_cursor_of_another_derived_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    cursor = CURSORS.write((1, "a", None), query_of("status=closed"), ORGANIZATION)
    monkeypatch.setattr("service.search.paging.cursors.DERIVED_VERSION", DERIVED_VERSION + 1)
    with pytest.raises(InvalidQuery):
        CURSORS.read(query_of("status=closed", cursor), ORGANIZATION)
