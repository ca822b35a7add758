"""Readiness: at any size, only while the index takes writes, and for the index that the alias points to now."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from service.api import readiness
from service.client import Client
from service.errors import NOT_WRITTEN
from service.index import compatibility
from tests.corpus import ORGANIZATIONS
from tests.node.asking import error
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving


@pytest.fixture
def own(fresh: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    monkeypatch.setattr(readiness, "REMEMBERED_SECONDS", 0.0)
    fresh.load([])
    yield from serving(fresh.settings, fresh.url)


def test_ready_above_ten_thousand_documents(own: Api, fresh: Cluster) -> None:
    """From 10,000 on, OpenSearch's total is only a lower bound unless the search asks for an exact one."""
    action = json.dumps({"index": {"_index": fresh.settings.alias}})
    body = "".join(f'{action}\n{{"order":{{"uid_1":{number}}}}}\n' for number in range(10_050))
    fresh.act(lambda client: client.bulk(body=body, params={"refresh": "true"}))
    assert own.get("/health/ready").status_code == 200


@pytest.mark.parametrize("block", ["write", "read_only_allow_delete"])
def test_not_ready_while_writes_are_blocked(own: Api, fresh: Cluster, block: str) -> None:
    def put(value: bool | None) -> None:
        body = {f"index.blocks.{block}": value}
        fresh.act(lambda client: client.indices.put_settings(index=fresh.settings.alias, body=body))

    assert own.get("/health/ready").status_code == 200
    put(True)
    assert "blocks writes" in error(own.get("/health/ready"), 503, "search_unavailable")["message"]
    put(None)
    assert own.get("/health/ready").status_code == 200


def test_a_closed_index_is_503_on_every_route(own: Api, fresh: Cluster) -> None:
    fresh.act(lambda client: client.indices.close(index=f"{fresh.settings.alias}-*"))
    assert "closed" in error(own.get("/health/ready"), 503, "search_unavailable")["message"]
    token = own.token(ORGANIZATIONS[0])
    for path in ("", "/count", "/export", f"/{ORGANIZATIONS[0]}", "/suggest?q=a"):
        error(own.get(f"/api/conversations{path}", token), 503, "search_unavailable")
    fresh.act(lambda client: client.indices.open(index=f"{fresh.settings.alias}-*"))


def test_the_index_is_checked_again_after_the_alias_moved(
    own: Api, fresh: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Readiness notices at once; the routes notice when their last check is no longer fresh."""
    alias = fresh.settings.alias
    token = own.token(ORGANIZATIONS[0])
    assert own.conversations(token)["data"]["pagination"]["total"] == 0
    monkeypatch.setattr(compatibility, "FRESH_SECONDS", 0.0)

    async def move(client: Client) -> None:
        await client.indices.create(index=f"{alias}-strange", body={"settings": {"number_of_replicas": 0}})
        actions: list[dict[str, Any]] = [
            {"remove": {"index": f"{alias}-2*", "alias": alias}}, {"add": {"index": f"{alias}-strange", "alias": alias}}
        ]  # fmt: skip
        await client.indices.update_aliases(body={"actions": actions})

    fresh.act(move)
    assert "was made from the mapping" in error(own.get("/health/ready"), 503, "search_unavailable")["message"]
    error(own.get("/api/conversations", token), 503, "search_unavailable")


def test_an_alias_on_two_indices_is_503(own: Api, fresh: Cluster) -> None:
    alias = fresh.settings.alias
    token = own.token(ORGANIZATIONS[0])

    async def add(client: Client) -> None:
        await client.indices.create(index=f"{alias}-strange", body={"settings": {"number_of_replicas": 0}})
        await client.indices.put_alias(index=f"{alias}-strange", name=alias)

    assert own.conversations(token)["data"]["pagination"]["total"] == 0
    fresh.act(add)
    for path in ("", "/export", "/count"):
        error(own.get(f"/api/conversations{path}", token), 503, "search_unavailable")
    assert "several indices" in error(own.get("/health/ready"), 503, "search_unavailable")["message"]


def test_a_foreign_index_among_the_write_targets_is_named(own: Api, fresh: Cluster) -> None:
    alias = fresh.settings.alias
    stranger = f"{alias}-stranger"
    fresh.act(lambda client: client.indices.create(index=stranger, body={"aliases": {f"{alias}_writes": {}}}))
    token = own.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))
    try:
        message = error(own.get("/health/ready"), 503, "search_unavailable")["message"]
        assert f"{stranger} was removed, or this service" in message
        deleted = own.http.delete(
            f"{own.address}/api/conversations/{ORGANIZATIONS[0]}",
            params={"deleted_on": "2024-01-01T00:00:00Z"},
            headers={"Authorization": f"Bearer {token}"},
        )
        assert error(deleted, 503, "search_unavailable")["message"] == NOT_WRITTEN  # it names no index
        assert fresh.act(lambda client: client.count(index=stranger))["count"] == 0
    finally:
        fresh.act(lambda client: client.indices.delete(index=stranger))
