"""An answer from several shards is only given if all of them are of the one index behind the alias."""

from __future__ import annotations

import asyncio
from typing import Any, cast
from uuid import UUID

import pytest

from service.client import Client
from service.client.responses import SearchAnswer
from service.client.responses.search import Copy
from service.errors import SearchUnavailable
from service.search.shard_check import ShardCheck

ORGANIZATION = UUID(int=1)


class Cluster:
    """Reports the indices whose shards a search of the alias would ask."""

    def __init__(self, *shards: str) -> None:
        self.shards = shards
        self.asked = 0

    async def search_shards(self, **_options: Any) -> SearchAnswer:
        self.asked += 1
        return SearchAnswer(copies=[[Copy(index)] for index in self.shards])


def check(shard_check: ShardCheck, *answered: int) -> None:
    async def run() -> None:
        for number in answered:
            await shard_check.check(number, ORGANIZATION)

    asyncio.run(run())


def check_of(*shards: str) -> tuple[Cluster, ShardCheck]:
    cluster = Cluster(*shards)
    return cluster, ShardCheck(cast("Client", cluster), "conversations")


def test_an_answer_of_one_shard_needs_no_check() -> None:
    cluster, shard_check = check_of("a", "b")
    check(shard_check, 1)
    assert cluster.asked == 0


@pytest.mark.parametrize("between", [(), ("b",)])
def test_two_indices_are_refused_though_one_index_had_as_many_shards(between: tuple[str, ...]) -> None:
    cluster, shard_check = check_of("a", "a")
    check(shard_check, 2)
    if between:
        cluster.shards = between
        check(shard_check, 1)
    cluster.shards = ("b", "c")
    with pytest.raises(SearchUnavailable, match="2 shards answered where an organization is in one shard"):
        check(shard_check, 2)


def test_an_answer_of_the_previous_index_is_accepted_while_the_alias_moves() -> None:
    cluster, shard_check = check_of("a", "a")
    check(shard_check, 2)
    cluster.shards = ("b", "b", "b")
    check(shard_check, 2, 3, 2)
    cluster.shards = ("b", "b", "b", "c")
    for answered in (2, 3, 4):
        with pytest.raises(SearchUnavailable, match="several indices"):
            check(shard_check, answered)


def test_another_number_of_shards_than_the_index_has_is_refused() -> None:
    cluster, shard_check = check_of("a", "a")
    check(shard_check, 2)
    cluster.shards = ("b",)
    check(shard_check, 2)
    with pytest.raises(SearchUnavailable, match="3 shards answered where an organization is in one shard"):
        check(shard_check, 3)
