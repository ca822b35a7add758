"""A reindex under a running service: what is acknowledged is never lost, and nobody notices, whatever is killed."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from service.client import Client, connect
from service.conversation import Conversation, document_id
from service.index import aliases, mapping
from service.index import writer as index_writer
from service.index.write_targets import Only, writes_alias
from service.reindex import commands, comparison
from service.reindex import lock as reindex_lock
from service.reindex.context import Job
from service.reindex.lock import Lock, State
from tests.corpus import ORGANIZATIONS, conversation, corpus
from tests.node.conftest import Api, Cluster, serving
from tests.processes import end_with_the_test

LEASE = 1.0
ORGANIZATION = ORGANIZATIONS[0]


def environment(cluster: Cluster) -> dict[str, str]:
    return os.environ | {
        "OPENSEARCH_URL": cluster.url,
        "CONVERSATIONS_ALIAS": cluster.settings.alias,
        "CONVERSATIONS_WRITE_LEASE": str(LEASE),
    }


def command(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "service", *arguments],
        env=environment(cluster), capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip


def begun(cluster: Cluster, *arguments: str, until: str) -> subprocess.Popen[str]:
    """A command, up to the line of its progress that holds `until`."""
    process = subprocess.Popen(
        [sys.executable, "-m", "service", *arguments],
        env=environment(cluster), stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    end_with_the_test(process)
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if until in line:
            return process
    process.communicate()
    raise AssertionError(f"{arguments} never came to {until!r}: it ended with {process.returncode}, and said\n{said}")


def job(cluster: Cluster, client: Client) -> Job:
    return Job(client, cluster.settings.alias, mapping.load(), lease=LEASE)


def current(cluster: Cluster) -> str:
    name: str = cluster.act(lambda client: aliases.current_index(client, cluster.settings.alias))
    return name


def written(cluster: Cluster) -> set[str]:
    found = cluster.act(lambda client: client.indices.get_alias(name=writes_alias(cluster.settings.alias)))
    return set(found)


def stored(cluster: Cluster, index: str) -> dict[str, int]:
    """The version of every live document in an index."""

    async def read(client: Client) -> dict[str, int]:
        await client.indices.refresh(index=index)
        body = {"size": 10_000, "version": True, "query": {"exists": {"field": "organization_uid"}}}
        hits = (await client.search(index=index, body=body))["hits"]["hits"]
        return {hit["_id"]: hit["_version"] for hit in hits}

    found: dict[str, int] = cluster.act(read)
    return found


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


def test_a_dry_run_tells_what_would_be_done_and_writes_nothing(fresh: Cluster, tmp_path: Path) -> None:
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


def test_ctrl_c_says_once_how_a_reindex_goes_on(fresh: Cluster) -> None:
    fresh.load(corpus()[:200])
    stopped = begun(fresh, "reindex", "--throttle", "10", until="reindex: backfill")
    stopped.send_signal(signal.SIGINT)
    _out, errors = stopped.communicate(timeout=60)
    assert stopped.returncode == 130
    assert errors.count("--resume") == errors.count("--abandon") == 1
    assert errors.splitlines()[-1] == "Stopped."


def test_only_one_reindex_at_a_time_and_a_dead_ones_lock_is_taken_over(fresh: Cluster) -> None:
    fresh.load(corpus()[:200])
    old = current(fresh)
    first = begun(fresh, "reindex", "--throttle", "10", until="reindex: backfill")
    second = command(fresh, "reindex")
    assert second.returncode == 1
    assert "a reindex is running (backfill" in second.stderr
    refused = command(fresh, "prune")
    assert refused.returncode == 1
    os.kill(first.pid, signal.SIGSTOP)  # neither dead nor alive: its lock goes to who asks
    third = begun(fresh, "reindex", "--resume", "--throttle", "10", until="reindex: backfill")
    os.kill(first.pid, signal.SIGCONT)
    _out, errors = first.communicate(timeout=60)
    assert first.returncode == 1
    assert "another process has taken over" in errors
    third.kill()
    third.communicate()
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


@dataclass
class Writers:
    """Upserts and deletes at full speed; `ledger` is what was acknowledged."""

    cluster: Cluster
    stop: threading.Event = field(default_factory=threading.Event)
    expected_versions: dict[str, Conversation | None] = field(default_factory=dict)
    writes: int = 0
    errors: list[BaseException] = field(default_factory=list)

    def run(self, number: int) -> None:
        try:
            asyncio.run(self._write(number))
        except BaseException as error:
            self.errors.append(error)
            raise

    async def _write(self, number: int) -> None:
        rng = random.Random(number)
        client = connect(self.cluster.settings, self.cluster.url)
        writer = index_writer.Writer(client, self.cluster.settings.alias, lease=LEASE)
        now = datetime(2025, 1, 1, tzinfo=UTC)
        mine = [conversation(rng, ORGANIZATION) for _ in range(60)]
        try:
            while not self.stop.is_set():
                batch: list[tuple[str, Conversation | None, index_writer.Write]] = []
                for one in rng.sample(mine, 10):
                    now += timedelta(milliseconds=1)
                    name = document_id(one.organization_uid, one.uid)
                    if rng.random() < 0.3:
                        batch.append((name, None, index_writer.deletion_of(one.organization_uid, one.uid, now)))
                    else:
                        live = one.model_copy(update={"updated_on": now, "categories": ["moving"]})
                        batch.append((name, live, index_writer.write_of(live)))
                results = await writer.write([write for _name, _live, write in batch])
                assert {result.outcome for result in results} == {"written"}, results
                self.expected_versions.update({name: live for name, live, _write in batch})
                self.writes += len(batch)
        finally:
            await client.close()


@dataclass
class Readers:
    """Ask the service all the while, and keep what was wrong with an answer."""

    api: Api
    token: str
    still: frozenset[str]
    stop: threading.Event = field(default_factory=threading.Event)
    faults: list[str] = field(default_factory=list)
    answers: int = 0

    def run(self, number: int) -> None:
        seen: dict[str, str] = {}
        headers = {"Authorization": f"Bearer {self.token}"}
        url = f"{self.api.address}/api/conversations"
        with httpx.Client(timeout=60, headers=headers) as http:
            while not self.stop.is_set():
                for category in ("still", "gone", "moving"):
                    parameters = {"category": category, "per_page": 100, "sort": ("subject", "-updated_on")[number % 2]}
                    answer = http.get(url, params=parameters)
                    if answer.status_code != 200:
                        self.faults.append(answer.text[:500])
                        continue
                    self.answers += 1
                    self._check(category, answer.json()["data"]["items"], seen)

    def _check(self, category: str, items: list[dict[str, Any]], seen: dict[str, str]) -> None:
        if category == "still" and {item["uid"] for item in items} != self.still:
            self.faults.append(f"{len(items)} of {len(self.still)} that nobody changes")
        if category == "gone" and items:
            self.faults.append(f"{len(items)} that were deleted before came back")
        if category == "moving":
            for item in items:
                if item["updated_on"] < seen.get(item["uid"], ""):
                    self.faults.append(f"{item['uid']} went back from {seen[item['uid']]} to {item['updated_on']}")
                seen[item["uid"]] = item["updated_on"]


@contextmanager
def threads(*targets: Any) -> Iterator[None]:
    started = [threading.Thread(target=target, args=arguments) for target, *arguments in targets]
    for thread in started:
        thread.start()
    yield
    for thread in started:
        thread.join()


def test_killed_at_each_step_a_reindex_loses_nothing_and_no_reader_notices(fresh: Cluster) -> None:
    rng = random.Random(99)
    still = [conversation(rng, ORGANIZATION).model_copy(update={"categories": ["still"]}) for _ in range(80)]
    gone = [conversation(rng, ORGANIZATION).model_copy(update={"categories": ["gone"]}) for _ in range(80)]
    fresh.load([*still, *gone, *corpus()])
    deletions = [
        index_writer.deletion_of(one.organization_uid, one.uid, one.updated_on + timedelta(days=1)) for one in gone
    ]
    fresh.act(lambda client: index_writer.write(client, fresh.settings.alias, deletions))
    fresh.act(lambda client: client.indices.refresh(index=fresh.settings.alias))
    old = current(fresh)
    writers = Writers(fresh)
    for api in serving(fresh.settings, fresh.url):
        readers = Readers(api, api.token(ORGANIZATION), frozenset(str(one.uid) for one in still))
        with threads(*((writers.run, n) for n in range(4)), *((readers.run, n) for n in range(8))):
            try:
                arguments = ["reindex"]
                for step, _function in commands.STEPS:
                    process = begun(fresh, *arguments, until=f"reindex: {step}")
                    time.sleep(rng.random() * 0.3)  # somewhere within the step: the moment of a crash is anyone's guess
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
    expected = {document_id(one.organization_uid, one.uid): one.version for one in [*still, *corpus()]}
    expected |= {name: live.version for name, live in writers.expected_versions.items() if live is not None}
    assert stored(fresh, old) == expected
    assert stored(fresh, new) == expected
    found = fresh.act(lambda client: comparison.indices(client, old, new))
    assert found.record() == {"missing": 0, "stale": 0, "newer": 0, "extra": 0}


def test_equal_counts_prove_nothing(fresh: Cluster) -> None:
    """One conversation is missing in the other index, and a deleted one is there: as many as in the first."""
    everything = corpus()[:50]
    fresh.load(everything)
    right = current(fresh)

    async def other_index(client: Client) -> str:
        name = await aliases.create(client, fresh.settings.alias, mapping.load())
        writer = index_writer.Writer(client, fresh.settings.alias, targets=Only(name))
        stranger = everything[0].model_copy(update={"uid": UUID(int=7)})
        await writer.write([index_writer.write_of(one) for one in [*everything[1:], stranger]])
        await client.indices.refresh(index=name)
        return name

    other = fresh.act(other_index)
    assert len(stored(fresh, right)) == len(stored(fresh, other))
    told = command(fresh, "verify", "--against", other)
    assert told.returncode == 1
    assert json.loads(told.stdout) == {"missing": 1, "stale": 0, "newer": 0, "extra": 1}
    mended = command(fresh, "verify", "--against", other, "--repair")
    assert mended.returncode == 1
    assert json.loads(mended.stdout)["after_repair"] == {"missing": 0, "stale": 0, "newer": 0, "extra": 1}
    mended = command(fresh, "verify", "--against", other, "--repair", "--delete-extra")
    assert mended.returncode == 0, mended.stderr
    assert "deleting 1 document of 1 organization from" in mended.stderr
    assert stored(fresh, right) == stored(fresh, other)


def test_verify_against_files_tells_and_mends(fresh: Cluster, tmp_path: Path) -> None:
    everything = [one for one in corpus() if one.organization_uid == ORGANIZATION][:60]
    stranger, later = everything[58], everything[59]
    newest = max(one.updated_on for one in everything[:58])
    later = later.model_copy(update={"updated_on": newest + timedelta(days=1)})
    stranger = stranger.model_copy(update={"updated_on": newest})
    elsewhere = [one for one in corpus() if one.organization_uid != ORGANIZATION][:5]
    fresh.load([*everything[2:58], stranger, later, *elsewhere])
    stale = everything[3].model_copy(update={"updated_on": everything[3].updated_on + timedelta(seconds=1)})
    file = tmp_path / "file.ndjson"
    file.write_text("".join(f"{one.model_dump_json()}\n" for one in [*everything[:3], stale, *everything[4:58]]))
    told = command(fresh, "verify", str(file))
    assert told.returncode == 1, told.stderr
    assert json.loads(told.stdout) == {"missing": 2, "stale": 1, "newer": 1, "extra": 1}
    mended = command(fresh, "verify", str(file), "--repair")
    assert mended.returncode == 1
    assert json.loads(mended.stdout)["after_repair"] == {"missing": 0, "stale": 0, "newer": 1, "extra": 1}
    refused = command(fresh, "verify", str(file), "--repair", "--delete-extra")
    assert refused.returncode == 2
    assert "--whole" in refused.stderr
    assert document_id(ORGANIZATION, stranger.uid) in stored(fresh, current(fresh))
    mended = command(fresh, "verify", str(file), "--repair", "--delete-extra", "--whole")
    assert mended.returncode == 0, mended.stderr
    assert json.loads(mended.stdout)["after_repair"] == {"missing": 0, "stale": 0, "newer": 1, "extra": 0}
    expected = [*everything[:3], stale, *everything[4:58], later, *elsewhere]
    assert stored(fresh, current(fresh)) == {
        document_id(one.organization_uid, one.uid): one.version for one in expected
    }
    again = command(fresh, "verify", str(file))
    assert again.returncode == 0
    assert command(fresh, "verify").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("reindex", "--and-index"), 2, "needs files"),
        (("reindex", "--files-only"), 2, "needs files"),
        (("verify", "--against", "nothing"), 1, "there is no index nothing"),
        (("verify", "--against", "nothing", "--delete-extra"), 2, "needs --repair"),
    ],
)
def test_wrong_use_is_told(arguments: tuple[str, ...], code: int, says: str, fresh: Cluster) -> None:
    fresh.load([])
    done = command(fresh, *arguments)
    assert done.returncode == code
    assert says in done.stderr


def test_a_lock_is_let_go_though_a_beat_was_cancelled_before_its_answer_came(fresh: Cluster) -> None:
    """As at the end of every reindex, when the beats are stopped."""
    rng = random.Random(5)

    async def beat_and_let_go(client: Client) -> None:
        for _ in range(15):
            lock = await Lock.acquire(client, fresh.settings.alias, State("reindex", "swap", "old", "new"))
            beat = asyncio.create_task(lock.save())
            await asyncio.sleep(rng.random() * 0.02)  # the moment is anyone's guess
            beat.cancel()
            await asyncio.gather(beat, return_exceptions=True)
            await lock.release()
            assert await reindex_lock.read(client, fresh.settings.alias) is None

    fresh.act(beat_and_let_go)


def test_a_small_index_is_copied_in_a_few_requests(fresh: Cluster) -> None:
    """Its ranges hold a document or two each: they are read and written together."""
    fresh.load(corpus()[:300])
    done = command(fresh, "-v", "reindex")
    assert done.returncode == 0, done.stderr
    backfill = done.stderr.partition("reindex: backfill\n")[2].partition("reindex: verify\n")[0]
    assert 1 <= backfill.count("/_bulk") <= 3, backfill
    assert backfill.count("/_search/point_in_time") <= 6
