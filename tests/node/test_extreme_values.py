"""The least and the greatest value of each sort key. Conversations without a value come last in every order.

OpenSearch sorts a missing number as the greatest number of its type in the index. No value may be equal to that number.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from service.conversation import Conversation
from service.query.fields import FIELDS, LARGEST_NUMBER, Kind
from service.search.paging import near_pages
from service.search.paging.rank_descent import Windows
from service.settings import Settings
from tests import oracle
from tests.corpus import ORGANIZATIONS
from tests.field_values import placed
from tests.node.clusters import own_alias
from tests.node.serving import Api, serving

FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)
TIMES = [FIRST, datetime(1970, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC), LAST]
KINDS: dict[Kind, list[Any]] = {
    "time": TIMES, "text": ["", "a", "\U0010ffff" * 2_000], "boolean": [False, True],
    "number": [0, 1, LARGEST_NUMBER - 1, LARGEST_NUMBER],
}  # fmt: skip
EXTREMES = {row.name: list(row.choices) or KINDS[row.kind] for row in FIELDS if row.order is not None}
EXTREMES["updated_on"] = TIMES[1:]  # it is the version, which cannot be negative
KEYS = [sign + name for name in EXTREMES for sign in ("", "-")]
LISTS = ["is_read,message_count", "message_count,-subject", "-status,-message_count,sent_at"]


def extremes() -> list[Conversation]:
    """Two conversations for each value and for none. Their uids are mixed: a tie-break alone gives a wrong order."""
    changes = [
        {} if value is None else placed({name: value})
        for turn in range(2)
        for name, values in EXTREMES.items()
        for value in (*(values if turn % 2 else values[::-1]), None)
    ]
    return [
        Conversation.model_validate(
            {"uid": UUID(int=number), "organization_uid": ORGANIZATIONS[0], "updated_on": TIMES[2], **change}
        )
        for number, change in enumerate(changes)
    ]


@pytest.fixture(scope="module")
def apis(settings: Settings, opensearch_url: str) -> Iterator[dict[str, Api]]:
    """The service with plain pages, and one whose pages are all found by rank descent."""
    with own_alias(settings, opensearch_url) as own:
        own.load(extremes())
        for plain in serving(own.settings, own.url):
            for deep in serving(own.settings, own.url, Windows(dates=0, numbers=0, texts=0, scores=0, slice=1)):
                yield {"plain": plain, "deep": deep}


@pytest.mark.parametrize("sort", [*KEYS, *LISTS])
def test_conversations_without_a_value_come_last_in_pages_walks_and_deep_pages(
    sort: str, apis: dict[str, Api], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_pages, "WORTH_IT", 1)
    expected = [str(one.uid) for one in oracle.ordered(extremes(), sort)]
    for api in apis.values():
        for size in (100, 9):
            assert pages(api, sort, size) == expected
            assert pages(api, sort, size) == expected, "with a filled cache"
    assert walked(apis["plain"], sort) == expected


def pages(api: Api, sort: str, size: int) -> list[str]:
    token = api.token(ORGANIZATIONS[0])
    count = -(-len(extremes()) // size)
    return [
        item["uid"]
        for page in range(1, count + 1)
        for item in api.conversations(token, {"sort": sort, "per_page": size, "page": page})["data"]["items"]
    ]


def walked(api: Api, sort: str) -> list[str]:
    token, found, cursor = api.token(ORGANIZATIONS[0]), [], "*"
    while cursor is not None:
        data = api.conversations(token, {"sort": sort, "per_page": 5, "cursor": cursor})["data"]
        found += [item["uid"] for item in data["items"]]
        cursor = data["pagination"]["next_cursor"]
    return found
