"""`serve --workers`: workers are replaced (SIGHUP) while they export, walk and write, and nobody notices."""

from __future__ import annotations

import json
import random
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from service.api.auth import Tokens
from service.conversation import Conversation, Metadata
from tests.corpus import ORGANIZATIONS, conversation
from tests.node.asking import BULK, SCOPE
from tests.node.conftest import Cluster, serve_process
from tests.processes import WAIT_SECONDS, wait_until

MINE = ORGANIZATIONS[0]
STILL = 6_000  # with their snippets far more than fits between the service and a client that does not read
WRITTEN_AT_ONCE = 50
WORKERS = 2
HELD_SECONDS = 6.0  # a worker that ends waits longer for what it has begun


@dataclass
class Repeated:
    """Does something again and again in a thread of its own, until it is told to stop. Keeps what went wrong."""

    once: Callable[[], None]
    times: int = 0
    wrong: list[str] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self.over.is_set():
            try:
                self.once()
            except (AssertionError, httpx.HTTPError) as error:
                self.wrong.append(repr(error)[:500])
            self.times += 1


def pids(log: Path) -> set[int]:
    """The workers that have answered a request."""
    lines = (json.loads(line) for line in log.read_text().rpartition("\n")[0].splitlines() if line[:1] == "{")
    return {line["pid"] for line in lines if line["event"] == "request"}


@dataclass
class Caller:
    """Walks through what nobody changes, and writes the others again and again."""

    http: httpx.Client
    still: set[str]
    moving: list[Conversation]
    acknowledged: list[Conversation] = field(default_factory=list)
    writes: int = 0

    def walk(self) -> None:
        found: list[str] = []
        cursor: str | None = "*"
        while cursor is not None:
            asked: dict[str, str | int] = {"category": "still", "per_page": 100, "cursor": cursor}
            answer = self.http.get("/api/conversations", params=asked)
            assert answer.status_code == 200, answer.text
            data = answer.json()["data"]
            found += [item["uid"] for item in data["items"]]
            cursor = data["pagination"]["next_cursor"]
        assert len(found) == len(self.still)
        assert set(found) == self.still

    def write(self) -> None:
        self.writes += 1
        turn = timedelta(milliseconds=self.writes)
        batch = [one.model_copy(update={"updated_on": one.updated_on + turn}) for one in self.moving]
        answer = self.http.post(BULK, content="".join(f"{one.model_dump_json()}\n" for one in batch))
        assert answer.status_code == 200, answer.text
        assert answer.json()["data"]["written"] == len(batch), answer.text
        self.acknowledged = batch


def test_exports_walks_and_writes_go_on_while_workers_are_replaced(fresh: Cluster) -> None:
    rng = random.Random(8)
    still = [
        conversation(rng, MINE).model_copy(update={"categories": ["still"], "metadata": Metadata(snippet="s" * 900)})
        for _ in range(STILL)
    ]
    fresh.load(still)
    uids = {str(one.uid) for one in still}
    token = Tokens(fresh.settings).mint("tester", [MINE], scopes=SCOPE)
    moving = [conversation(rng, MINE).model_copy(update={"categories": ["moving"]}) for _ in range(WRITTEN_AT_ONCE)]
    with (
        serve_process(fresh, "--workers", str(WORKERS), CONVERSATIONS_LOG_FORMAT="json") as (process, address, log),
        httpx.Client(base_url=address, timeout=WAIT_SECONDS, headers={"Authorization": f"Bearer {token}"}) as http,
    ):
        caller = Caller(http, uids, moving)
        walker, writer = Repeated(caller.walk), Repeated(caller.write)
        threads = [threading.Thread(target=one.run) for one in (walker, writer)]
        with http.stream("GET", "/api/conversations/export", params={"category": "still"}) as export:
            assert export.status_code == 200
            lines = export.iter_lines()
            exported = [next(lines)]  # the rest is read once its worker has been told to end
            for thread in threads:
                thread.start()
            try:
                wait_until(lambda: walker.times > 0 and writer.times > 0, process=process)
                before = pids(log)
                process.send_signal(signal.SIGHUP)
                wait_until(lambda: pids(log) > before, process=process, says=log.read_text)
                # Now an old worker was told to end. It waits for the export if that is its own; else the next one will.
                with suppress(AssertionError):
                    wait_until(lambda: len(pids(log) - before) == WORKERS, process=process, seconds=HELD_SECONDS)
                exported += lines
                wait_until(lambda: '"workers_replaced"' in log.read_text(), process=process, says=log.read_text)
                so_far = walker.times, writer.times
                wait_until(lambda: walker.times > so_far[0] + 1 and writer.times > so_far[1] + 1, process=process)
            finally:
                for one in (walker, writer):
                    one.over.set()
                for thread in threads:
                    thread.join()
        assert walker.wrong == writer.wrong == []
        assert json.loads(exported.pop())["export"]["complete"]
        assert {json.loads(line)["uid"] for line in exported} == uids
        for written in caller.acknowledged:
            item = http.get(f"/api/conversations/{written.uid}").json()["data"]
            assert item["updated_on"] == written.model_dump(mode="json")["updated_on"]
