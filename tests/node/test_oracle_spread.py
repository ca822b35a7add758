"""The tests of pages, cursors, exports, counts and facets once more, on three nodes.

Each organization is spread over three of five shards, and each shard has a replica.
"""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from service.conversation import Conversation
from service.node import LocalCluster
from service.search.paging.rank_descent import Windows
from service.settings import Settings
from tests import oracle
from tests.corpus import ORGANIZATIONS
from tests.node.analysis import tokens_of
from tests.node.clusters import Cluster, own_alias
from tests.node.serving import Api, serving
from tests.node.test_export import (  # noqa: F401 (these are run here with the fixtures of this module)
    test_an_export_is_complete_and_in_order_and_its_last_line_says_so,
)
from tests.node.test_facets import (  # noqa: F401
    compare_counts,
    test_created_on_is_counted_in_a_time_zone,
)
from tests.node.test_links_and_cursors import (  # noqa: F401
    test_a_walk_ends_with_its_last_full_page,
    test_following_the_links_visits_every_page_both_ways,
    test_only_the_cursor_of_the_same_walk_is_accepted,
)
from tests.node.test_oracle import (  # noqa: F401
    BATCHES,
    compare,
    test_a_page_past_the_end_is_empty_with_the_true_total,
    test_an_item_has_the_fields_of_the_contract_in_their_order,
    test_an_organization_that_does_not_exist_is_refused_in_the_same_words,
    test_no_caller_ever_sees_another_organizations_conversation,
    test_points_in_time_are_closed,
    test_walking_all_pages_visits_every_conversation_once_and_in_order,
    test_walking_by_cursor_visits_every_conversation_once_and_in_order,
)

SHARDS, PARTITION = 5, 3
REQUESTS_PER_BATCH = 30  # and as many batches as on one shard, with other seeds
COUNTS_PER_BATCH = 5
DEEP = Windows(dates=0, numbers=0, texts=0, scores=0, slice=3)


@pytest.fixture(scope="session")
def cluster(settings: Settings, _one_cluster: LocalCluster, conversations: list[Conversation]) -> Iterator[Cluster]:
    shape = settings.but(shards=SHARDS, replicas=1, routing_partition=PARTITION)
    with own_alias(shape, _one_cluster.urls[1]) as cluster:
        tally = cluster.load(conversations)
        assert tally.written + tally.unchanged == len(conversations)  # unchanged: sent again on a busy machine
        _one_cluster.await_green()
        yield cluster


@pytest.fixture(scope="session")
def tokens(cluster: Cluster, conversations: list[Conversation]) -> Iterator[oracle.Tokens]:
    yield from tokens_of(cluster, {one.subject for one in conversations if one.subject is not None})


@pytest.fixture(scope="session")
def api(cluster: Cluster) -> Iterator[Api]:
    yield from serving(cluster.settings, cluster.url)


@pytest.fixture(scope="session")
def deep_api(cluster: Cluster) -> Iterator[Api]:
    yield from serving(cluster.settings, cluster.url, DEEP)


@pytest.mark.parametrize("seed", range(BATCHES, 2 * BATCHES))
def test_random_requests_are_answered_as_brute_force_does(
    seed: int, api: Api, deep_api: Api, conversations: list[Conversation], tokens: oracle.Tokens
) -> None:
    compare(seed, REQUESTS_PER_BATCH, api, deep_api, conversations, tokens)
    compare_counts(seed, COUNTS_PER_BATCH, api, conversations, tokens)


def test_each_organization_is_spread_over_as_many_shards_as_the_partition_says(cluster: Cluster) -> None:
    """With OpenSearch's default number of routing shards, it would be in one shard, whatever the partition is."""
    search = f"{cluster.url}/{cluster.settings.alias}/_search"
    for organization in ORGANIZATIONS[:2]:
        query = {"term": {"organization_uid": str(organization)}}
        counts = [
            httpx.post(
                search, params={"preference": f"_shards:{shard}"}, json={"query": query, "size": 0}, timeout=60
            ).json()["hits"]["total"]["value"]
            for shard in range(SHARDS)
        ]  # fmt: skip
        assert sum(1 for count in counts if count) == PARTITION, counts
        assert min(count for count in counts if count) > sum(counts) / PARTITION / 2
