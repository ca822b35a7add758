"""Sizes that stay bounded, whatever a caller sends: errors about parameters, cursors, links, cached counts, batches."""

from __future__ import annotations

import base64
import dataclasses
import random
import string
import time
from uuid import UUID

import pytest

from service.api import responses
from service.api.links import MAX_LINK_BYTES, links
from service.errors import InvalidQuery
from service.query.conditions import SearchText
from service.query.conversation_query import MAX_CURSOR_CHARACTERS, ConversationQuery
from service.query.explain import explain
from service.query.parameters import LIST_PARAMETERS
from service.query.parser import parse_query
from service.query.query_string import MAX_PARAMETERS, MAX_PROBLEMS, no_parameters
from service.search.export import LARGEST_BATCH, _next_size
from service.search.paging import cursors
from service.search.paging.buckets import Bucket, FieldColumn
from service.search.paging.counted_buckets import CountedBuckets
from service.search.paging.cursors import Cursors, Position
from service.search.paging.page import Page
from service.search.paging.rank_cache import Memory, RankCache
from service.search.paging.steps import Numbers
from service.stored_documents import DERIVED_VERSION

ONE = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
OTHER = UUID("b3d94c52-7e0f-4a6b-8c1d-2e5f60718293")
WIDEST = "\U0001f600" * 1000  # a subject's sort key has 1,000 characters at most


def names(count: int, length: int) -> str:
    rng = random.Random(count)
    return "&".join("".join(rng.choices(string.ascii_lowercase, k=length)) + "=1" for _ in range(count))


@pytest.mark.parametrize(
    "query_string",
    [
        names(9_000, 5), names(MAX_PARAMETERS, 40), names(MAX_PARAMETERS, 300), names(MAX_PARAMETERS, 4),
        "&".join("created_o" + "n" * number for number in range(2, 30)), "&".join(f"%ff{n}" for n in range(190)),
        "&".join(f"{one.name}=%00" for one in LIST_PARAMETERS), "category=" + "a," * 30_000,
        "category=" + '"a",' * 15_000, "sort=" + "subject," * 7_000, f"agent_uid[in]={f'{ONE},' * 1_700}",
        "status=" + "active," * 9_000, "page=" + "9" * 60_000, "q=" + "(" * 60_000, "&".join(["status=a" * 30] * 199),
    ],
)  # fmt: skip
def test_a_query_string_of_64_kb_makes_a_short_answer_soon(query_string: str) -> None:
    started = time.perf_counter()
    with pytest.raises(InvalidQuery) as caught:
        parse_query(query_string.encode(), ONE, known=LIST_PARAMETERS)
    assert time.perf_counter() - started < 2  # on a busy machine; looking for 9,000 near names took a minute
    problems = caught.value.problems
    assert len(problems) <= MAX_PROBLEMS + 1
    assert len(responses.error("invalid_parameter", str(caught.value), "0" * 32, problems)) < 30_000


def test_the_number_of_problems_that_are_not_listed_is_reported() -> None:
    with pytest.raises(InvalidQuery) as caught:
        no_parameters(names(100, 8).encode())
    assert caught.value.problems[-1].message == f"has {100 - MAX_PROBLEMS} more problems"


POSITIONS: list[Position] = [
    (WIDEST, 1, 2, 3, 4), (None, None), (1.5, "secret subject", -(2**53)), ("", 0), (253402300799999, 2**48 - 1),
]  # fmt: skip


@pytest.mark.parametrize("position", POSITIONS, ids=lambda position: str(position)[:30])
def test_a_cursor_is_sealed_short_enough_and_always_the_same(position: Position) -> None:
    query = ConversationQuery(cursor="*", where=(SearchText("invoice"),))
    text = Cursors(b"k").write(position, query, ONE)
    assert len(text) <= MAX_CURSOR_CHARACTERS
    assert text == Cursors(b"k").write(position, query, ONE)  # else no ETag of a walk would ever match
    raw = base64.urlsafe_b64decode(text + "==")
    assert b"secret" not in raw
    assert "\U0001f600".encode() not in raw
    given = dataclasses.replace(query, cursor=text)
    assert Cursors(b"new", b"k").read(given, ONE) == position
    for reader, asked, organization in (
        (Cursors(b"j"), given, ONE),
        (Cursors(b"k"), given, OTHER),
        (Cursors(b"k"), dataclasses.replace(given, where=(SearchText("invoices"),)), ONE),
        (Cursors(b"k"), dataclasses.replace(given, cursor=text[:-2]), ONE),
        (Cursors(b"k"), dataclasses.replace(given, cursor=("B" if text[0] == "A" else "A") + text[1:]), ONE),
    ):
        with pytest.raises(InvalidQuery, match="next_cursor"):
            reader.read(asked, organization)


