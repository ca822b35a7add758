"""Pages at any depth in every order, over difficult data, against brute force, while another client writes."""

from __future__ import annotations

import asyncio
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from service.client import connect
from service.conversation import CHANNELS, STATUSES, Conversation
from service.index import writer as index_writer
from service.query.fields import RELEVANCE, SORT_FIELDS
from service.search.paging.rank_descent import Windows
from service.search.paging.sampling import Sampling
from service.times import parse_time
from tests import oracle
from tests.corpus import conversation
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving

SORTS = [
    *(f"{sign}{name}" for name in SORT_FIELDS if name != RELEVANCE for sign in ("", "-")),
    "is_read,-status,channel,subject",
    "-has_reply,-message_count,sent_at,subject",
]
EACH = 400
MOMENT = datetime(2024, 2, 29, 12, 0, 0, 1000, tzinfo=UTC)
LIVE_STATUSES = ("active", "archived", "closed")  # the other client writes drafts only

Change = Callable[[random.Random, int], dict[str, Any]]


def all_equal(_rng: random.Random, _number: int) -> dict[str, Any]:
    return {
        "created_on": MOMENT, "updated_on": MOMENT, "sent_at": MOMENT,
        "subject": "the same", "status": "closed", "channel": "sms",
    }  # fmt: skip


def all_null(_rng: random.Random, _number: int) -> dict[str, Any]:
    return {"created_on": None, "sent_at": None, "subject": None, "channel": None, "updated_on": MOMENT}


def one_heavy_value(rng: random.Random, number: int) -> dict[str, Any]:
    return all_equal(rng, number) if rng.random() < 0.9 else {}


def colliding_prefixes(rng: random.Random, _number: int) -> dict[str, Any]:
    """Subjects with the same first 12, 24, 30 or 1,000 characters, and some that end there."""
    shared = rng.choice(("twelve bytes", "x" * 24, "y" * 30, "z" * 1000, ""))
    return {"subject": shared + rng.choice(("", "\0", "a", "b", "ab", str(rng.randrange(30))))}


def scripts(rng: random.Random, _number: int) -> dict[str, Any]:
    """Astral, combining and compatibility characters: U+FFFD sorts before U+1F600 by code point, not in UTF-16."""
    parts = (
        "\ufffd",
        "\U0001f600",
        "\U00010000",
        "e\u0301",
        "é",
        "e",
        "E",
        "\u0301",
        "ﬁ",
        "ｆｉ",
        "İ",
        "ß",
        "한국",
        "각",
        "각",
        "𝒜",
        "々",
    )
    return {"subject": "".join(rng.choices(parts, k=rng.choice((1, 2, 9))))}


def far_times(rng: random.Random, number: int) -> dict[str, Any]:
    """Before 1970, at neighbouring milliseconds, and at both ends of time."""

    def past() -> datetime | None:
        return rng.choice((
            None, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC),
            datetime(1970, 1, 1, tzinfo=UTC) - timedelta(milliseconds=rng.randrange(5)),
        ))  # fmt: skip

    return {
        "created_on": past(), "sent_at": past(),
        "updated_on": datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=number % 3),
    }  # fmt: skip


KINDS: tuple[Change, ...] = (all_equal, all_null, one_heavy_value, colliding_prefixes, scripts, far_times)


def organization(kind: Change) -> UUID:
    return uuid.uuid5(uuid.NAMESPACE_URL, kind.__name__)


def of_kind(kind: Change, rng: random.Random) -> list[Conversation]:
    made = []
    for number in range(EACH):
        one = conversation(rng, organization(kind))
        status = rng.choice(LIVE_STATUSES)
        made.append(one.model_copy(update={"status": status, **kind(rng, number)}))
    return made


@pytest.fixture(scope="module")
def hard(request: pytest.FixtureRequest) -> Iterator[tuple[Api, dict[str, list[Conversation]]]]:
    """The service with windows so small that each page needs a rank descent, while another client writes."""
    import secrets

    settings = request.getfixturevalue("settings").but(alias=f"test_{secrets.token_hex(4)}")
    cluster = Cluster(settings, request.getfixturevalue("opensearch_url"))
    rng = random.Random(11)
    data = {kind.__name__: of_kind(kind, rng) for kind in KINDS}
    cluster.load([one for kind in data.values() for one in kind])
    stop, written = threading.Event(), [0]
    writer = threading.Thread(target=_write_drafts, args=(cluster, stop, written))
    writer.start()
    try:
        windows = Windows(dates=0, numbers=0, texts=0, scores=0, slice=3, sampling=Sampling(bits=1, least=9))
        for api in serving(settings, cluster.url, windows):
            yield api, data
    finally:
        stop.set()
        writer.join()
        cluster.drop()
    assert written[0] > 100, "the other client did not write"


