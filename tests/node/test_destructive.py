"""Commands that delete or replace: they touch what is the service's own, as it is under the lock, and say so first."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner

from service.cli import cli
from service.client import Client
from service.conversation import Conversation, document_id
from service.errors import ConversationsError, ReindexFailed, SearchUnavailable
from service.index import aliases, mapping, writer
from service.index.write_targets import Only, writes_alias
from service.index.writer import Write
from service.operations import load_progress
from service.reindex import commands, comparison, drift, first_index, steps, verification
from service.reindex import lock as reindex_lock
from service.reindex.comparison import Differences
from service.reindex.context import Invalid, Job, Throttle, together
from service.reindex.lock import LOOK, Lock, State, holding
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.conftest import Cluster
from tests.node.test_reindex import LEASE, begun, current, environment, job, stored, written

FIRST, SECOND = ORGANIZATIONS[:2]


@pytest.fixture(autouse=True)
def _the_dead_are_known_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    """No owner of a lock here is only slow: each was killed, or never was."""
    monkeypatch.setattr(reindex_lock, "DEAD_AFTER_SECONDS", 2.5)


def command(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in this process, which is quicker than in one of its own."""
    done = CliRunner().invoke(cli, list(arguments), env=dict(environment(cluster)))
    said = done.stderr
    if isinstance(done.exception, ConversationsError):
        said += f"conversations: {done.exception}\n"
    elif done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return subprocess.CompletedProcess(arguments, done.exit_code, done.stdout, said)


def of(organization: UUID, count: int) -> list[Conversation]:
    return [one for one in corpus() if one.organization_uid == organization][:count]


def names(cluster: Cluster) -> set[str]:
    found = cluster.act(lambda client: client.indices.get(index=f"{cluster.settings.alias}*"))
    return set(found)


def exported(cluster: Cluster, file: Path, organization: UUID, *options: str) -> Path:
    done = command(cluster, "export", str(file), "--organization", str(organization), *options)
    assert done.returncode == 0, done.stderr
    return file


def lines(path: Path, conversations: list[Conversation]) -> Path:
    path.write_text("".join(f"{one.model_dump_json()}\n" for one in conversations))
    return path


def interrupted(cluster: Cluster, left: State) -> None:
    """The state that a killed process leaves."""
    cluster.act(lambda client: Lock.acquire(client, cluster.settings.alias, left))


def test_a_filtered_export_deletes_nothing(fresh: Cluster, tmp_path: Path) -> None:
    mine = [one.model_copy(update={"status": ("closed", "active")[n % 2]}) for n, one in enumerate(of(FIRST, 40))]
    fresh.load(mine)
    file = exported(fresh, tmp_path / "closed.ndjson", FIRST, "--where", "sort=subject&status=closed")
    before = stored(fresh, current(fresh))
    well = command(fresh, "verify", str(file))
    assert well.returncode == 0, well.stderr
    assert "filtered by 'status=closed'" in well.stderr
    assert json.loads(well.stdout) == {"missing": 0, "stale": 0, "newer": 0, "extra": 0}
    for options in ((), ("--whole",)):
        refused = command(fresh, "verify", str(file), "--repair", "--delete-extra", *options)
        assert refused.returncode == 1
        assert "filtered by 'status=closed'" in refused.stderr
    assert command(fresh, "verify", str(file), "--repair").returncode == 0
    assert stored(fresh, current(fresh)) == before


def test_whole_exports_of_two_organizations_delete_what_each_lacks_and_no_newer(fresh: Cluster, tmp_path: Path) -> None:
    """The second organization has newer conversations: they must not make the first one's new ones look old."""
    mine, theirs = of(FIRST, 12), of(SECOND, 12)
    newest = max(one.updated_on for one in mine)
    theirs = [
        one.model_copy(update={"updated_on": newest + timedelta(days=9, seconds=n)}) for n, one in enumerate(theirs)
    ]
    fresh.load([*mine[:10], *theirs[:10]])
    file = tmp_path / "both.ndjson"
    whole = [
        exported(fresh, tmp_path / f"{n}.ndjson", one, "--where", "sort=subject")
        for n, one in enumerate((FIRST, SECOND))
    ]
    file.write_bytes(b"".join(path.read_bytes() for path in whole))
    extra = mine[10].model_copy(update={"updated_on": newest - timedelta(days=1)})
    later = mine[11].model_copy(update={"updated_on": newest + timedelta(days=1)})
    fresh.load([extra, later])
    mended = command(fresh, "verify", str(file), "--repair", "--delete-extra")
    assert mended.returncode == 0, mended.stderr
    said = mended.stderr.index(f"deleting 1 document of 1 organization from {fresh.settings.alias}")
    assert document_id(FIRST, extra.uid) in mended.stderr[said:]
    left = stored(fresh, current(fresh))
    assert document_id(FIRST, extra.uid) not in left
    assert document_id(FIRST, later.uid) in left
    assert len(left) == 21


