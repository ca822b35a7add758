"""The first index of an alias: created once, also by parallel callers, and only by commands that are told to."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from service.client import Client
from service.index import aliases, mapping
from service.reindex import first_index
from service.reindex.lock import LOOK, State
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


def test_parallel_creations_leave_one_index(fresh: Cluster, request: pytest.FixtureRequest) -> None:
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
    request.getfixturevalue("dead_owners_are_known_sooner")
    assert fresh.act(lambda client: first_index.ensure(client, fresh.settings.alias, mapping.load()))[1]


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


def test_run_loads_no_sample_into_an_existing_index(fresh: Cluster) -> None:
    fresh.load([])
    running = begun(fresh, "run", "--port", "0", until="Found the index")
    assert running.stdout is not None
    for line in running.stdout:
        if "ctrl-C" in line:
            break
    running.terminate()
    running.communicate(timeout=60)
    assert stored(fresh, current(fresh)) == {}
