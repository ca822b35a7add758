"""A reindex makes a new index from the running one or from files, with its settings, and proves that both are equal."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service.client import Client
from service.errors import ReindexFailed
from service.index import aliases, mapping, writer
from service.index import writer as index_writer
from service.index.writer import Write
from service.reindex import verification
from service.reindex.context import Invalid
from service.reindex.lock import Lock, State
from service.stored_documents import document_id
from tests.corpus import corpus
from tests.node.clusters import Cluster
from tests.node.reindexing import (
    FIRST,
    command,
    current,
    job,
    lines,
    of,
    stored,
    written,
)

pytestmark = pytest.mark.usefixtures("dead_owners_are_known_sooner")


def test_a_reindex_a_rollback_and_a_prune(fresh: Cluster) -> None:
    everything = corpus()[:300]
    fresh.load(everything)
    gone = everything[0]
    deletion = index_writer.deletion_of(gone.organization_uid, gone.uid, gone.updated_on + timedelta(days=1))
    fresh.act(lambda client: index_writer.write(client, fresh.settings.alias, [deletion]))
    old = current(fresh)
    before = stored(fresh, old)
    done = command(fresh, "reindex")
    assert done.returncode == 0, done.stderr
    new = current(fresh)
    assert new == json.loads(done.stdout)["index"] != old
    assert stored(fresh, new) == before
    assert written(fresh) == {old, new}
    changed = everything[1].model_copy(update={"updated_on": everything[1].updated_on + timedelta(days=1)})
    assert fresh.load([gone, changed]).record() == {"written": 1, "unchanged": 1, "rejected": 0}
    assert stored(fresh, old) == stored(fresh, new) != before
    back = command(fresh, "rollback")
    assert back.returncode == 0, back.stderr
    assert current(fresh) == old
    assert stored(fresh, old)[document_id(changed.organization_uid, changed.uid)] == changed.version
    assert document_id(gone.organization_uid, gone.uid) not in stored(fresh, old)
    assert json.loads(command(fresh, "prune", "--keep", "1").stdout) == {"removed": []}
    age = (datetime.now(UTC) - (gone.updated_on + timedelta(days=1))).days
    for days, left in ((age + 30, 1), (max(age - 30, 1), 0)):
        assert command(fresh, "prune", "--keep", "1", "--tombstones", f"{days}d").returncode == 0
        assert json.loads(command(fresh, "status").stdout)["tombstones"] == left
    assert json.loads(command(fresh, "prune").stdout) == {"removed": [new]}
    assert written(fresh) == {old}
    nothing = command(fresh, "rollback")
    assert nothing.returncode == 1
    assert "nothing to return to" in nothing.stderr


def test_a_dry_run_shows_what_would_be_done_and_writes_nothing(fresh: Cluster, tmp_path: Path) -> None:
    everything = corpus()[:50]
    fresh.load(everything)
    gone = everything[0]
    deletion = index_writer.deletion_of(gone.organization_uid, gone.uid, gone.updated_on + timedelta(days=1))
    fresh.act(lambda client: index_writer.write(client, fresh.settings.alias, [deletion]))
    fresh.act(lambda client: client.indices.refresh(index=fresh.settings.alias))
    path = tmp_path / "some.ndjson"
    path.write_text("".join(f"{one.model_dump_json()}\n" for one in everything[:7]))

    def writes() -> dict[str, int]:
        found = fresh.act(lambda client: client.indices.stats(index=f"{fresh.settings.alias}*", metric="indexing"))
        return {name: one["total"]["indexing"]["index_total"] for name, one in found["indices"].items()}

    before = writes()
    done = command(fresh, "reindex", "--dry-run", str(path))
    assert done.returncode == 0, done.stderr
    plan = json.loads(done.stdout)
    assert plan["would_reindex"] == current(fresh)
    assert plan["into"].startswith(f"{fresh.settings.alias}-")
    assert (plan["documents"], plan["deletions"], plan["mapping_changes"], plan["from_index"]) == (50, 1, False, True)
    assert plan["bytes"] > 0
    assert plan["lease_seconds"] > 0
    assert plan["files"] == [{"file": str(path), "conversations": 7, "bytes": path.stat().st_size}]
    assert writes() == before
    assert command(fresh, "reindex", "--dry-run", "--resume").returncode == 2
    path.write_text("not JSON\n")
    assert "line 1" in command(fresh, "reindex", "--dry-run", str(path)).stderr


def test_a_reindex_from_files_and_from_both(fresh: Cluster, tmp_path: Path) -> None:
    everything = corpus()[:100]
    fresh.load(everything[:60])
    newer = everything[5].model_copy(update={"updated_on": everything[5].updated_on + timedelta(days=1)})
    file = tmp_path / "file.ndjson"
    file.write_text("".join(f"{one.model_dump_json()}\n" for one in [newer, *everything[50:]]))
    assert command(fresh, "reindex", str(file)).returncode == 0
    expected = {document_id(one.organization_uid, one.uid): one.version for one in [*everything, newer]}
    assert stored(fresh, current(fresh)) == expected
    only = command(fresh, "reindex", str(file), "--files-only")
    assert only.returncode == 0, only.stderr
    assert re.search(r"--files-only leaves out .*: 49 conversations, ", only.stderr)
    assert stored(fresh, current(fresh)) == {
        document_id(one.organization_uid, one.uid): one.version for one in [newer, *everything[50:]]
    }
    broken = tmp_path / "broken.ndjson"
    broken.write_text(everything[0].model_dump_json() + "\n{}\n")
    failed = command(fresh, "reindex", str(broken))
    assert failed.returncode == 1
    assert "broken.ndjson, line 2" in failed.stderr
    assert "resume it with 'conversations reindex --resume'" in failed.stderr
    read, broken_one = current(fresh), json.loads(command(fresh, "status").stdout)["reindex"]["new"]
    abandoned = command(fresh, "reindex", "--abandon")
    told = json.loads(abandoned.stdout)
    assert (told["abandoned"], told["index"], told["removed"]) == ("reindex", read, [broken_one])


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("reindex", "--and-index"), 2, "needs files"),
        (("reindex", "--files-only"), 2, "needs files"),
        (("verify", "--against", "nothing"), 1, "there is no index nothing"),
        (("verify", "--against", "nothing", "--delete-extra"), 2, "needs --repair"),
    ],
)
def test_wrong_options_are_reported(arguments: tuple[str, ...], code: int, says: str, fresh: Cluster) -> None:
    fresh.load([])
    done = command(fresh, *arguments)
    assert done.returncode == code
    assert says in done.stderr


def settings_of(cluster: Cluster, index: str) -> dict[str, Any]:
    found = cluster.act(lambda client: client.indices.get_settings(index=index))
    held: dict[str, Any] = found[index]["settings"]["index"]
    return held


def test_a_reindex_keeps_replicas_and_refresh_interval_and_an_abandon_restores_them(fresh: Cluster) -> None:
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


def test_invalid_documents_go_to_rejects_and_are_left_out_only_with_skip_invalid(
    fresh: Cluster, tmp_path: Path
) -> None:
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


def test_counts_that_never_agree_fail(fresh: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "COUNT_SECONDS", 0.5)
    fresh.load(of(FIRST, 3))

    async def act(client: Client) -> None:
        other = await aliases.create(client, fresh.settings.alias, mapping.load())
        await verification._verify_counts(job(fresh, client), current_name, other, Invalid(), equal=True)

    current_name = current(fresh)
    with pytest.raises(ReindexFailed, match=r"has other counts .* try again with --resume, or --abandon"):
        fresh.act(act)


def test_a_small_index_is_copied_in_a_few_requests(fresh: Cluster) -> None:
    """Each of its ranges has one or two documents, so many ranges are read and written together."""
    fresh.load(corpus()[:300])
    done = command(fresh, "-v", "reindex")
    assert done.returncode == 0, done.stderr
    backfill = done.stderr.partition("reindex: backfill\n")[2].partition("reindex: verify\n")[0]
    assert 1 <= backfill.count("/_bulk") <= 3, backfill
    assert backfill.count("/_search/point_in_time") <= 6
