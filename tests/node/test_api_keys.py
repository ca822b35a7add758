"""API keys: created, listed, used and revoked, on a real cluster."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from service.errors import NotFound
from service.identity import api_keys, key_ring
from service.identity.api_keys import Store
from tests.commands import run_here
from tests.corpus import AGENTS, ORGANIZATIONS
from tests.node.asking import BULK, error
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving
from tests.processes import wait_until

READ, WRITE = "conversations:read", "conversations:write"


@pytest.fixture
def served(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Api]:
    """A service that reads the keys every 0.2 seconds."""
    monkeypatch.setattr(key_ring, "FRESH_SECONDS", 0.2)
    monkeypatch.setattr(key_ring, "PAUSE_SECONDS", 0.1)
    yield from serving(cluster.settings, cluster.url)
    httpx.delete(f"{cluster.url}/{api_keys.keys_index(cluster.settings.alias)}").raise_for_status()


def command(cluster: Cluster, *arguments: str) -> str:
    done = run_here(("key", *arguments), environment=cluster.environment, folder=Path.cwd())
    assert done.returncode == 0, done.stderr
    return done.stdout


def make(cluster: Cluster, *arguments: str, name: str = "test") -> str:
    return command(cluster, "create", "--name", name, *arguments).strip()


def test_a_key_works_from_its_command_until_it_is_revoked(served: Api, cluster: Cluster) -> None:
    assert json.loads(command(cluster, "list", "--json")) == []
    one = ("--organization", str(ORGANIZATIONS[0]))
    key = make(cluster, *one, "--scope", READ, name="CRM")
    writer = make(cluster, *one, "--organization", str(ORGANIZATIONS[1]), "--scope", WRITE, "--expires", "1h")
    restricted = make(cluster, *one, "--scope", READ, "--agent", str(AGENTS[0]))
    wait_until(lambda: served.get("/api/conversations", key).status_code == 200)

    assert served.conversations(key)["data"]["pagination"]["total"] == 1_600
    mine = served.conversations(restricted)["data"]
    assert {item["agent_uid"] for item in mine["items"]} == {str(AGENTS[0])}
    error(served.get("/api/conversations/export", key), 403, "forbidden")
    error(served.get("/api/conversations", key, params={"organization_uid": str(ORGANIZATIONS[1])}), 403, "forbidden")
    headers = {"Authorization": f"Bearer {writer}"}
    assert served.http.post(f"{served.address}{BULK}", content=b"", headers=headers).status_code == 200
    error(served.http.post(f"{served.address}{BULK}", headers={"Authorization": f"Bearer {key}"}), 403, "forbidden")
    error(
        served.get("/api/conversations", key[:-1] + "x" * (key[-1] != "x") + "y" * (key[-1] == "x")),
        401,
        "unauthorized",
    )

    listed = {entry["name"]: entry for entry in json.loads(command(cluster, "list", "--json"))}
    assert listed["CRM"]["scopes"] == [READ]
    assert listed["CRM"]["is_active"]
    stored = httpx.get(f"{cluster.url}/{api_keys.keys_index(cluster.settings.alias)}/_search").text
    for text in (key, writer, restricted):
        assert text.split("_", 2)[2] not in stored + json.dumps(listed)

    key_id = key.split("_")[1]
    assert json.loads(command(cluster, "revoke", key_id)) == {"id": key_id, "revoked": True}
    assert json.loads(command(cluster, "revoke", key_id)) == {"id": key_id, "revoked": False}
    wait_until(lambda: served.get("/api/conversations", key).status_code == 401)
    assert "revoked" in error(served.get("/api/conversations", key), 401, "unauthorized")["message"]
    assert served.get("/api/conversations", restricted).status_code == 200
    assert {row["id"] for row in json.loads(command(cluster, "list", "--json")) if not row["is_active"]} == {key_id}


def test_keys_that_expired_long_ago_are_removed(served: Api, cluster: Cluster) -> None:
    def store(action: Any) -> Any:
        return cluster.act(lambda client: action(Store(client, cluster.settings.alias)))

    def new(lifetime: timedelta, ago: timedelta) -> Any:
        key = api_keys.new("old", [ORGANIZATIONS[0]], scopes=[READ], lifetime=lifetime)
        return msgspec.structs.replace(
            key, created_on=datetime.now(UTC) - ago, expires_on=datetime.now(UTC) - ago + lifetime
        )

    old, _ = store(lambda keys: keys.create(new(timedelta(days=1), timedelta(days=100))))
    recent, _ = store(lambda keys: keys.create(new(timedelta(days=1), timedelta(days=30))))
    store(lambda keys: keys.create(api_keys.new("x", [ORGANIZATIONS[0]], scopes=[READ], lifetime=timedelta(days=1))))
    found = store(lambda keys: keys.all())
    assert (old in found.keys, recent in found.keys, len(found.keys)) == (False, True, 2)
    with pytest.raises(NotFound, match="there is no API key"):
        store(lambda keys: keys.revoke("0" * 16, datetime.now(UTC)))


def test_a_malformed_key_document_disables_no_other_key(served: Api, cluster: Cluster) -> None:
    own = ("--organization", str(ORGANIZATIONS[0]), "--scope", READ)
    key = make(cluster, *own)
    index, odd = api_keys.keys_index(cluster.settings.alias), "0" * 16
    httpx.put(f"{cluster.url}/{index}/_doc/{odd}?refresh=true", json={"name": 1}).raise_for_status()
    wait_until(lambda: served.get("/api/conversations", key).status_code == 200)
    listed = run_here(("key", "list", "-o", "name"), environment=cluster.environment, folder=Path.cwd())
    assert listed.stdout.split() == [key.split("_")[1]]
    assert f"The API key {odd} has another shape" in listed.stderr
    revoked = run_here(("key", "revoke", odd), environment=cluster.environment, folder=Path.cwd())
    assert revoked.returncode == 1
    assert f"delete the document {odd} of the index {index}" in revoked.stderr
    command(cluster, "revoke", key.split("_")[1])
    make(cluster, *own)


def test_no_key_is_created_beyond_the_size_of_one_response(
    served: Api, cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = ("--organization", str(ORGANIZATIONS[0]), "--scope", READ)
    make(cluster, *own)
    monkeypatch.setattr(api_keys, "MOST_BYTES", 500)
    refused = run_here(("key", "create", "--name", "test", *own), environment=cluster.environment, folder=Path.cwd())
    assert refused.returncode == 1
    assert "the API keys would have more than 500 bytes: revoke those that are not used" in refused.stderr
    assert len(json.loads(command(cluster, "list", "--json"))) == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--name", " ", "--scope", READ), "--name must have"),
        (("--name", "a" * 101, "--scope", READ), "--name must have"),
        (("--name", "a", "--scope", READ, "--default", str(ORGANIZATIONS[1])), "--default must be one"),
        (("--name", "a", "--scope", WRITE, "--agent", str(AGENTS[0])), "restrict reading"),
        (("--name", "a"), "--scope"),
        (("--name", "a", "--scope", READ, *("--agent", str(AGENTS[0])) * 1_001), "at most 1,000 times"),
        (("--name", "a", "--scope", "everything"), "--scope"),
    ],
)
def test_invalid_options_of_a_new_key_are_refused(cluster: Cluster, arguments: tuple[str, ...], says: str) -> None:
    command = ("key", "create", "--organization", str(ORGANIZATIONS[0]), *arguments)
    done = run_here(command, environment=cluster.environment, folder=Path.cwd())
    assert done.returncode == 2
    assert says in done.stderr
