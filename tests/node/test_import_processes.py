"""Imports that are killed, or that meet writes by the API, deletions, overlapping backups and a reindex."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest

from service.client import Client
from service.imports import lock
from service.imports.importer import Importer
from service.index import mapping
from service.index.writer import Write, Writer, deletion_of, write_of
from service.reindex import first_index
from service.sources.mailbox import RawMessage, read
from service.times import parse_time
from tests.node.clusters import Cluster
from tests.node.importing import import_into, items
from tests.node.reindexing import command
from tests.processes import WAIT_SECONDS, end_with_the_test

START = datetime(2024, 1, 1, tzinfo=UTC)


def letter(number: int, original: int | None = None) -> bytes:
    one = EmailMessage()
    one["From"], one["To"] = f"person{number}@example.com", "help@example.com"
    one["Subject"] = f"Letter {number}" if original is None else f"Re: Letter {original}"
    one["Date"] = START + timedelta(minutes=number)
    one["Message-ID"] = f"<{number}@example.com>"
    if original is not None:
        one["In-Reply-To"] = f"<{original}@example.com>"
    one.set_content("Hello")
    return b"From x@example.com Mon Jan  1 00:00:00 2024\n" + one.as_bytes() + b"\n"


def mbox(path: Path, letters: list[bytes]) -> list[RawMessage]:
    path.write_bytes(b"".join(letters))
    return list(read(path))


def importing(cluster: Cluster, kind: str, path: Path, organization: UUID, *options: str) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "service", f"import-{kind}", str(path), "--organization", str(organization),
         "--rejects", str(path.with_suffix(".rejects")), *options],
        env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end_with_the_test(process)
    return process


def summary(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, said = process.communicate(timeout=WAIT_SECONDS)
    assert process.returncode == 0, said
    told: dict[str, Any] = json.loads(out)
    return told


def ensure_index(cluster: Cluster) -> None:
    cluster.act(lambda client: first_index.ensure(client, cluster.settings.alias, mapping.load(), settings={}))


def test_an_import_that_is_killed_is_completed_by_the_same_import(
    fresh: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lock, "DEAD_AFTER_SECONDS", 1.5)
    threads, organization, path = 800, uuid4(), tmp_path / "mail.mbox"
    originals, replies = map(letter, range(threads)), (letter(threads + number, number) for number in range(threads))
    messages = mbox(path, [*originals, *replies])
    ensure_index(fresh)
    process = importing(fresh, "mail", path, organization)
    stored = 0
    while not stored and process.poll() is None:
        fresh.act(lambda client: client.indices.refresh(index=fresh.settings.alias))
        stored = len(fresh.act(lambda client: items(client, fresh, organization)))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (process.returncode, 0 < stored < threads) == (-signal.SIGKILL, True)
    outcome = fresh.act(lambda client: import_into(client, fresh, organization, messages))
    assert outcome.in_conversations + outcome.there == len(messages)
    found = fresh.act(lambda client: items(client, fresh, organization))
    assert [one.message_count for one in found] == [2] * threads


@pytest.mark.parametrize("deletes", [False, True])
def test_a_write_by_the_api_during_an_import_is_kept(
    fresh: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deletes: bool
) -> None:
    organization, agent = uuid4(), uuid4()
    first = mbox(tmp_path / "first", [letter(1)])
    second = mbox(tmp_path / "second", [letter(1), letter(2, 1)])
    plan = Importer._plan

    async def run(client: Client) -> None:
        await import_into(client, fresh, organization, first)
        (before,) = await items(client, fresh, organization)
        now = parse_time(datetime.now(UTC))
        changed = before.model_copy(update={"status": "closed", "agent_uid": agent, "updated_on": now})
        write: Write = deletion_of(organization, before.uid, now) if deletes else write_of(changed)
        told: list[str] = []

        async def planned(self: Importer[Any], pieces: Any) -> Any:
            changes = await plan(self, pieces)
            if not told:
                told.extend(one.outcome for one in await Writer(client, fresh.settings.alias).write([write]))
            return changes

        monkeypatch.setattr(Importer, "_plan", planned)
        outcome = await import_into(client, fresh, organization, second)
        assert told == ["written"]
        found = await items(client, fresh, organization)
        if deletes:
            assert (found, outcome.deleted) == ([], 2)
        else:
            (item,) = found
            assert (item.status, item.agent_uid, item.message_count) == ("closed", agent, 2)
            assert (outcome.in_conversations, outcome.there) == (1, 1)

    fresh.act(run)


def test_a_deletion_outlives_its_tombstone_and_can_be_restored(fresh: Cluster, tmp_path: Path) -> None:
    organization = uuid4()
    messages = mbox(tmp_path / "mail", [letter(1), letter(2, 1)])
    fresh.act(lambda client: import_into(client, fresh, organization, messages))
    (item,) = fresh.act(lambda client: items(client, fresh, organization))
    deletion = deletion_of(organization, item.uid, parse_time(datetime.now(UTC) - timedelta(hours=2)))
    fresh.act(lambda client: Writer(client, fresh.settings.alias).write([deletion]))
    fresh.act(lambda client: client.indices.refresh(index=fresh.settings.alias))
    pruned = command(fresh, "prune", "--keep", "1", "--tombstones", "1h")
    assert "1 old tombstone removed" in pruned.stderr
    again = fresh.act(lambda client: import_into(client, fresh, organization, messages))
    assert (again.in_conversations, again.deleted) == (0, 2)
    back = fresh.act(lambda client: import_into(client, fresh, organization, messages, restores=True))
    assert (back.in_conversations, back.deleted) == (2, 0)
    (restored,) = fresh.act(lambda client: items(client, fresh, organization))
    assert (restored.uid, restored.message_count) == (item.uid, 2)
    idle = fresh.act(lambda client: import_into(client, fresh, organization, messages))
    assert (idle.there, idle.tally.written) == (2, 0)


def sms(path: Path, days: range) -> Path:
    start = int(START.timestamp() * 1000)
    rows = [
        f'<sms address="{"+49 170 1234567" if day % 3 else "0170 1234567"}" date="{start + day * 86_400_000}" '
        f'type="{1 + day % 2}" body="Text {day}" read="1"/>'
        for day in days
    ]
    path.write_text(f"<smses>{''.join(rows)}</smses>")
    return path


@pytest.mark.parametrize("gap", [(), ("--gap", "2d")])
def test_overlapping_backups_in_parallel_import_each_message_once(
    fresh: Cluster, tmp_path: Path, gap: tuple[str, ...]
) -> None:
    organization = uuid4()
    ensure_index(fresh)
    options = ("--region", "DE", *gap)
    parts = [range(5), range(12, 20), range(3, 14)]  # the last one fills the gap
    running = [
        importing(fresh, "sms", sms(tmp_path / f"{number}.xml", days), organization, *options)
        for number, days in enumerate(parts)
    ]
    told = [summary(process) for process in running]
    assert sum(one["in_conversations"] for one in told) == 20
    assert sum(one["already_there"] for one in told) == sum(map(len, parts)) - 20
    again = summary(importing(fresh, "sms", sms(tmp_path / "all.xml", range(20)), organization, *options))
    assert (again["already_there"], again["written"]) == (20, 0)
    found = fresh.act(lambda client: items(client, fresh, organization))
    assert [one.message_count for one in found] == [20]


def test_a_reindex_from_files_alone_says_that_it_leaves_out_import_records(fresh: Cluster, tmp_path: Path) -> None:
    organization, file = uuid4(), tmp_path / "all.ndjson"
    messages = mbox(tmp_path / "mail", [letter(1), letter(2, 1), letter(3)])
    fresh.act(lambda client: import_into(client, fresh, organization, messages))
    assert command(fresh, "export", str(file), "--organization", str(organization)).returncode == 0
    plan = json.loads(command(fresh, "reindex", "--dry-run", str(file)).stdout)
    assert (plan["documents"], plan["import_records"]) == (4, 2)
    done = command(fresh, "reindex", str(file), "--files-only")
    assert done.returncode == 0, done.stderr
    assert "2 import records (import all mail and SMS again afterwards)" in done.stderr
    for already, expected in ((0, 3), (3, 0)):
        outcome = fresh.act(lambda client: import_into(client, fresh, organization, messages))
        assert (outcome.there, outcome.in_conversations) == (already, expected)
    found = fresh.act(lambda client: items(client, fresh, organization))
    assert sorted(one.message_count or 0 for one in found) == [1, 2]
