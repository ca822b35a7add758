"""The check that indices accept writes: its request and its errors. tests/node/test_ready.py uses a real node."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from service.client import Client
from service.errors import SearchUnavailable
from service.index.write_check import check_writable

NAME = "c-1"


class Cluster:
    """Stands in for the client of a cluster with one index. With a `partition`, the index requires a routing."""

    def __init__(self, *, partition: bool = False, has_open_writer: bool = True) -> None:
        self._partition = partition
        self._segments = {"count": 1} if has_open_writer else None
        self.cluster = SimpleNamespace(health=self._health, state=self._state)
        self.indices = SimpleNamespace(stats=self._stats)

    async def bulk(self, *, body: bytes, params: dict[str, Any]) -> Any:
        assert params["require_alias"] == "true"
        action = msgspec.json.decode(body.splitlines()[0])["index"]
        status, kind = 409, "version_conflict_engine_exception"
        if self._partition and "routing" not in action:
            status, kind = 400, "routing_missing_exception"
        entry = {"_id": action["_id"], "_index": NAME, "status": status, "error": {"type": kind}}
        return {"items": [{"index": entry}]}

    async def _health(self, **_options: Any) -> Any:
        return {"indices": {NAME: {"status": "green", "number_of_shards": 1}}}

    async def _state(self, **_options: Any) -> Any:
        return {"blocks": {}}

    async def _stats(self, **_options: Any) -> Any:
        copy = {"routing": {"primary": True, "state": "STARTED"}, "segments": self._segments}
        return {"indices": {NAME: {"shards": {"0": [copy]}}}}


def check(cluster: Cluster) -> None:
    asyncio.run(check_writable(cast(Client, cluster), [NAME], seconds=1))


def test_an_index_with_a_routing_partition_takes_writes() -> None:
    check(Cluster(partition=True))


def test_the_error_has_opensearchs_own_type(monkeypatch: pytest.MonkeyPatch) -> None:
    async def refused(_self: Cluster, **_options: Any) -> Any:
        entry = {"_id": "x", "_index": NAME, "status": 400, "error": {"type": "routing_missing_exception"}}
        return {"items": [{"index": entry}]}

    monkeypatch.setattr(Cluster, "bulk", refused)
    with pytest.raises(SearchUnavailable, match=r"accepts no writes \(400, routing_missing_exception\)"):
        check(Cluster())


def test_a_primary_without_an_open_writer_may_only_be_moving() -> None:
    with pytest.raises(SearchUnavailable) as found:
        check(Cluster(has_open_writer=False))
    assert str(found.value) == (
        "a primary shard of the index that is written has no open writer: it may be moving to another node; if this "
        "lasts, check OpenSearch's log, and restart the node that holds this shard"
    )