def test_a_whole_export_without_conversations_is_compared_with_its_organization(fresh: Cluster, tmp_path: Path) -> None:
    fresh.load(of(SECOND, 5))
    file = exported(fresh, tmp_path / "empty.ndjson", FIRST)
    assert len(file.read_text().splitlines()) == 1
    fresh.load(of(FIRST, 3))
    found = command(fresh, "verify", str(file), "--repair", "--delete-extra")
    assert found.returncode == 0, found.stderr
    assert json.loads(found.stdout)["newer"] == 3
    assert len(stored(fresh, current(fresh))) == 8


@pytest.mark.parametrize("form", ["cut", "by hand", "old", "followed by others"])
def test_files_that_do_not_say_that_they_are_whole_delete_only_where_that_is_vouched_for(
    form: str, fresh: Cluster, tmp_path: Path
) -> None:
    mine = of(FIRST, 10)
    fresh.load(mine)
    file = tmp_path / "file.ndjson"
    *held, end = exported(fresh, file, FIRST).read_text().splitlines(keepends=True)
    old = json.dumps({"export": {"complete": True, "conversations": 7}}) + "\n"
    theirs = of(SECOND, 1)[0].model_dump_json() + "\n"
    file.write_text("".join({
        "cut": held[:7], "by hand": held[:7], "old": [*held[:7], old], "followed by others": [*held, end, theirs],
    }[form]))  # fmt: skip
    before = stored(fresh, current(fresh))
    refused = command(fresh, "verify", str(file), "--repair", "--delete-extra")
    assert refused.returncode == 1
    assert "--whole" in refused.stderr
    assert stored(fresh, current(fresh)) == before
    assert command(fresh, "verify", str(file), "--repair", "--delete-extra", "--whole").returncode == 0


def test_what_was_written_in_the_meantime_is_not_removed(fresh: Cluster) -> None:
    """Differences as they were seen; then one of the documents is written anew, in one index or in both."""
    mine = of(FIRST, 4)
    fresh.load(mine[:1])

    async def act(client: Client) -> list[str]:
        right = await aliases.current_index(client, fresh.settings.alias)
        assert right is not None
        other = await aliases.create(client, fresh.settings.alias, mapping.load())
        await writer.Writer(client, fresh.settings.alias, targets=Only(other)).write(
            [writer.write_of(one) for one in mine]
        )
        seen = {document_id(FIRST, one.uid): one.version for one in mine[1:]}
        newer = mine[1].model_copy(update={"updated_on": mine[1].updated_on + timedelta(days=1)})
        await writer.Writer(client, fresh.settings.alias, targets=Only(other)).write([writer.write_of(newer)])
        await writer.Writer(client, fresh.settings.alias, targets=Only(right)).write([writer.write_of(mine[2])])
        await drift._remove(job(fresh, client), right, other, seen)
        return [one async for one, found in comparison.stored(client, other, list(seen)) if found is not None]

    assert fresh.act(act) == [document_id(FIRST, one.uid) for one in mine[1:3]]