def test_a_cursor_is_refused_after_a_change_of_the_derived_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sort values may have another position in the new order."""
    query = ConversationQuery(cursor="*")
    text = Cursors(b"k").write((20, 1), query, ONE)
    monkeypatch.setattr(cursors, "DERIVED_VERSION", DERIVED_VERSION + 1)
    with pytest.raises(InvalidQuery, match="next_cursor"):
        Cursors(b"k").read(dataclasses.replace(query, cursor=text), ONE)


@pytest.mark.parametrize("text", ["a", "A" * 8000, "AA", "_" * 21, "A" * 22])
def test_a_text_that_is_no_cursor_is_refused(text: str) -> None:
    with pytest.raises(InvalidQuery, match="next_cursor"):
        Cursors(b"k").read(ConversationQuery(cursor=text), ONE)


def test_a_link_header_is_left_out_rather_than_too_long() -> None:
    page = Page(ConversationQuery(page=2), total=100, items=(), took=1)
    assert list(links("/api/conversations", b"status=active", page)) == ["Link"]
    assert links("/api/conversations", b"search=" + b"a" * MAX_LINK_BYTES, page) == {}
    assert links("/api/conversations", b"search=" + b"\xff" * 900, page) == {}
    walk = ConversationQuery(cursor="*")
    following = Cursors(b"k").write((WIDEST, 1, 2, 3), walk, ONE)
    assert links("/api/conversations", b"", Page(walk, 100, (), 1, next_cursor=following)) == {}


def counts_of(buckets: int) -> Memory:
    column = FieldColumn("updated_on", kind="date")
    found = [Bucket(column, 1, {"gte": at}, {"lt": at + 1}) for at in range(buckets)]
    return Memory(CountedBuckets.of(Numbers(column, 0), (), found))


def test_the_rank_cache_is_bounded_by_bytes_and_drops_the_least_recently_used() -> None:
    cache = RankCache(budget=100_000)
    for number in range(50):
        cache.put(b"%d" % number, counts_of(500))
        assert cache.get(b"0") != Memory()  # what is used stays
        assert cache.bytes <= 100_000
    assert cache.get(b"49") != Memory()
    assert cache.get(b"1") == Memory()
    cache.put(b"large", counts_of(20_000))
    assert cache.bytes <= 100_000
    assert cache.get(b"large") == Memory()
    cache.put(b"k" * 200_000, counts_of(1))
    assert cache.bytes <= 100_000
    again = RankCache()
    for _ in range(3):
        again.put(b"k", counts_of(500))
    assert again.bytes == 1 + counts_of(500).bytes == 1 + 500 * 24


def test_a_batch_grows_slowly_and_shrinks_at_once() -> None:
    assert _next_size((b"x" * 100,) * 200) == 400
    assert _next_size((b"x" * 100,) * 400) == LARGEST_BATCH
    assert _next_size((b"x" * 256_000,) * 200) == 7
    assert _next_size((b"x" * 100,) * 3) == 6
    assert _next_size((b"x" * 10_000_000,)) == 1


@pytest.mark.parametrize("operator", ["gt", "gte", "lt", "lte"])
@pytest.mark.parametrize("zone", ["UTC", "Pacific/Kiritimati", "America/Adak"])
@pytest.mark.parametrize(
    "text",
    [
        "0001",
        "0001-01",
        "0001-01-01",
        "9999",
        "9999-12",
        "9999-12-31",
        "0001-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
    ],
)
def test_the_ends_of_the_calendar_can_be_explained(text: str, zone: str, operator: str) -> None:
    query = f"created_on[{operator}]={text}&tz={zone}&explain=query"
    _organization, found = parse_query(query.encode(), ONE, known=LIST_PARAMETERS)
    assert explain(found).clauses[0]["field"] == "created_on"
