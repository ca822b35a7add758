"""Shards, replicas and refresh interval: chosen by options or the environment, kept by a reindex, checked."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

from service.client import Client
from service.index import aliases
from service.reindex.lock import Lock, State
from tests.commands import run_here
from tests.corpus import corpus
from tests.node.clusters import Cluster

VARIABLES = ("CONVERSATIONS_SHARDS", "CONVERSATIONS_REPLICAS", "CONVERSATIONS_REFRESH_INTERVAL")


def command(cluster: Cluster, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in cluster.environment.items() if name not in VARIABLES}
    return run_here(arguments, environment=given | {"CONVERSATIONS_WRITE_LEASE": "0.5"} | variables, folder=Path.cwd())


def held(cluster: Cluster) -> tuple[str, str, str | None]:
    """Shards, replicas and refresh interval of the index that is read."""

    async def read(client: Client) -> Any:
        name = await aliases.current_index(client, cluster.settings.alias)
        return (await client.indices.get_settings(index=name))[name]["settings"]["index"]

    found = cluster.act(read)
    return found["number_of_shards"], found["number_of_replicas"], found.get("refresh_interval")


def change(cluster: Cluster, **settings: str | int | None) -> None:
    body = {"index": settings}
    cluster.act(lambda client: client.indices.put_settings(index=cluster.settings.alias, body=body))


def test_the_defaults_are_one_shard_no_replica_and_a_refresh_each_second(fresh: Cluster) -> None:
    assert command(fresh, "create").returncode == 0
    assert held(fresh) == ("1", "0", "1s")


def test_options_override_the_environment_and_that_overrides_the_defaults(fresh: Cluster) -> None:
    variables = {"CONVERSATIONS_SHARDS": "2", "CONVERSATIONS_REFRESH_INTERVAL": "5s"}
    made = command(fresh, "create", "--shards", "3", "--replicas", "0", **variables)
    assert made.returncode == 0, made.stderr
    assert held(fresh) == ("3", "0", "5s")
    status = json.loads(command(fresh, "status", "-o", "json").stdout)
    index = status["indices"][0]
    assert (index["shards"], index["replicas"], index["refresh_interval"]) == (3, 0, "5s")
    assert status["problem"] is None  # they are no part of the mapping's checksum


def test_options_that_change_nothing_are_reported(fresh: Cluster) -> None:
    assert command(fresh, "create").returncode == 0
    again = command(fresh, "create", "--shards", "3", "--refresh-interval", "5s")
    assert json.loads(again.stdout)["created"] is False
    assert "--shards and --refresh-interval changed nothing" in again.stderr
    assert held(fresh) == ("1", "0", "1s")


def test_a_reindex_keeps_the_settings_of_the_index_unless_options_change_them(fresh: Cluster) -> None:
    assert command(fresh, "create", "--shards", "2", "--refresh-interval", "3s").returncode == 0
    assert fresh.load(corpus()[:100]).written == 100
    change(fresh, number_of_replicas=1, refresh_interval="9s")
    assert command(fresh, "reindex").returncode == 0
    assert held(fresh) == ("2", "1", "9s")
    done = command(fresh, "reindex", "--shards", "3", CONVERSATIONS_REPLICAS="0")
    assert done.returncode == 0, done.stderr
    assert held(fresh) == ("3", "0", "9s")
    status = json.loads(command(fresh, "status", "-o", "json").stdout)
    assert status["conversations"] == 100
    assert {index["differing_ranges"] for index in status["indices"]} == {None, 0}


def test_a_number_of_replicas_overrides_auto_expand_replicas(fresh: Cluster) -> None:
    fresh.load([])
    change(fresh, auto_expand_replicas="0-2", refresh_interval=None)
    name = json.loads(command(fresh, "reindex").stdout)["index"]
    settings = fresh.act(lambda client: client.indices.get_settings(index=name))[name]["settings"]["index"]
    assert settings["auto_expand_replicas"] == "0-2"
    assert "refresh_interval" not in settings
    assert command(fresh, "reindex", "--replicas", "1").returncode == 0
    assert held(fresh)[1] == "1"


def test_a_dry_run_shows_the_settings_and_a_resumed_reindex_keeps_them(fresh: Cluster) -> None:
    fresh.load(corpus()[:10])
    planned = json.loads(command(fresh, "reindex", "--dry-run", "--shards", "4", "--refresh-interval", "-1").stdout)
    assert (planned["shards"], planned["replicas"], planned["refresh_interval"]) == (4, 0, "-1")
    alias = fresh.settings.alias

    async def begin_and_die(client: Client) -> None:
        old = await aliases.current_index(client, alias)
        assert old is not None
        new = f"{alias}-20240101t000000000-{old.rpartition('-')[2]}"
        await Lock.acquire(client, alias, State("reindex", "create", old, new, index_settings={"number_of_shards": 4}))

    fresh.act(begin_and_die)
    refused = command(fresh, "reindex", "--resume", "--shards", "2")
    assert refused.returncode == 2
    assert "--resume uses the settings of the interrupted reindex: leave out --shards" in refused.stderr
    resumed = command(fresh, "reindex", "--resume", CONVERSATIONS_SHARDS="2")
    assert resumed.returncode == 0, resumed.stderr
    assert held(fresh)[0] == "4"
