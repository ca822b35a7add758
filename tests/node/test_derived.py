"""An index with another version of derived fields: the service and the commands report it, and a reindex repairs it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest

from service.client import Client
from service.conversation import STATUSES, Conversation
from service.index import aliases, mapping
from service.index.write_targets import writes_alias
from service.index.writer import write, write_of
from service.stored_documents import DERIVED_VERSION, order_fields
from tests.commands import run_here
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.clusters import Cluster
from tests.node.serving import Api, serving

ORGANIZATION = ORGANIZATIONS[0]
OTHER = DERIVED_VERSION + 1
SAYS = f"derived fields of version {OTHER}, this service needs version {DERIVED_VERSION}"


def command(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = cluster.environment | {"CONVERSATIONS_WRITE_LEASE": "0.5"}
    return run_here(arguments, environment=environment, folder=Path.cwd())


def conversations() -> list[Conversation]:
    """Conversations of one organization: some of each status, and some without a status."""
    mine = [one for one in corpus() if one.organization_uid == ORGANIZATION]
    statuses = (None, *STATUSES)
    return [one.model_copy(update={"status": statuses[at % 5]}) for at, one in enumerate(mine[:50])]


@pytest.fixture
def derived_otherwise(fresh: Cluster) -> Cluster:
    """An index with another version of derived fields, which sort the statuses in another order."""
    numbers = {"draft": 0, "closed": 1, "archived": 2, "active": 3}

    def otherwise(one: Conversation) -> bytes:
        document = msgspec.json.decode(write_of(one).source)
        if one.status is not None:
            document["order"]["status"] = numbers[one.status]
        return msgspec.json.encode(document)

    async def make(client: Client) -> None:
        alias = fresh.settings.alias
        other = replace(mapping.load(), derived_version=OTHER)
        await aliases.create(client, alias, other, aliases=(alias, writes_alias(alias)))
        await write(client, alias, [replace(write_of(one), source=otherwise(one)) for one in conversations()])

    fresh.act(make)
    return fresh


@pytest.fixture
def api(derived_otherwise: Cluster) -> Iterator[Api]:
    yield from serving(derived_otherwise.settings, derived_otherwise.url)


def test_another_version_of_derived_fields_is_reported_by_commands(derived_otherwise: Cluster) -> None:
    served = command(derived_otherwise, "serve", "--port", "0")
    assert (served.returncode, SAYS in served.stderr) == (1, True), served.stderr
    status = command(derived_otherwise, "status", "-o", "json")
    found = json.loads(status.stdout)
    assert status.returncode == 1
    assert SAYS in found["problem"]
    assert "run 'conversations reindex'" in found["problem"]
    assert (found["indices"][0]["derived_version"], found["derived_version_of_service"]) == (OTHER, DERIVED_VERSION)
    checks = [json.loads(line) for line in command(derived_otherwise, "doctor", "--json").stdout.splitlines()]
    mapping_check = next(check for check in checks if check["check"] == "mapping")
    assert (mapping_check["verdict"], SAYS in mapping_check["found"]) == ("failed", True)
    assert "conversations reindex" in mapping_check["advice"]
    created = command(derived_otherwise, "create")
    assert (created.returncode, SAYS in created.stderr) == (1, True), created.stderr
    planned = json.loads(command(derived_otherwise, "reindex", "--dry-run").stdout)
    assert (planned["mapping_changes"], SAYS in planned["problem"]) == (True, True)


def test_another_version_of_derived_fields_is_503_until_a_reindex(derived_otherwise: Cluster, api: Api) -> None:
    token = api.token(ORGANIZATION)
    ready, listed = api.get("/health/ready"), api.get("/api/conversations", token)
    assert [answer.status_code for answer in (ready, listed)] == [503, 503]
    assert SAYS in ready.json()["error"]["message"]
    assert command(derived_otherwise, "reindex").returncode == 0
    expected = [one.status for one in conversations()]
    items = api.conversations(token, {"sort": "status", "per_page": 100})["data"]["items"]
    assert [item["status"] for item in items] == sorted(filter(None, expected)) + [None] * expected.count(None)
    assert orders(derived_otherwise) == {str(one.uid): order_fields(one) for one in conversations()}
    status = json.loads(command(derived_otherwise, "status", "-o", "json").stdout)
    assert status["problem"] is None
    by_use = {index["reads"]: index["derived_version"] for index in status["indices"]}
    assert by_use == {False: OTHER, True: DERIVED_VERSION}


def orders(cluster: Cluster) -> dict[str, Any]:
    async def read(client: Client) -> dict[str, Any]:
        hits = (await client.search(index=cluster.settings.alias, body={"size": 1_000}))["hits"]["hits"]
        return {hit["_source"]["uid"]: hit["_source"]["order"] for hit in hits}

    found: dict[str, Any] = cluster.act(read)
    return found


def test_an_index_without_a_version_of_derived_fields_is_refused(fresh: Cluster) -> None:
    fresh.load([])

    async def forget(client: Client) -> None:
        meta = {aliases.META: {"mapping": mapping.load().checksum, "alias": fresh.settings.alias}}
        await client.indices.put_mapping(index=fresh.settings.alias, body={"_meta": meta})

    fresh.act(forget)
    created = command(fresh, "create")
    assert created.returncode == 1
    assert "derived fields of version unknown" in created.stderr
    assert command(fresh, "reindex").returncode == 0
    assert command(fresh, "create").returncode == 0
