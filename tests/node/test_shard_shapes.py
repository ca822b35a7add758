"""Shapes of an index: shards, and a routing partition that spreads each organization over several of them."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import httpx
import pytest

from service.api import readiness
from service.client import Client
from service.conversation import Conversation
from service.index import aliases
from service.index.compatibility import CompatibilityCheck
from service.search import exact_terms, facets
from service.search.paging.rank_descent import Windows
from service.search.searcher import Searcher
from service.settings import Settings
from service.stored_documents import document_id
from tests.corpus import conversation
from tests.node.clusters import Cluster, own_alias
from tests.node.reindexing import FIRST, SECOND, begun, command, current, exported, lines, of, stored
from tests.node.serving import Api, serving
from tests.node.traffic import Readers, Writers, threads

SPREAD = {"shards": 5, "replicas": 0, "routing_partition": 3}


def held(cluster: Cluster) -> dict[str, Any]:
    """The settings of the index that is read."""

    async def read(client: Client) -> Any:
        name = await aliases.current_index(client, cluster.settings.alias)
        return (await client.indices.get(index=name))[name]

    index: dict[str, Any] = cluster.act(read)
    return {**index["settings"]["index"], "_routing": index["mappings"].get("_routing")}


def test_a_routing_partition_is_chosen_shown_kept_and_given_up(fresh: Cluster) -> None:
    refused = command(fresh, "create", "--shards", "3", "--routing-partition", "3")
    assert refused.returncode == 2
    assert "a routing partition of 3 needs more shards than that, and this index would have 3" in refused.stderr
    made = command(fresh, "create", "--shards", "5", "--routing-partition", "3")
    assert (made.returncode, json.loads(made.stdout)["created"]) == (0, True), made.stderr
    shape = held(fresh)
    assert (shape["number_of_shards"], shape["routing_partition_size"], shape["number_of_routing_shards"]) == (
        "5", "3", "5",
    )  # fmt: skip
    assert shape["_routing"] == {"required": True}
    for arguments in (("reindex", "--shards", "3", "--dry-run"), ("reindex", "--shards", "3")):
        refused = command(fresh, *arguments)
        assert (refused.returncode, "needs more shards than that" in refused.stderr) == (2, True), refused.stderr
    done = command(fresh, "reindex", "--shards", "6")
    assert done.returncode == 0, done.stderr  # also: the refused one left no lock
    shape = held(fresh)
    assert (shape["number_of_shards"], shape["routing_partition_size"], shape["number_of_routing_shards"]) == (
        "6", "3", "6",
    )  # fmt: skip
    status = json.loads(command(fresh, "status", "-o", "json").stdout)
    assert [(one["shards"], one["routing_partition"]) for one in status["indices"]] == [(5, 3), (6, 3)]
    assert status["problem"] is None
    planned = json.loads(command(fresh, "reindex", "--dry-run", "--shards", "1", "--routing-partition", "1").stdout)
    assert (planned["shards"], planned["routing_partition"]) == (1, 1)
    assert command(fresh, "reindex", "--shards", "1", "--routing-partition", "1").returncode == 0
    assert "routing_partition_size" not in held(fresh)
    assert held(fresh)["_routing"] is None


def test_a_service_is_ready_with_a_routing_partition_and_while_a_reindex_makes_one(
    fresh: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such an index requires a routing in every request with an id, also in the write that checks the index."""
    monkeypatch.setattr(readiness, "REMEMBERED_SECONDS", 0.0)
    fresh.load(of(FIRST, 20))
    for api in serving(fresh.settings, fresh.url):
        copying = begun(
            fresh, "reindex", "--shards", "5", "--routing-partition", "3", "--throttle", "1", until="reindex: backfill"
        )
        assert api.get("/health/ready").json() == {"status": "ready"}
        copying.kill()
        copying.wait()
        done = command(fresh, "reindex", "--abandon")
        assert done.returncode == 0, done.stderr
        done = command(fresh, "reindex", "--shards", "5", "--routing-partition", "3")
        assert done.returncode == 0, done.stderr
        assert held(fresh)["routing_partition_size"] == "3"
        assert api.get("/health/ready").json() == {"status": "ready"}
    told = command(fresh, "doctor", "--json")
    writes = next(one for one in map(json.loads, told.stdout.splitlines()) if one["check"] == "writes")
    assert writes["verdict"] == "ok", writes


