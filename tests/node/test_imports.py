"""Imports into a real index: in parts, repeated, in parallel, after deletions, and after a reindex."""

from __future__ import annotations

import asyncio
import gzip
import json
import random
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from service.client import Client
from service.imports import importer, lock
from service.index import mapping
from service.index.writer import Result, Write, Writer, deletion_of
from service.reindex import commands, first_index
from service.reindex.context import Job
from service.sources import mail
from service.sources.facts import Hasher
from service.sources.mailbox import RawMessage, read
from service.sources.message import Message, parse
from service.sources.spool import Piece
from tests.import_model import shown
from tests.mail_imports import SAMPLE, numbered, raw
from tests.node.clusters import Cluster
from tests.node.importing import documents, import_into, items


@pytest.fixture(scope="module")
def archive() -> list[RawMessage]:
    return list(read(SAMPLE))


def test_random_parts_in_any_order_end_in_the_same_conversations(fresh: Cluster, archive: list[RawMessage]) -> None:
    async def run(client: Client) -> None:
        whole = uuid4()
        outcome = await import_into(client, fresh, whole, archive)
        assert (outcome.there, outcome.deleted) == (0, 0)
        expected = [one.model_copy(update={"party_uid": None, "organization_uid": whole})
                    for one in await items(client, fresh, whole)]  # fmt: skip
        for seed in range(1):
            dice = random.Random(seed)
            organization = uuid4()
            order = dice.sample(archive, len(archive))
            cut = dice.randrange(len(order))
            total = 0
            for part in (order[:cut], order[cut:], order[: cut // 2]):
                total += (await import_into(client, fresh, organization, part)).in_conversations
            assert total == outcome.in_conversations
            found = [one.model_copy(update={"party_uid": None, "organization_uid": whole})
                     for one in await items(client, fresh, organization)]  # fmt: skip
            assert shown(found) == shown(expected)
            again = await import_into(client, fresh, organization, archive)
            assert (again.in_conversations, again.tally.written) == (0, 0)
            assert again.there == outcome.in_conversations

    fresh.act(run)


def test_200_random_partitions_of_an_archive_end_in_the_same_conversations(fresh: Cluster) -> None:
    """Each has an organization of its own; 20 run at once. Replies may come before their originals, or twice."""
    messages = list(read(SAMPLE.with_name("twisted-python-july.mbox.gz")))

    async def run(client: Client) -> None:
        async def one(seed: int) -> None:
            dice = random.Random(seed)
            start = dice.randrange(len(messages) - 16)
            some = messages[start : start + 16]
            organization = uuid4()
            kind = mail.Mail(Hasher(organization), mail.Own(), mail.Rules())
            with mail.spool(kind) as spool:
                spool.fill(((kind.fact(one), one) for one in map(parse, some)), lambda _message: None)
                groups = spool.conversations()
                expected = list(mail.made(kind, organization, groups, reject=lambda *_: None, counts=mail.Counts()))
            order = dice.sample(some, len(some))
            cut = dice.randrange(1, len(order))
            for part in (order[:cut], order[cut:], *([order[:cut]] if seed % 4 == 0 else [])):
                await import_into(client, fresh, organization, part)
            found = await items(client, fresh, organization)
            assert shown(found) == shown(expected), seed

        await first_index.ensure(client, fresh.settings.alias, mapping.load(), settings={})
        for begin in range(0, 200, 20):
            await asyncio.gather(*(one(seed) for seed in range(begin, begin + 20)))

    fresh.act(run)


def test_deletions_win_until_they_are_restored(fresh: Cluster, archive: list[RawMessage]) -> None:
    async def run(client: Client) -> None:
        organization = uuid4()
        before = await import_into(client, fresh, organization, archive)
        largest = max(await items(client, fresh, organization), key=lambda one: one.message_count or 0)
        deleted_on = largest.updated_on.replace(year=largest.updated_on.year + 1)
        await Writer(client, fresh.settings.alias).write([deletion_of(organization, largest.uid, deleted_on)])
        again = await import_into(client, fresh, organization, archive)
        assert (again.in_conversations, again.deleted) == (0, largest.message_count)
        assert again.there == before.in_conversations - again.deleted
        assert largest.uid not in {one.uid for one in await items(client, fresh, organization)}
        back = await import_into(client, fresh, organization, archive, restores=True)
        assert (back.in_conversations, back.deleted) == (largest.message_count, 0)
        found = {one.uid: one for one in await items(client, fresh, organization)}
        assert found[largest.uid].message_count == largest.message_count
        assert found[largest.uid].updated_on > deleted_on

    fresh.act(run)


def test_import_records_survive_a_reindex_and_are_no_conversations(fresh: Cluster, archive: list[RawMessage]) -> None:
    async def run(client: Client) -> None:
        organization = uuid4()
        half = archive[::2]
        await import_into(client, fresh, organization, half)
        before = sorted(map(json.dumps, await documents(client, fresh, organization, "record")))
        assert len(before) == len(await items(client, fresh, organization))
        await commands.begin(Job(client, fresh.settings.alias, mapping.load(), lease=0.2))
        await client.indices.refresh(index=fresh.settings.alias)
        assert sorted(map(json.dumps, await documents(client, fresh, organization, "record"))) == before
        again = await import_into(client, fresh, organization, half)
        assert (again.in_conversations, again.tally.written) == (0, 0)

    fresh.act(run)


def test_two_importers_at_once_lose_nothing(fresh: Cluster, tmp_path: Path) -> None:
    organization = uuid4()
    text = gzip.decompress(SAMPLE.read_bytes())
    parts = text.split(b"\n\nFrom ")
    for name, some in (("one", parts[::2]), ("two", parts[1::2])):
        (tmp_path / name).write_bytes(b"\n\n".join((b"From " + one).replace(b"From From ", b"From ") for one in some))
    fresh.act(lambda client: first_index.ensure(client, fresh.settings.alias, mapping.load(), settings={}))

    def start(name: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "service", "import-mail", str(tmp_path / name)]
        return subprocess.Popen(
            [*command, "--organization", str(organization), "--rejects", str(tmp_path / f"{name}.rejects")],
            env=fresh.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip

    running = [start("one"), start("two")]
    records = []
    for process in running:
        out, said = process.communicate(timeout=120)
        assert process.returncode == 0, said
        records.append(json.loads(out))

    async def check(client: Client) -> None:
        both = uuid4()
        messages = [*read(tmp_path / "one"), *read(tmp_path / "two")]
        await import_into(client, fresh, both, messages)
        same = {"party_uid": None, "organization_uid": both}
        found = [one.model_copy(update=same) for one in await items(client, fresh, organization)]
        expected = [one.model_copy(update=same) for one in await items(client, fresh, both)]
        assert shown(found) == shown(expected)

    fresh.act(check)
    assert all(one["messages"] == one["in_conversations"] + one["already_there"] + one["duplicates"] for one in records)


class Killed(Exception):
    pass


@contextmanager
def killed_at(number: int) -> Iterator[None]:
    """The write request with this number and all later ones raise Killed instead."""
    send = Writer.write
    left = iter(range(number - 1))

    async def write(self: Writer, writes: Any, **options: Any) -> Any:
        if next(left, None) is None:
            raise Killed
        return await send(self, writes, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Writer, "write", write)
        yield


def test_an_import_that_ends_between_two_writes_is_completed_by_the_same_import(
    fresh: Cluster, archive: list[RawMessage]
) -> None:
    async def run(client: Client) -> None:
        whole = uuid4()
        half, rest = archive[::2], archive
        await import_into(client, fresh, whole, rest)
        same = {"party_uid": None, "organization_uid": whole}
        expected = [one.model_copy(update=same) for one in await items(client, fresh, whole)]
        for request in range(1, 5):
            organization = uuid4()
            await import_into(client, fresh, organization, half)
            with suppress(Killed), killed_at(request):  # the import may need fewer requests
                await import_into(client, fresh, organization, rest)
                assert request > 1
            again = await import_into(client, fresh, organization, rest)
            assert again.in_conversations + again.there == len({parse(one).id for one in rest})
            found = [one.model_copy(update=same) for one in await items(client, fresh, organization)]
            assert shown(found) == shown(expected)

    fresh.act(run)


def test_the_lock_is_released_even_if_the_answer_to_a_heartbeat_is_lost(fresh: Cluster) -> None:
    async def run(client: Client) -> None:
        organization = uuid4()
        async with lock.holding(client, fresh.settings.alias, organization) as lease:
            known = lease._revision
            assert known is not None
            assert await lease._put(known)
            lease._revision = known  # as if the heartbeat was cancelled before its answer came
        next_one = lock.Lease(client, fresh.settings.alias, organization)
        await asyncio.wait_for(next_one.acquire(), 10)  # and not only after DEAD_AFTER_SECONDS

    fresh.act(run)


def test_the_lock_of_a_dead_import_is_taken_over(fresh: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock, "DEAD_AFTER_SECONDS", 1.0)
    monkeypatch.setattr(lock, "BEAT_SECONDS", 0.1)  # far more often, also on a busy machine

    async def run(client: Client) -> None:
        organization = uuid4()
        async with lock.holding(client, fresh.settings.alias, organization) as living:
            of_the_dead = uuid4()
            await lock.Lease(client, fresh.settings.alias, of_the_dead).acquire()
            async with lock.holding(client, fresh.settings.alias, of_the_dead) as lease:
                lease.require()
            waiting = asyncio.create_task(lock.Lease(client, fresh.settings.alias, organization).acquire())
            await asyncio.sleep(2.5)  # longer than a dead import would keep the lock
            assert not waiting.done()
            living.require()
        await asyncio.wait_for(waiting, 10)

    fresh.act(run)


def test_an_import_that_loses_its_lock_counts_and_rejects_each_message_once(
    fresh: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock is lost before or after one of the writes. The writer rejects the conversation "Refused"."""
    subjects = ("Refused", "Hello", "Lunch", "Trains")
    messages = [parse(raw(numbered(at, Subject=subject))) for at, subject in enumerate(subjects)]
    messages.append(parse(raw(numbered(9, Message_ID="<1@x>", Subject="Another one with the id of Hello"))))
    monkeypatch.setattr(importer, "BATCH_MESSAGES", 1)  # each conversation is a batch
    send, require = Writer.write, lock.Lease.require
    losses: list[int] = []
    rejected: list[str | None] = []

    def reject(pieces: Sequence[Piece[Message]], _why: str) -> None:
        rejected.extend(piece.message.subject for piece in pieces)

    async def write(self: Writer, writes: list[Write], **options: Any) -> list[Result]:
        done = await send(self, [one for one in writes if b"Refused" not in one.source], **options)
        return [Result("rejected") if b"Refused" in one.source else done.pop(0) for one in writes]

    def lost(self: lock.Lease) -> None:
        losses[0] -= 1
        if losses[0] == 0:
            raise lock.LeaseLost
        require(self)

    monkeypatch.setattr(Writer, "write", write)
    monkeypatch.setattr(lock.Lease, "require", lost)

    async def run(client: Client) -> None:
        await first_index.ensure(client, fresh.settings.alias, mapping.load(), settings={})
        unchanged = set()
        for number in (0, *range(1, 24, 4)):  # 0: the lock is never lost
            losses[:] = [number]
            organization = uuid4()
            kind = mail.Mail(Hasher(organization), mail.Own(), mail.Rules())
            rejected.clear()
            importing = importer.Importer(client, fresh.settings.alias, organization, kind, reject)
            with mail.spool(kind) as spool:
                spool.fill(((kind.fact(one), one) for one in messages), lambda _message: None)
                found = await importing.run(spool.conversations)
            assert losses[0] < 0, number
            assert rejected == ["Refused"], number
            assert (found.in_conversations + found.there, found.same_ids, found.shortened) == (3, 1, 0), number
            assert (found.tally.written, found.tally.rejected) == (3, 1), number
            unchanged.add(found.tally.unchanged)
            assert len(await items(client, fresh, organization)) == 3
        assert unchanged == {0, 1, 2, 3}

    fresh.act(run)
