"""A reindex under a running service: whatever is killed, no acknowledged write is lost, and readers notice nothing."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest

from service.index import aliases
from service.index import writer as index_writer
from service.index.write_targets import writes_alias
from service.reindex import commands, comparison
from service.reindex.lock import State
from service.stored_documents import document_id
from tests.corpus import conversation, corpus
from tests.node.clusters import Cluster
from tests.node.reindexing import (
    FIRST,
    begun,
    command,
    current,
    interrupted,
    lines,
    of,
    stored,
    written,
)
from tests.node.serving import serving
from tests.node.traffic import Readers, Writers, threads


def test_after_ctrl_c_a_reindex_says_once_how_to_resume(fresh: Cluster) -> None:
    fresh.load(corpus()[:200])
    stopped = begun(fresh, "reindex", "--throttle", "10", until="reindex: backfill")
    stopped.send_signal(signal.SIGINT)
    _out, errors = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert errors.count("--resume") == errors.count("--abandon") == 1
    assert errors.splitlines()[-1] == "Stopped."


def test_only_one_reindex_at_a_time_and_a_dead_ones_lock_is_taken_over(
    fresh: Cluster, request: pytest.FixtureRequest
) -> None:
    fresh.load(corpus()[:200])
    old = current(fresh)
    first = begun(fresh, "reindex", "--throttle", "10", until="reindex: backfill")
    second = command(fresh, "reindex")
    assert second.returncode == 1
    assert "a reindex is running (backfill" in second.stderr
    refused = command(fresh, "prune")
    assert refused.returncode == 1
    os.kill(first.pid, signal.SIGSTOP)  # suspended: another process may take over its lock
    third = begun(fresh, "reindex", "--resume", "--throttle", "10", until="reindex: backfill")
    os.kill(first.pid, signal.SIGCONT)
    _out, errors = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "another process has taken over" in errors
    third.kill()
    third.communicate()
    request.getfixturevalue("dead_owners_are_known_sooner")
    interrupted = command(fresh, "reindex")
    assert "--resume" in interrupted.stderr
    assert "--abandon" in interrupted.stderr
    state = json.loads(command(fresh, "status").stdout)
    assert state["reindex"]["step"] == "backfill"
    abandoned = command(fresh, "reindex", "--abandon")
    assert abandoned.returncode == 0, abandoned.stderr
    assert current(fresh) == old
    assert written(fresh) == {old}
    assert fresh.act(lambda client: aliases.all_indices(client, fresh.settings.alias)) == [old]
    assert command(fresh, "reindex", "--resume").returncode == 1


@pytest.mark.usefixtures("dead_owners_are_known_sooner")
@pytest.mark.parametrize("seconds", [0.0, 1.0])  # while writers still know the new index; about when it is deleted
def test_a_reindex_goes_on_after_an_interrupted_abandon_without_losing_writes(fresh: Cluster, seconds: float) -> None:
    fresh.load(corpus()[:600])
    old = current(fresh)
    killed = begun(fresh, "reindex", "--throttle", "300", until="reindex: backfill")
    time.sleep(0.5)  # some ranges are copied
    killed.kill()
    killed.communicate()
    abandoning = begun(fresh, "reindex", "--abandon", until="waiting 1 s until no writer")
    time.sleep(seconds)
    abandoning.kill()
    abandoning.communicate()
    assert written(fresh) == {old}
    later = corpus()[600:700]
    fresh.load(later)  # the new index does not receive these
    done = command(fresh, "reindex", "--resume", "--throttle", "100000")
    if "there is no reindex" in done.stderr:  # the kill came after the end of the abandon
        return
    assert done.returncode == 0, done.stderr
    new = current(fresh)
    assert new != old
    assert written(fresh) == {old, new}
    assert stored(fresh, new) == stored(fresh, old)
    assert len(stored(fresh, new)) == 700


def test_an_index_that_was_taken_out_of_the_write_targets_is_never_swapped_in(fresh: Cluster) -> None:
    fresh.load(corpus()[:5])
    old = current(fresh)
    assert command(fresh, "reindex").returncode == 0
    new = current(fresh)
    alias = writes_alias(fresh.settings.alias)
    fresh.act(lambda client: client.indices.delete_alias(index=old, name=alias))
    interrupted(fresh, State("rollback", "swap", new, old))
    done = command(fresh, "reindex", "--resume")
    assert done.returncode == 1
    assert (
        f"{old} was taken out of {alias}, so it has not received every write: run 'conversations reindex --abandon'"
        in done.stderr
    )
    assert current(fresh) == new
    assert command(fresh, "reindex", "--abandon").returncode == 0


@pytest.mark.usefixtures("dead_owners_are_known_sooner")
def test_killed_at_each_step_a_reindex_loses_nothing_and_no_reader_notices(fresh: Cluster) -> None:
    rng = random.Random(99)
    still = [conversation(rng, FIRST).model_copy(update={"categories": ["still"]}) for _ in range(80)]
    gone = [conversation(rng, FIRST).model_copy(update={"categories": ["gone"]}) for _ in range(80)]
    others = corpus()[1000:2000]  # of two organizations
    fresh.load([*still, *gone, *others])
    deletions = [
        index_writer.deletion_of(one.organization_uid, one.uid, one.updated_on + timedelta(days=1)) for one in gone
    ]
    fresh.act(lambda client: index_writer.write(client, fresh.settings.alias, deletions))
    fresh.act(lambda client: client.indices.refresh(index=fresh.settings.alias))
    old = current(fresh)
    writers = Writers(fresh)
    for api in serving(fresh.settings, fresh.url):
        readers = Readers(api, api.token(FIRST), frozenset(str(one.uid) for one in still))
        with threads(*((writers.run, n) for n in range(2)), *((readers.run, n) for n in range(2))):
            try:
                arguments = ["reindex"]
                for step, _function in commands.STEPS:
                    process = begun(fresh, *arguments, until=f"reindex: {step}")
                    time.sleep(rng.random() * 0.3)  # a random moment within the step
                    process.kill()
                    process.communicate()
                    arguments = ["reindex", "--resume"]
                done = command(fresh, "reindex", "--resume")
                if "there is no reindex" not in done.stderr:  # the last kill may have come after the end
                    assert done.returncode == 0, done.stderr
                new = current(fresh)
                assert new != old
                back = command(fresh, "rollback")
                assert back.returncode == 0, back.stderr
                assert current(fresh) == old
            finally:
                writers.stop.set()
                readers.stop.set()
    assert writers.errors == []
    assert readers.faults == []
    assert writers.writes > 500
    assert readers.answers > 100
    expected = {document_id(one.organization_uid, one.uid): one.version for one in [*still, *others]}
    expected |= {name: live.version for name, live in writers.expected_versions.items() if live is not None}
    assert stored(fresh, old) == expected
    assert stored(fresh, new) == expected
    found = fresh.act(lambda client: comparison.indices(client, old, new))
    assert found.record() == {"missing": 0, "stale": 0, "newer": 0, "extra": 0}


@pytest.mark.usefixtures("dead_owners_are_known_sooner")
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
        assert json.loads(command(fresh, "status").stdout)["reindex"]["throttle"] == 1.0
        done = command(fresh, "reindex", "--resume", "--throttle", "1000")
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