def _write_drafts(cluster: Cluster, stop: threading.Event, written: list[int]) -> None:
    """Writes, rewrites and refreshes drafts in the same organizations: no query of these tests finds them."""

    async def write() -> None:
        client = connect(cluster.settings, cluster.url)
        rng = random.Random(5)
        try:
            while not stop.is_set():
                kind = rng.choice(KINDS)
                drafts = [conversation(rng, organization(kind)) for _ in range(20)]
                drafts = [one.model_copy(update={**kind(rng, 0), "status": "draft"}) for one in drafts]
                await index_writer.write(client, cluster.settings.alias, [index_writer.write_of(one) for one in drafts])
                await client.indices.refresh(index=cluster.settings.alias)
                written[0] += len(drafts)
        finally:
            await client.close()

    asyncio.run(write())


@pytest.mark.parametrize("kind", [kind.__name__ for kind in KINDS])
def test_any_page_of_any_order_is_that_part_of_a_full_sort(
    kind: str, hard: tuple[Api, dict[str, list[Conversation]]]
) -> None:
    api, data = hard
    live = ",".join(LIVE_STATUSES)
    uid = str(data[kind][0].organization_uid)
    token = api.token(UUID(uid))
    rng = random.Random(kind)
    for sort in SORTS:
        request = oracle.Request(uid, {"status": live}, sort=sort)
        everything = [oracle.item(one) for one in oracle.matching(request, data[kind], lambda _field, _text: ())]
        per_page = rng.choice((1, 7, 40))
        last = -(-EACH // per_page)
        for page in (1, last, last + 1, *(rng.randint(1, last) for _ in range(3))):
            parameters = {"status": live, "sort": sort, "page": page, "per_page": per_page}
            found = api.conversations(token, parameters)["data"]
            assert found["pagination"]["total"] == EACH
            assert found["items"] == everything[(page - 1) * per_page : page * per_page], parameters


@pytest.mark.parametrize("kind", [kind.__name__ for kind in KINDS])
def test_a_walk_by_cursor_visits_each_conversation_once_while_others_are_written(
    kind: str, hard: tuple[Api, dict[str, list[Conversation]]]
) -> None:
    api, data = hard
    live = ",".join(LIVE_STATUSES)
    uid = data[kind][0].organization_uid
    token = api.token(uid)
    for sort in SORTS:
        expected = oracle.matching(
            oracle.Request(str(uid), {"status": live}, sort=sort), data[kind], lambda _field, _text: ()
        )
        walked: list[str] = []
        cursor: str | None = "*"
        while cursor is not None:
            parameters = {"status": live, "sort": sort, "per_page": 100, "cursor": cursor}
            found = api.conversations(token, parameters)["data"]
            walked += [item["uid"] for item in found["items"]]
            assert found["pagination"]["total"] == EACH
            cursor = found["pagination"]["next_cursor"]
        assert walked == [str(one.uid) for one in expected], sort


def test_pages_are_right_after_the_distribution_of_the_data_changed(fresh: Cluster) -> None:
    """The remembered distribution is then out of date: this may cost time, but must not give a wrong page."""
    uid = organization(one_heavy_value)
    rng = random.Random(8)
    loaded: list[Conversation] = []
    fresh.load(loaded)
    for api in serving(fresh.settings, fresh.url, Windows(dates=0, numbers=0, texts=0, scores=0, slice=3)):
        token = api.token(uid)
        for moved in (timedelta(0), timedelta(days=4000), timedelta(milliseconds=1), timedelta(days=-4000)):
            more = [conversation(rng, uid) for _ in range(150)]
            more = [
                one.model_copy(update={"sent_at": parse_time(MOMENT + moved * rng.random()), "subject": str(moved)})
                for one in more
            ]
            fresh.load(more)
            loaded += more
            for sort in ("-sent_at", "sent_at", "subject", "-status"):
                everything = [
                    oracle.item(one)
                    for one in oracle.matching(oracle.Request(str(uid), sort=sort), loaded, lambda _field, _text: ())
                ]
                for page in (1, 2, 9, len(loaded) // 13, len(loaded) // 13 + 1):
                    found = api.conversations(token, {"sort": sort, "page": page, "per_page": 13})["data"]
                    assert found["pagination"]["total"] == len(loaded)
                    assert found["items"] == everything[(page - 1) * 13 : page * 13], (moved, sort, page)


def test_the_statuses_are_those_that_the_contract_names() -> None:
    assert {*LIVE_STATUSES, "draft"} == set(STATUSES)
    assert set(CHANNELS) == {"email", "sms"}