@pytest.fixture
def many(settings: Settings, opensearch_url: str) -> Iterator[tuple[Api, list[Conversation]]]:
    """An organization on three shards with more senders and categories than a shard sends at once."""
    rng = random.Random(5)
    conversations = []
    for number in range(600):
        named = [f"of {int(rng.paretovariate(0.4)) % 300}" for _ in range(3)]
        one = conversation(rng, FIRST)
        sender = f"ada.{int(rng.paretovariate(0.5)) % 200}@example.com"
        who = one.metadata.model_copy(update={"from_email": sender, "from_name": f"Ada {number}"})
        conversations.append(one.model_copy(update={"categories": list(dict.fromkeys(named)), "metadata": who}))
    with own_alias(settings.but(**SPREAD), opensearch_url) as cluster:
        cluster.load(conversations)
        for api in serving(cluster.settings, cluster.url):
            yield api, conversations


def test_values_are_counted_exactly_where_shards_do_not_send_them_all(
    many: tuple[Api, list[Conversation]], monkeypatch: pytest.MonkeyPatch
) -> None:
    api, conversations = many
    counts = Counter(name for one in conversations for name in one.categories)
    best = sorted(counts, key=lambda name: (-counts[name], name))
    asked: list[int] = []
    ask_pinned = Searcher.ask_pinned

    async def counted(self: Any, body: Any, organization: Any) -> Any:
        asked.append(1)
        return await ask_pinned(self, body, organization)

    monkeypatch.setattr(Searcher, "ask_pinned", counted)
    monkeypatch.setattr(facets, "MOST_VALUES", 12)  # of which a shard sends 28
    for sent, least in ((exact_terms.SENT_AGAIN, 2), (60, 10)):  # all at once, and in parts
        asked.clear()
        monkeypatch.setattr(exact_terms, "SENT_AGAIN", sent)
        data = api.conversations(api.token(FIRST), {"facets": "category", "per_page": 1})["data"]
        facet = data["facets"]["category"]
        assert [(one["value"], one["count"]) for one in facet["values"]] == [(name, counts[name]) for name in best[:12]]
        assert facet["other"] == sum(counts[name] for name in best[12:])
        assert facet["none"] == sum(1 for one in conversations if not one.categories)
        assert len(asked) >= least, "the test proves nothing if the first answer was exact"
    senders = Counter(one.metadata.from_email for one in conversations)
    best_senders = sorted(senders, key=lambda name: (-senders[name], str(name)))[:5]
    monkeypatch.setattr(exact_terms, "SENT", 5)
    asked.clear()
    answer = api.get("/api/conversations/suggest", api.token(FIRST), params={"q": "ada"}).json()["data"]
    assert [(one["from_email"], one["count"]) for one in answer["senders"]] == [
        (name, senders[name]) for name in best_senders
    ]
    assert asked


