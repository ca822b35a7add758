"""prune, rollback and --abandon first take the lock, touch only indices of the service, and say what they do."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from service.client import Client
from service.index import aliases, mapping, state_documents, writer
from service.index.write_targets import writes_alias
from service.reindex import first_index, lock, pruning, steps
from service.reindex.lock import Lock, State
from tests.node.clusters import Cluster
from tests.node.reindexing import (
    FIRST,
    begun,
    command,
    current,
    interrupted,
    job,
    names,
    of,
    written,
)

pytestmark = pytest.mark.usefixtures("dead_owners_are_known_sooner")


def test_prune_touches_only_its_own_indices_and_orders_them_by_time(fresh: Cluster) -> None:
    alias = fresh.settings.alias
    fresh.load(of(FIRST, 3))
    read = current(fresh)

    async def others(client: Client) -> tuple[list[str], list[str]]:
        checksum = mapping.load().checksum
        own = [
            await aliases.create(client, alias, mapping.load(), name=f"{alias}-{year}0101t000000000-{checksum}")
            for year in (2029, 2021, 2025)  # created in this order, which is not that of the names
        ]
        foreign = [f"{alias}-backup-2023", f"{alias}-20200101t000000000-{checksum}", f"{alias}-eu"]
        for name in foreign:
            await client.indices.create(index=name)
        europe, _made = await first_index.ensure(client, f"{alias}-europe", mapping.load())
        spare = await aliases.create(client, f"{alias}-europe", mapping.load())
        return own, [*foreign, europe, spare, f"{alias}-europe_state"]

    own, foreign = fresh.act(others)
    status = json.loads(command(fresh, "status").stdout)
    assert {index["name"] for index in status["indices"]} == {read, *own}
    would = command(fresh, "prune", "--dry-run")
    assert json.loads(would.stdout) == {"removed": [], "would_remove": own}
    done = command(fresh, "prune", "--keep", "1")
    assert json.loads(done.stdout) == {"removed": own[:2]}, done.stderr
    for name in own[:2]:
        assert f"removing {name} (0 conversations, " in done.stderr
    assert names(fresh) >= {read, own[2], *foreign} - {f"{alias}-europe_state"}
    assert json.loads(command(fresh, "prune").stdout) == {"removed": [own[2]]}
    assert command(fresh, "verify", "--against", foreign[3], "--repair").returncode == 1


def test_a_prune_reads_the_alias_after_it_has_the_lock(fresh: Cluster) -> None:
    """While a prune waits for the lock, the alias moves to another index."""
    fresh.load(of(FIRST, 3))
    old = current(fresh)

    async def act(client: Client) -> Any:
        alias = fresh.settings.alias
        held = await Lock.acquire(client, alias, State("prune", "remove", old, old))
        acquired = held.acquire

        async def late(*arguments: Any) -> Lock:
            """Another process moves the alias and releases the lock just before it is acquired."""
            new = await aliases.create(client, alias, mapping.load(), aliases=(alias, writes_alias(alias)))
            await client.indices.update_aliases(body={"actions": [{"remove": {"index": old, "alias": alias}}]})
            await held.release()
            made.append(new)
            return await acquired(*arguments)

        made: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Lock, "acquire", late)
            return made, await pruning.prune(job(fresh, client))

    made, record = fresh.act(act)
    assert record == {"removed": [old]}
    assert current(fresh) == made[0]


def test_a_second_rollback_says_where_it_goes_and_needs_again(fresh: Cluster) -> None:
    fresh.load(of(FIRST, 3))
    old = current(fresh)
    assert command(fresh, "reindex").returncode == 0
    new = current(fresh)
    back = command(fresh, "rollback")
    assert f"rollback: from {new} (3 conversations" in back.stderr
    assert f"back to the older {old} (3 conversations" in back.stderr
    second = command(fresh, "rollback")
    assert second.returncode == 1
    assert f"forward to {new}" in second.stderr
    assert "rollback: from" not in second.stderr  # it is refused before it says what it does
    assert "--again" in second.stderr
    assert current(fresh) == old
    assert command(fresh, "reindex", "--resume").returncode == 1  # nothing was left behind
    assert json.loads(command(fresh, "rollback", "--again").stdout) == {"index": new}


def test_abandon_reports_what_was_done(fresh: Cluster) -> None:
    fresh.load(of(FIRST, 3))
    old = current(fresh)
    assert command(fresh, "reindex").returncode == 0
    new = current(fresh)

    def abandoned(left: State) -> tuple[dict[str, Any], str]:
        interrupted(fresh, left)
        done = command(fresh, "reindex", "--abandon")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), done.stderr

    record, said = abandoned(State("rollback", "verify", new, old))
    assert record == {"abandoned": "rollback", "index": new, "removed": [], "kept": [old]}
    assert "no index was removed" in said
    record, said = abandoned(State("reindex", "swap", old, new))
    assert record == {"abandoned": "reindex", "index": new, "removed": [], "kept": [old]}
    assert "had already made" in said
    record, said = abandoned(State("prune", "remove", new, new, removing=("gone", old)))
    assert record == {"abandoned": "prune", "index": new, "removed": [], "kept": [old]}
    assert f"had removed gone before it was interrupted; {old} was left" in said
    assert names(fresh) >= {old, new}
    interrupted(fresh, State("prune", "remove", new, new, removing=("gone", old)))
    assert json.loads(command(fresh, "reindex", "--resume").stdout) == {"removed": [old]}


def test_a_killed_prune_can_be_abandoned(fresh: Cluster) -> None:
    fresh.load(of(FIRST, 3))
    old = current(fresh)
    assert command(fresh, "reindex").returncode == 0
    killed = begun(fresh, "prune", until="waiting 1 s")
    killed.kill()
    killed.communicate()
    told = command(fresh, "reindex", "--abandon")
    assert json.loads(told.stdout)["kept"] == ([old] if old in names(fresh) else [])
    assert old not in written(fresh)


def test_a_purge_that_fails_is_reported_and_can_be_resumed(fresh: Cluster) -> None:
    one = of(FIRST, 1)[0]
    fresh.load([one])
    deletion = writer.deletion_of(FIRST, UUID(int=5), datetime(2020, 1, 1, tzinfo=UTC))
    fresh.act(lambda client: writer.write(client, fresh.settings.alias, [deletion]))
    read = current(fresh)
    fresh.act(lambda client: client.indices.put_settings(index=read, body={"index.blocks.write": True}))
    failed = command(fresh, "prune", "--tombstones", "1d")
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    fresh.act(lambda client: client.indices.put_settings(index=read, body={"index.blocks.write": None}))
    assert "--resume" in failed.stderr
    interrupted_at = fresh.act(lambda client: lock.read(client, fresh.settings.alias))
    assert interrupted_at is not None
    assert (interrupted_at.action, interrupted_at.step) == ("prune", "remove tombstones")
    resumed = command(fresh, "reindex", "--resume")
    assert (resumed.returncode, json.loads(resumed.stdout)) == (0, {"removed": []})
    assert f"1 old tombstone removed from {read}" in resumed.stderr


def with_an_old_tombstone(cluster: Cluster) -> str:
    cluster.load(of(FIRST, 1))
    deletion = writer.deletion_of(FIRST, UUID(int=5), datetime(2020, 1, 1, tzinfo=UTC))
    cluster.act(lambda client: writer.write(client, cluster.settings.alias, [deletion]))
    return current(cluster)


def test_a_prune_that_was_killed_before_its_purge_resumes_with_it(fresh: Cluster) -> None:
    old = with_an_old_tombstone(fresh)
    assert command(fresh, "reindex").returncode == 0
    killed = begun(fresh, "prune", "--tombstones", "1d", until="waiting 1 s")
    killed.kill()
    killed.communicate()
    resumed = command(fresh, "reindex", "--resume")
    assert json.loads(resumed.stdout) == {"removed": [old]}
    assert f"1 old tombstone removed from {current(fresh)}" in resumed.stderr


def test_abandon_reports_which_tombstones_are_left(fresh: Cluster) -> None:
    read = with_an_old_tombstone(fresh)
    for step, told in (
        ("remove", "all tombstones from before {} were"),
        ("remove tombstones", "some tombstones from before {} may be"),
    ):
        before = "2025-01-01T00:00:00.000Z"
        interrupted(fresh, State("prune", step, read, read, removing=("gone",), tombstones_before=before))
        done = command(fresh, "reindex", "--abandon")
        assert f"{told.format(before)} left" in done.stderr
    assert "1 old tombstone removed" in command(fresh, "prune", "--tombstones", "1d").stderr


@pytest.mark.parametrize(
    ("changes", "is_understood"),
    [
        ({}, True), ({"tombstones_before": "soon"}, False), ({"tombstones_before": 5}, False),
        ({"step": "dance"}, False), ({"news": 1}, False),
    ],
)  # fmt: skip
def test_a_prune_of_another_version_is_resumed_or_refused(
    changes: dict[str, Any], is_understood: bool, fresh: Cluster
) -> None:
    """The first state is of a version that stored nothing about tombstones."""
    read = with_an_old_tombstone(fresh)

    async def left(client: Client) -> None:
        await state_documents.ensure_index(client, fresh.settings.alias)
        source = asdict(State("prune", "remove", read, read)) | changes
        if not changes:
            del source["tombstones_before"]
        index = state_documents.state_index(fresh.settings.alias)
        await client.index(index=index, id=lock.DOCUMENT, body=source, params={"refresh": "true"})

    fresh.act(left)
    resumed = command(fresh, "reindex", "--resume")
    assert resumed.returncode == (0 if is_understood else 1), resumed.stderr
    assert ("another version" in resumed.stderr) is not is_understood
    assert "tombstone removed" not in resumed.stderr


def test_a_purge_leaves_foreign_indices_alone(fresh: Cluster) -> None:
    fresh.load([])
    alias = fresh.settings.alias

    async def act(client: Client) -> int:
        foreign = f"{alias}-foreign"
        await client.indices.create(index=foreign, body={"aliases": {writes_alias(alias): {}}})
        body = {"tombstone": {"deleted_on": "2020-01-01T00:00:00.000Z"}}
        await client.index(index=foreign, id="1", body=body, params={"refresh": "true"})
        await steps.purge(job(fresh, client), datetime.now(UTC))
        return int((await client.count(index=foreign))["count"])

    assert fresh.act(act) == 1
