"""The index: versions, tombstones, changed mappings and the alias. Acknowledged writes survive a killed node."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.client import Client, connect
from service.conversation import Conversation
from service.errors import IndexUnusable, WriteFailed
from service.index import aliases, loader, mapping, writer
from service.index.writer import Write
from service.node import Distribution, LocalNode
from service.operations.status import status as status_of
from service.reindex import first_index
from service.settings import Settings
from service.stored_documents import document_id, tombstone
from service.times import epoch_milliseconds
from tests.corpus import corpus
from tests.node.clusters import Cluster
from tests.processes import WAIT_SECONDS


def later(conversation: Conversation, **changes: Any) -> Conversation:
    return conversation.model_copy(update={"updated_on": conversation.updated_on + timedelta(days=1), **changes})


def subjects(cluster: Cluster) -> dict[str, str | None]:
    async def read(client: Client) -> dict[str, str | None]:
        answer = await client.search(index=cluster.settings.alias, body={"size": 10_000})
        return {
            hit["_source"]["uid"]: hit["_source"]["subject"]
            for hit in answer["hits"]["hits"]
            if "uid" in hit["_source"]
        }

    found: dict[str, str | None] = cluster.act(read)
    return found


def test_loading_twice_changes_nothing_and_an_older_copy_never_wins(fresh: Cluster) -> None:
    old = corpus()[:50]
    new = [later(one, subject="new") for one in old]
    assert fresh.load(old) == loader.Tally(written=50)
    assert fresh.load(old) == loader.Tally(unchanged=50)
    assert fresh.load(new) == loader.Tally(written=50)
    assert fresh.load(old) == loader.Tally(unchanged=50)
    assert set(subjects(fresh).values()) == {"new"}


def test_a_tombstone_wins_over_an_older_copy_and_is_no_conversation(fresh: Cluster) -> None:
    one = corpus()[0]
    fresh.load([one])
    deleted_on = one.updated_on + timedelta(days=1)

    def write(client: Client) -> Any:
        return writer.write(client, fresh.settings.alias, [
            Write(document_id(one.organization_uid, one.uid), str(one.organization_uid), epoch_milliseconds(deleted_on),
                  tombstone(one.organization_uid, one.uid, deleted_on))
        ])  # fmt: skip

    assert [result.outcome for result in fresh.act(write)] == ["written"]
    assert fresh.load([one]) == loader.Tally(unchanged=1)
    assert subjects(fresh) == {}
    status = fresh.act(lambda client: status_of(client, fresh.settings.alias, mapping.load()))
    assert (status.conversations, status.tombstones) == (0, 1)


def test_one_organization_cannot_overwrite_anothers_conversation(fresh: Cluster) -> None:
    mine, *_rest, theirs = corpus()
    stolen = later(mine, organization_uid=theirs.organization_uid, subject="stolen")
    fresh.load([mine, stolen])
    status = fresh.act(lambda client: status_of(client, fresh.settings.alias, mapping.load()))
    assert status.conversations == 2


def test_a_document_that_opensearch_refuses_is_reported_and_the_rest_is_written(fresh: Cluster) -> None:
    one, other = corpus()[:2]
    fresh.load([])

    def write(client: Client) -> Any:
        broken = Write("x", "x", 1, b'{"no_such_field":1}')
        return writer.write(client, fresh.settings.alias, [writer.write_of(one), broken, writer.write_of(other)])

    results = fresh.act(write)
    assert [result.outcome for result in results] == ["written", "rejected", "written"]
    assert "strict" in results[1].reason


def test_nothing_is_written_where_the_alias_is_missing(fresh: Cluster) -> None:
    with pytest.raises((WriteFailed, IndexUnusable), match="create"):
        fresh.act(lambda client: writer.write(client, fresh.settings.alias, [writer.write_of(corpus()[0])]))


def test_a_write_block_is_reported_without_waiting(fresh: Cluster) -> None:
    fresh.load([])

    async def act(client: Client) -> None:
        await client.indices.put_settings(index=fresh.settings.alias, body={"index.blocks.write": True})
        await writer.write(client, fresh.settings.alias, [writer.write_of(corpus()[0])])

    with pytest.raises(WriteFailed, match="blocks writes"):
        fresh.act(act)


def test_the_index_is_made_once_and_named_by_time_and_mapping(fresh: Cluster) -> None:
    expected = mapping.load()

    def ensure(client: Client) -> Any:
        return first_index.ensure(client, fresh.settings.alias, expected)

    name, made = fresh.act(ensure)
    assert made
    assert fresh.act(ensure) == (name, False)
    assert name.startswith(fresh.settings.alias)
    assert name.endswith(expected.checksum)
    earlier = aliases.index_name("conversations", expected, datetime(2024, 1, 2, 3, 4, 5, 6000, tzinfo=UTC))
    assert earlier == f"conversations-20240102t030405006-{expected.checksum}"


def test_a_mapping_that_differs_is_reported(fresh: Cluster) -> None:
    expected = mapping.load()
    fresh.load([])

    async def other_version(client: Client) -> None:
        newer = mapping.Mapping(expected.settings, expected.mappings, "00000000")
        await aliases.check(client, fresh.settings.alias, newer)

    with pytest.raises(IndexUnusable, match="needs 00000000"):
        fresh.act(other_version)

    async def changed_in_the_cluster(client: Client) -> None:
        await client.indices.put_mapping(
            index=fresh.settings.alias, body={"properties": {"extra": {"type": "keyword"}}}
        )
        await aliases.check(client, fresh.settings.alias, expected)

    with pytest.raises(IndexUnusable, match=r"changed in the cluster \(extra\)"):
        fresh.act(changed_in_the_cluster)
    status = fresh.act(lambda client: status_of(client, fresh.settings.alias, expected))
    assert "extra" in status.problem


def test_an_index_with_the_name_of_the_alias_is_reported(fresh: Cluster) -> None:
    alias = fresh.settings.alias

    async def act(client: Client) -> None:
        await client.indices.create(index=alias)
        try:
            await first_index.ensure(client, alias, mapping.load())
        finally:
            await client.indices.delete(index=alias)

    with pytest.raises(IndexUnusable, match="is an index, not an alias"):
        fresh.act(act)


def test_a_node_killed_in_a_load_loses_nothing_that_was_acknowledged(
    settings: Settings, distribution: Distribution, tmp_path: Path
) -> None:
    """The node is killed with SIGKILL during a load and started again; then the load is repeated."""
    conversations = corpus()
    node = LocalNode(tmp_path, distribution)
    acknowledged: list[Conversation] = []

    async def load(client: Client, half: asyncio.Event) -> None:
        await first_index.ensure(client, settings.alias, mapping.load())
        for start in range(0, len(conversations), 50):
            batch = conversations[start : start + 50]
            results = await writer.write(client, settings.alias, [writer.write_of(one) for one in batch])
            acknowledged.extend(one for one, result in zip(batch, results, strict=True) if result.outcome != "rejected")
            if len(acknowledged) >= 1000:
                half.set()

    async def load_and_kill(url: str) -> None:
        client = connect(settings, url)
        try:
            half = asyncio.Event()
            loading = asyncio.create_task(load(client, half))
            await half.wait()
            await asyncio.to_thread(node.kill)
            loading.cancel()
            await asyncio.wait([loading])
            with pytest.raises(WriteFailed):
                await writer.write(client, settings.alias, [writer.write_of(conversations[-1])], patience=1)
        finally:
            await client.close()

    with node:
        asyncio.run(asyncio.wait_for(load_and_kill(node.url), WAIT_SECONDS))
    assert 1000 <= len(acknowledged) < len(conversations)
    with LocalNode(tmp_path, distribution) as again:
        cluster = Cluster(settings, again.url)
        cluster.act(lambda client: client.indices.refresh(index=settings.alias))
        found = subjects(cluster)
        assert {str(one.uid): one.subject for one in acknowledged}.items() <= found.items()
        tally = cluster.load(conversations)
        assert tally.written + tally.unchanged == len(conversations)
        assert subjects(cluster) == {str(one.uid): one.subject for one in conversations}
