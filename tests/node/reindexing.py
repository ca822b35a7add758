"""Commands and lookups that the tests of reindex, rollback, prune and verify share."""

from __future__ import annotations

import subprocess
from pathlib import Path
from uuid import UUID

from service.client import Client
from service.conversation import Conversation
from service.index import aliases, mapping
from service.index.write_targets import writes_alias
from service.reindex.context import Job
from service.reindex.lock import Lock, State
from tests.commands import run_here
from tests.corpus import ORGANIZATIONS, corpus
from tests.node import impatient
from tests.node.clusters import Cluster
from tests.processes import end_with_the_test

LEASE = 1.0
FIRST, SECOND = ORGANIZATIONS[:2]


def command(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A command in this process, which is quicker than in one of its own."""
    return run_here(arguments, environment=environment(cluster), folder=Path.cwd())


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


def environment(cluster: Cluster) -> dict[str, str]:
    return impatient.environment() | {
        "OPENSEARCH_URL": cluster.url,
        "CONVERSATIONS_ALIAS": cluster.settings.alias,
        "CONVERSATIONS_WRITE_LEASE": str(LEASE),
    }


def begun(cluster: Cluster, *arguments: str, until: str) -> subprocess.Popen[str]:
    """A command in a process of its own, up to the line of its progress that holds `until`."""
    process = subprocess.Popen(
        [*impatient.COMMAND, *arguments],
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
