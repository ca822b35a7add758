"""Readers and writers that work while an index is changed, and record errors."""

from __future__ import annotations

import asyncio
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from service.client import connect
from service.conversation import Conversation
from service.index import writer as index_writer
from service.stored_documents import document_id
from tests.corpus import conversation
from tests.node.clusters import Cluster
from tests.node.reindexing import FIRST, LEASE
from tests.node.serving import Api


@dataclass
class Writers:
    """Upserts and deletes at full speed. `expected_versions` has the acknowledged conversations; None if deleted."""

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
        mine = [conversation(rng, FIRST) for _ in range(60)]
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
    """Ask the service all the time, and record wrong answers in `faults`."""

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
    try:
        yield
    finally:
        for thread in started:
            thread.join()