def test_a_reindex_to_more_shards_and_to_a_partition_is_not_noticed(fresh: Cluster) -> None:
    rng = random.Random(98)
    still = [conversation(rng, FIRST).model_copy(update={"categories": ["still"]}) for _ in range(80)]
    fresh.load([*still, *of(SECOND, 200)])
    writers = Writers(fresh)
    for api in serving(fresh.settings, fresh.url):
        readers = Readers(api, api.token(FIRST), frozenset(str(one.uid) for one in still))
        with threads((writers.run, 1), *((readers.run, n) for n in range(2))):
            try:
                for options in (("--shards", "6"), ("--routing-partition", "3")):
                    before, answers = writers.writes, readers.answers
                    done = command(fresh, "reindex", *options)
                    assert done.returncode == 0, done.stderr
                    assert writers.writes > before
                    assert readers.answers > answers
            finally:
                writers.stop.set()
                readers.stop.set()
    assert writers.errors == []
    assert readers.faults == []
    expected = {document_id(one.organization_uid, one.uid): one.version for one in [*still, *of(SECOND, 200)]}
    expected |= {name: live.version for name, live in writers.expected_versions.items() if live is not None}
    shapes_now = json.loads(command(fresh, "status", "-o", "json").stdout)["indices"]
    assert [(one["shards"], one["routing_partition"]) for one in shapes_now] == [(1, 1), (6, 1), (6, 3)]
    assert {one["differing_ranges"] for one in shapes_now[-2:]} == {None, 0}
    for index in shapes_now[-2:]:  # those before get no writes any more
        assert stored(fresh, index["name"]) == expected
    assert current(fresh) == shapes_now[-1]["name"]


def test_on_several_shards_documents_are_found_by_their_ids_and_repaired(
    settings: Settings, opensearch_url: str, tmp_path: Path
) -> None:
    mine = of(FIRST, 60)
    file = lines(tmp_path / "all.ndjson", mine)
    with own_alias(settings.but(**SPREAD), opensearch_url) as cluster:
        cluster.load(mine[7:])
        for api in serving(cluster.settings, cluster.url):
            token = api.token(FIRST, scopes=("conversations:read", "conversations:write"))
            headers = {"Authorization": f"Bearer {token}"}
            for one in mine[7:16]:
                found = api.get(f"/api/conversations/{one.uid}", token)
                assert (found.status_code, found.json()["data"]["uid"]) == (200, str(one.uid))
            gone = api.http.delete(f"{api.address}/api/conversations/{mine[7].uid}", headers=headers)
            assert gone.is_success, gone.text
            assert api.get(f"/api/conversations/{mine[7].uid}", token).status_code == 404
        told = json.loads(command(cluster, "verify", str(file)).stdout)
        assert (told["missing"], told["newer"]) == (7, 1)
        assert command(cluster, "verify", str(file), "--repair").returncode == 0
        kept = {document_id(one.organization_uid, one.uid) for one in mine} - {document_id(FIRST, mine[7].uid)}
        assert set(stored(cluster, current(cluster))) == kept
        again = exported(cluster, tmp_path / "again.ndjson", FIRST)
        assert command(cluster, "verify", str(again)).returncode == 0


def test_two_indices_with_as_many_shards_as_one_had_are_never_counted_together(
    fresh: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service checks its index only now and then: here, not again during the test."""
    monkeypatch.setitem(cast("dict[str, Any]", CompatibilityCheck.__init__.__kwdefaults__), "fresh", 600.0)
    assert command(fresh, "create", "--shards", "3", "--routing-partition", "2").returncode == 0
    fresh.load(of(FIRST, 60))
    paths = ("", "/count", "/export", "?facets=category", "?page=25&per_page=2&sort=subject")
    deep = Windows(dates=0, numbers=0, texts=0, scores=0, slice=3)
    for api in serving(fresh.settings, fresh.url, deep):
        token = api.token(FIRST, scopes=("conversations:read", "conversations:export"))

        def statuses(api: Api = api, token: str = token) -> list[int]:
            return [api.get(f"/api/conversations{path}", token).status_code for path in paths]

        assert statuses() == [200] * len(paths)
        for _ in range(2):
            before = current(fresh)
            assert command(fresh, "reindex", "--shards", "1", "--routing-partition", "1").returncode == 0
        assert statuses() == [200] * len(paths)
        added = f"{fresh.url}/{before}/_alias/{fresh.settings.alias}"
        httpx.put(added, timeout=60).raise_for_status()
        assert statuses() == [503] * len(paths)
        httpx.delete(added, timeout=60).raise_for_status()
        assert statuses() == [200] * len(paths)
