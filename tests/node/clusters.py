"""An alias of a test's own in a cluster, with plain functions over the asynchronous client."""

from __future__ import annotations

import asyncio
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from service.client import Client, connect
from service.conversation import Conversation
from service.index import index_settings, loader, mapping
from service.reindex import first_index
from service.settings import Settings
from tests.processes import wait_until
from tests.served import CERTIFICATES


@dataclass
class Cluster:
    """A cluster and an alias in it, with plain functions over the asynchronous client."""

    settings: Settings
    url: str

    @property
    def environment(self) -> dict[str, str]:
        """The environment of a process that works on this cluster and alias."""
        assert self.settings.token_secret is not None
        return os.environ | {
            "OPENSEARCH_URL": self.url,
            "CONVERSATIONS_ALIAS": self.settings.alias,
            "CONVERSATIONS_TOKEN_SECRET": self.settings.token_secret.get_secret_value(),
            "CONVERSATIONS_LOG_FORMAT": "json",
        }

    def act(self, action: Callable[[Client], Any]) -> Any:
        async def run() -> Any:
            client = connect(self.settings, self.url)
            try:
                return await action(client)
            finally:
                await client.close()

        return asyncio.run(run())

    def load(self, conversations: list[Conversation]) -> loader.Tally:
        async def load(client: Client) -> loader.Tally:
            chosen = index_settings.chosen(self.settings)
            await first_index.ensure(client, self.settings.alias, mapping.load(), settings=chosen)
            rejected: list[str] = []
            pairs = [(conversation.uid, conversation) for conversation in conversations]
            tally = await loader.load(
                client, self.settings.alias, pairs, reject=lambda uid, why: rejected.append(f"{uid}: {why}")
            )
            assert rejected == []
            return tally

        result: loader.Tally = self.act(load)
        return result

    def points_in_time(self) -> tuple[int, int]:
        """How many points in time of this alias are open, and how many were opened so far."""
        stats = self.act(lambda client: client.indices.stats(index=self.settings.alias, metric="search"))
        search = stats["_all"]["total"]["search"]
        now, closed = int(search["point_in_time_current"]), int(search["point_in_time_total"])
        return now, now + closed

    def await_no_points_in_time(self) -> None:
        """Waits until all points in time are closed, which happens after the answers."""
        wait_until(lambda: self.points_in_time()[0] == 0, says=self.points_in_time)

    def drop(self) -> None:
        async def drop(client: Client) -> None:
            patterns = f"{self.settings.alias}-*,{self.settings.alias}_state*"
            if names := list(await client.indices.get(index=patterns, params={"expand_wildcards": "all"})):
                await client.indices.delete(index=",".join(names))

        self.act(drop)


@contextmanager
def own_alias(settings: Settings, opensearch_url: str) -> Iterator[Cluster]:
    """A new, empty alias in the same cluster, until the block ends."""
    cluster = Cluster(settings.but(alias=unique_alias()), opensearch_url)
    try:
        yield cluster
    finally:
        cluster.drop()


def unique_alias() -> str:
    """An alias that no other run of the tests uses: the cluster may be shared."""
    return f"test_{secrets.token_hex(4)}"


def await_room(url: str) -> None:
    deadline = time.monotonic() + 60
    while (answer := httpx.get(f"{url}/_search?size=0", timeout=60, verify=CERTIFICATES)).status_code == 429:
        assert time.monotonic() < deadline, answer.text[:500]
        time.sleep(0.1)