def test_prune_touches_only_its_own_indices_and_orders_them_by_time(fresh: Cluster) -> None:
    alias = fresh.settings.alias
    fresh.load(of(FIRST, 3))
    read = current(fresh)

    async def others(client: Client) -> tuple[list[str], list[str]]:
        checksum = mapping.load().checksum
        own = [
            await aliases.create(client, alias, mapping.load(), name=f"{alias}-{year}0101t000000000-{checksum}")
            for year in (2029, 2021, 2025)  # made in this order, whatever the names say
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
        assert f"removing {name} (0 documents, " in done.stderr
    assert names(fresh) >= {read, own[2], *foreign} - {f"{alias}-europe_state"}
    assert json.loads(command(fresh, "prune").stdout) == {"removed": [own[2]]}
    assert command(fresh, "verify", "--against", foreign[3], "--repair").returncode == 1


def test_an_action_looks_after_it_has_the_lock(fresh: Cluster) -> None:
    """While a rollback waits for the lock, the index that is read changes."""
    fresh.load(of(FIRST, 3))
    old = current(fresh)

    async def act(client: Client) -> Any:
        alias = fresh.settings.alias
        lock = await Lock.acquire(client, alias, State("prune", "remove", old, old))
        acquired = lock.acquire

        async def late(*arguments: Any) -> Lock:
            """Another process ends its work at the last moment before the lock is there."""
            new = await aliases.create(client, alias, mapping.load(), aliases=(alias, writes_alias(alias)))
            await client.indices.update_aliases(body={"actions": [{"remove": {"index": old, "alias": alias}}]})
            await lock.release()
            made.append(new)
            return await acquired(*arguments)

        made: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Lock, "acquire", late)
            return made, await commands.prune(job(fresh, client))

    made, record = fresh.act(act)
    assert record == {"removed": [old]}
    assert current(fresh) == made[0]


def test_a_second_rollback_says_where_it_goes_and_needs_again(fresh: Cluster) -> None:
    fresh.load(of(FIRST, 3))
    old = current(fresh)
    assert command(fresh, "reindex").returncode == 0
    new = current(fresh)
    back = command(fresh, "rollback")
    assert f"rollback: from {new} (3 documents" in back.stderr
    assert f"back to the older {old} (3 documents" in back.stderr
    second = command(fresh, "rollback")
    assert second.returncode == 1
    assert f"forward to {new}" in second.stderr
    assert "rollback: from" not in second.stderr  # it is refused before it says what it does
    assert "--again" in second.stderr
    assert current(fresh) == old
    assert command(fresh, "reindex", "--resume").returncode == 1  # nothing was left behind
    assert json.loads(command(fresh, "rollback", "--again").stdout) == {"index": new}


def test_abandon_tells_what_was_done(fresh: Cluster) -> None:
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


def test_a_killed_prune_is_gone_on_with(fresh: Cluster) -> None:
    fresh.load(of(FIRST, 3))
    old = current(fresh)
    assert command(fresh, "reindex").returncode == 0
    killed = begun(fresh, "prune", until="waiting 1 s")
    killed.kill()
    killed.communicate()
    told = command(fresh, "reindex", "--abandon")
    assert json.loads(told.stdout)["kept"] == ([old] if old in names(fresh) else [])
    assert old not in written(fresh)


def settings_of(cluster: Cluster, index: str) -> dict[str, Any]:
    found = cluster.act(lambda client: client.indices.get_settings(index=index))
    held: dict[str, Any] = found[index]["settings"]["index"]
    return held


def test_a_reindex_keeps_replicas_and_refresh_interval_and_puts_them_back(fresh: Cluster) -> None:
    fresh.load(of(FIRST, 3))
    old = current(fresh)
    changed = {"index.refresh_interval": "7s", "index.number_of_replicas": 2}
    fresh.act(lambda client: client.indices.put_settings(index=old, body=changed))
    assert command(fresh, "reindex").returncode == 0
    for index in (old, current(fresh)):
        held = settings_of(fresh, index)
        assert (held["refresh_interval"], held["number_of_replicas"]) == ("7s", "2")

    async def killed_at_the_swap(client: Client) -> None:
        lock = await Lock.acquire(client, fresh.settings.alias, State("reindex", "swap", current_name, "none"))
        await lock.save(refresh={current_name: "7s", "another": None})
        await client.indices.put_settings(index=current_name, body={"index.refresh_interval": "-1"})

    current_name = current(fresh)
    fresh.act(killed_at_the_swap)
    assert command(fresh, "reindex", "--abandon").returncode == 0
    assert settings_of(fresh, current_name)["refresh_interval"] == "7s"
    fresh.act(lambda client: client.indices.put_settings(index=current_name, body={"index.refresh_interval": None}))
    assert command(fresh, "reindex").returncode == 0
    for index in (current_name, current(fresh)):
        assert "refresh_interval" not in settings_of(fresh, index)


