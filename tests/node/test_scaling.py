"""scripts/simulate computes the shard of a document as OpenSearch does."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.node.clusters import unique_alias
from tests.scaling.routing import Shape
from tests.scaling.simulation import organizations

ROUTINGS = [*organizations(60, seed=5), "ä", "𝄞 clef", "a", "日本語"]
SHAPES = [Shape(1), Shape(3), Shape(5), Shape(6), Shape(16), Shape(5, 3), Shape(7, 2), Shape(12, 8)]


@pytest.fixture(params=SHAPES, ids=str)
def shaped(request: pytest.FixtureRequest, opensearch_url: str) -> Iterator[tuple[Shape, str]]:
    """An index of this shape, as the service makes it."""
    shape: Shape = request.param
    index = f"{opensearch_url}/{unique_alias()}"
    partition = {"routing_partition_size": shape.partition, "number_of_routing_shards": shape.shards}
    settings = {"number_of_shards": shape.shards, "number_of_replicas": 0, **(partition if shape.partition > 1 else {})}
    with httpx.Client(timeout=60) as http:
        routed = {"_routing": {"required": True}}
        http.put(index, json={"settings": settings, "mappings": routed}).raise_for_status()
        yield shape, index
        http.delete(index).raise_for_status()


def test_documents_are_where_the_hash_says(shaped: tuple[Shape, str]) -> None:
    shape, index = shaped
    places = {f"{routing}:{number}": routing for routing in ROUTINGS for number in range(4)}
    lines = "".join(
        f"{json.dumps({'index': {'_id': document, 'routing': routing}})}\n{{}}\n"
        for document, routing in places.items()
    )
    with httpx.Client(timeout=60) as http:
        headers = {"Content-Type": "application/x-ndjson"}
        done = http.post(f"{index}/_bulk?refresh=true", content=lines.encode(), headers=headers).json()
        assert not done["errors"]
        hits = http.get(f"{index}/_search", params={"size": 1000, "explain": True}).json()["hits"]["hits"]
    found = {hit["_id"]: int(re.findall(r"\]\[(\d+)\]", hit["_shard"])[0]) for hit in hits}
    assert found == {document: shape.shard(routing, document) for document, routing in places.items()}


def test_a_search_of_an_organization_asks_the_shards_that_the_hash_says(shaped: tuple[Shape, str]) -> None:
    shape, index = shaped
    with httpx.Client(timeout=60) as http:
        for routing in ROUTINGS[-15:]:
            answer = http.get(f"{index}/_search_shards", params={"routing": routing}).json()
            assert sorted(copies[0]["shard"] for copies in answer["shards"]) == shape.shards_of(routing)