def test_a_reindex_from_files_keeps_deletions_and_newer_writes(fresh: Cluster, tmp_path: Path) -> None:
    mine = of(FIRST, 10)
    file = lines(tmp_path / "file.ndjson", mine)
    newer = mine[1].model_copy(update={"updated_on": mine[1].updated_on + timedelta(days=1)})
    fresh.load([newer, *mine[2:9]])
    deletion = writer.deletion_of(FIRST, mine[0].uid, mine[0].updated_on + timedelta(days=1))
    fresh.act(lambda client: writer.write(client, fresh.settings.alias, [deletion]))
    assert command(fresh, "reindex", str(file)).returncode == 0
    assert stored(fresh, current(fresh)) == {document_id(FIRST, one.uid): one.version for one in [newer, *mine[2:]]}


def test_the_lock_lives_while_files_are_read(fresh: Cluster) -> None:
    """The reading stands still until the lock has been seen to beat: read in the event loop, it never would be."""
    mine = of(FIRST, 5)
    fresh.load(mine)
    go_on = threading.Event()
    came = []

    def read(files: tuple[str, ...], **_options: Any) -> Iterator[Write]:
        for one in mine:
            came.append(go_on.wait(60))
            yield writer.write_of(one)

    async def act(client: Client) -> None:
        async def watch() -> None:
            seen: set[int] = set()
            while len(seen) < 4:
                found = await reindex_lock.read(client, fresh.settings.alias)
                if found is not None and found.step == "backfill":
                    seen.add(found.beat)
                await asyncio.sleep(0.05)
            go_on.set()

        work = Job(client, fresh.settings.alias, mapping.load(), lease=LEASE, read_files=read)
        watching = asyncio.create_task(watch())
        await commands.begin(work, files=(__file__,))
        await watching

    fresh.act(act)
    assert all(came)


@pytest.mark.parametrize("end", ["error", "cancelled"])
def test_work_ends_when_its_heartbeat_does(end: str, fresh: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(_self: Lock) -> None:
        raise RuntimeError("no beat") if end == "error" else asyncio.CancelledError

    monkeypatch.setattr(Lock, "send_heartbeats", fail)

    async def act(client: Client) -> None:
        async with holding(client, fresh.settings.alias, State("repair", LOOK, "", "")):
            await asyncio.sleep(60)

    with pytest.raises(ReindexFailed, match="could not be kept alive"):
        fresh.act(act)
    assert fresh.act(lambda client: reindex_lock.read(client, fresh.settings.alias)) is None


def test_many_that_create_at_once_leave_one_index(fresh: Cluster) -> None:
    async def act(client: Client) -> list[tuple[str, bool]]:
        made = (first_index.ensure(client, fresh.settings.alias, mapping.load()) for _ in range(12))
        return await asyncio.gather(*made)

    found = fresh.act(act)
    assert {name for name, _made in found} == {current(fresh)}
    assert [made for _name, made in found].count(True) == 1
    assert fresh.act(lambda client: aliases.all_indices(client, fresh.settings.alias)) == [current(fresh)]
    assert written(fresh) == {current(fresh)}
    interrupted_one = State("create", LOOK, "", "")
    fresh.drop()
    interrupted(fresh, interrupted_one)
    assert fresh.act(lambda client: first_index.ensure(client, fresh.settings.alias, mapping.load()))[1]


def test_invalid_documents_go_to_rejects_and_are_left_out_only_if_told(fresh: Cluster, tmp_path: Path) -> None:
    mine = of(FIRST, 6)
    fresh.load(mine)
    old = current(fresh)
    alias = fresh.settings.alias
    broken = [
        writer.write_of(mine[1].model_copy(update={"updated_on": mine[1].updated_on + timedelta(days=1)})),
        writer.deletion_of(FIRST, mine[2].uid, mine[2].updated_on + timedelta(days=1)),
    ]
    spoilt = [
        Write(broken[0].id, broken[0].routing, broken[0].version, broken[0].source.replace(b'"channel"', b'"channel"', 1)
              .replace(b'"message_count":', b'"message_count":-')),
        Write(broken[1].id, broken[1].routing, broken[1].version, broken[1].source.replace(b'"uid":"', b'"uid":"x', 1)),
    ]  # fmt: skip
    assert spoilt[0].source != broken[0].source
    fresh.act(lambda client: writer.write(client, alias, spoilt))
    rejects = tmp_path / "rejects"
    stopped = command(fresh, "reindex", "--rejects", str(rejects))
    assert stopped.returncode == 1
    assert "2 documents cannot be written to the new index" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    told = [json.loads(line) for line in rejects.read_text().splitlines()]
    assert {one["source"] for one in told} == {one.id for one in broken}
    assert all(one["reason"] for one in told)
    assert current(fresh) == old
    again = command(fresh, "reindex", "--resume", "--rejects", str(rejects))
    assert again.returncode == 1
    done = command(fresh, "reindex", "--resume", "--skip-invalid", "--rejects", str(rejects))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["skipped"] == 2
    assert {json.loads(line)["source"] for line in rejects.read_text().splitlines()} == {one.id for one in broken}
    assert len(stored(fresh, current(fresh))) == 4
    back = command(fresh, "rollback")
    assert back.returncode == 0, back.stderr
    assert current(fresh) == old


def test_resume_knows_its_files_from_any_folder_and_refuses_changed_ones(
    fresh: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = of(FIRST, 30)
    fresh.load(mine[:3])
    lines(tmp_path / "file.ndjson", mine)
    monkeypatch.chdir(tmp_path)
    for change in (False, True):
        process = begun(fresh, "reindex", "file.ndjson", "--throttle", "1", until="reindex: backfill")
        process.kill()
        process.communicate()
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / "elsewhere")
        if change:
            lines(tmp_path / "file.ndjson", mine[:29])
        done = command(fresh, "reindex", "--resume")
        assert done.returncode == int(change), done.stderr
        assert ("changed since" in done.stderr) is change
        monkeypatch.chdir(tmp_path)
    assert len(stored(fresh, current(fresh))) == 30


def test_a_reindex_that_is_stopped_says_how_to_go_on(fresh: Cluster) -> None:
    fresh.load(of(FIRST, 30))
    process = begun(fresh, "reindex", "--throttle", "1", until="reindex: backfill")
    process.terminate()
    _out, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert "--resume" in errors
    assert "--abandon" in errors
    assert "Traceback" not in errors


def test_a_slow_throttle_waits_in_short_steps() -> None:
    for rate in (0.1, 1.0, 3.5, 1000.0):
        pace = Throttle(rate)
        page = range(pace.page(2000))
        assert len(page) / rate <= 60 or len(page) == 1
        portions = list(pace.portions(page))
        assert [one for portion in portions for one in portion] == list(page)
        assert all(len(portion) <= max(1, rate) for portion in portions)


def test_of_several_failures_one_is_told() -> None:
    async def fail(error: Exception) -> None:
        raise error

    async def nested() -> None:
        await together(fail(ValueError("other")), fail(ReindexFailed("the one")))

    with pytest.raises(ReindexFailed, match="the one"):
        asyncio.run(together(nested(), nested()))


def test_counts_that_never_agree_fail(fresh: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "COUNT_SECONDS", 0.5)
    fresh.load(of(FIRST, 3))

    async def act(client: Client) -> None:
        other = await aliases.create(client, fresh.settings.alias, mapping.load())
        await verification._verify_counts(job(fresh, client), current_name, other, Invalid(), equal=True)

    current_name = current(fresh)
    with pytest.raises(ReindexFailed, match="has other counts"):
        fresh.act(act)


def test_a_document_that_cannot_be_read_is_not_taken_for_missing(fresh: Cluster) -> None:
    """The alias of two indices makes each document's get fail, in an answer of 200."""
    fresh.load(of(FIRST, 3))

    async def act(client: Client) -> None:
        other = await aliases.create(client, fresh.settings.alias, mapping.load())
        for name in (other, current_name):
            await client.indices.put_alias(index=name, name=f"{fresh.settings.alias}_two")
        await comparison.versions_now(client, f"{fresh.settings.alias}_two", ["x:y"])

    current_name = current(fresh)
    with pytest.raises(SearchUnavailable):
        fresh.act(act)


def test_a_purge_that_fails_is_told(fresh: Cluster) -> None:
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
    assert command(fresh, "reindex", "--resume").returncode == 0
    done = command(fresh, "prune", "--tombstones", "1d")
    assert "1 old tombstone removed" in done.stderr


@pytest.mark.parametrize(
    "source",
    [
        {}, {"owner": 5}, {"said_at": "yesterday", "owner": "x"}, {"said_at": 7, "bytes": None, "written": "many"},
        {"said_at": "2999-01-01T00:00:00.000Z", "written": -1, "news": True},
    ],
)  # fmt: skip
def test_a_load_of_another_version_is_no_error(source: dict[str, Any], fresh: Cluster) -> None:
    fresh.load([])

    async def act(client: Client) -> Any:
        await reindex_lock.ensure_index(client, fresh.settings.alias)
        await client.index(
            index=reindex_lock.state_index(fresh.settings.alias), id="load-x", body=source, params={"refresh": "true"}
        )
        return await load_progress.loads(client, fresh.settings.alias)

    loads = fresh.act(act)
    assert [load.owner for load in loads] == (["x"] if "news" in source else [])
    assert command(fresh, "status").returncode == 0


@pytest.mark.parametrize(
    "source",
    [
        {}, {"action": "reindex"}, {"action": "reindex", "step": "backfill", "old": "a", "new": 5},
        {"action": "reindex", "step": "dance", "old": "a", "new": "b"},
        {"action": "reindex", "step": "backfill", "old": "a", "new": "b", "news": 1},
    ],
)  # fmt: skip
def test_a_state_of_another_version_is_told_and_kept(source: dict[str, Any], fresh: Cluster) -> None:
    fresh.load([])

    async def put(client: Client) -> None:
        await reindex_lock.ensure_index(client, fresh.settings.alias)
        index = reindex_lock.state_index(fresh.settings.alias)
        await client.index(index=index, id=reindex_lock.DOCUMENT, body=source, params={"refresh": "true"})

    fresh.act(put)
    shown = command(fresh, "status")
    assert shown.returncode == 0, shown.stderr
    assert json.loads(shown.stdout)["reindex"]["action"] == source.get("action", "unknown")
    resumed = command(fresh, "reindex", "--resume")
    assert resumed.returncode == 1
    assert "another version" in resumed.stderr
    assert "Traceback" not in resumed.stderr


def test_a_mistyped_alias_makes_no_index(fresh: Cluster, tmp_path: Path) -> None:
    file = lines(tmp_path / "file.ndjson", of(FIRST, 2))
    mail = tmp_path / "one.eml"
    mail.write_text("From: a@example.org\nMessage-ID: <1@example.org>\nSubject: x\n\nx\n")
    sms = tmp_path / "sms.csv"
    sms.write_text("peer,date,text\n+4912345,2024-01-01T00:00:00Z,hello\n")
    options = ("--checkpoint", str(tmp_path / "c"), "--rejects", str(tmp_path / "r"))
    for arguments in (
        ("load", str(file), *options),
        ("load", str(file), str(file), "--parallel", "2", *options),
        ("import-mail", str(mail), "--organization", str(FIRST), *options[2:]),
        ("import-sms", str(sms), "--organization", str(FIRST), *options[2:]),
        ("run", "--port", "0"),
        ("run", "--port", "0", "--sample"),
    ):
        refused = command(fresh, *arguments)
        assert refused.returncode == 1, arguments
        assert "--create" in refused.stderr
        found = fresh.act(lambda client: aliases.current_index(client, fresh.settings.alias))
        assert found is None
    assert command(fresh, "load", str(file), "--create", *options).returncode == 0


def test_a_cluster_that_is_there_already_gets_no_sample(fresh: Cluster) -> None:
    fresh.load([])
    running = begun(fresh, "run", "--port", "0", until="Found the index")
    assert running.stdout is not None
    for line in running.stdout:
        if "ctrl-C" in line:
            break
    running.terminate()
    running.communicate(timeout=60)
    assert stored(fresh, current(fresh)) == {}


def test_a_difference_that_is_being_written_is_none(fresh: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    """What only one index has reaches the other between the two looks, or does not."""
    mine = of(FIRST, 3)
    fresh.load(mine[:1])

    async def act(client: Client) -> Differences:
        right = await aliases.current_index(client, fresh.settings.alias)
        assert right is not None
        other = await aliases.create(client, fresh.settings.alias, mapping.load())
        write = writer.Writer(client, fresh.settings.alias, targets=Only(other)).write
        await writer.Writer(client, fresh.settings.alias, targets=Only(right)).write([writer.write_of(mine[1])])
        await client.indices.refresh(index=f"{right},{other}")
        found = await comparison.indices(client, right, other)

        async def written_meanwhile(seconds: float) -> None:
            await write([writer.write_of(mine[0])])

        # In this module alone: services of other tests sleep in threads of this process.
        monkeypatch.setattr(comparison, "asyncio", SimpleNamespace(**vars(asyncio) | {"sleep": written_meanwhile}))
        return await comparison.confirmed(client, right, other, found)

    found = fresh.act(act)
    assert found.missing == [document_id(FIRST, mine[1].uid)]


def test_steps_purge_only_what_is_written_and_own(fresh: Cluster) -> None:
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
