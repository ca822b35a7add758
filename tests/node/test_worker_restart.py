"""`serve --workers`: workers are replaced (SIGHUP) while they export, walk and write, and nobody notices."""

from __future__ import annotations

import json
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import httpx

from service.api.auth import Tokens
from service.conversation import Conversation, Metadata
from tests.corpus import ORGANIZATIONS, conversation
from tests.node.asking import SCOPE, send, walk
from tests.node.clusters import Cluster
from tests.node.serving import Api, serve_process
from tests.node.traffic import threads
from tests.processes import WAIT_SECONDS, wait_until

MINE = ORGANIZATIONS[0]
STILL = 6_000  # with their snippets, far more than the buffers between the service and a client hold
WRITTEN_AT_ONCE = 50
WORKERS = 2
HELD_SECONDS = 6.0  # a worker that ends waits longer for what it has begun


@dataclass
class Repeated:
    """`run` repeats a function until `over` is set, and keeps its errors."""

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


@contextmanager
def stopped_at_the_end(*repeated: Repeated) -> Iterator[None]:
    try:
        yield
    finally:
        for one in repeated:
            one.over.set()


def pids(log: Path) -> set[int]:
    """The workers that have answered a request."""
    lines = (json.loads(line) for line in log.read_text().rpartition("\n")[0].splitlines() if line[:1] == "{")
    return {line["pid"] for line in lines if line["event"] == "request"}


@dataclass
class Caller:
    """Walks through the conversations that nobody changes, and writes the others again and again."""

    api: Api
    token: str
    still: set[str]
    moving: list[Conversation]
    acknowledged: list[Conversation] = field(default_factory=list)
    writes: int = 0

    def walk(self) -> None:
        found = walk(self.api, self.token, category="still", per_page=100)
        assert len(found) == len(self.still)
        assert set(found) == self.still

    def write(self) -> None:
        self.writes += 1
        turn = timedelta(milliseconds=self.writes)
        batch = [one.model_copy(update={"updated_on": one.updated_on + turn}) for one in self.moving]
        answer = send(self.api, [one.model_dump_json() for one in batch], token=self.token)
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
        Api(fresh.settings, address) as api,
    ):
        caller = Caller(api, token, uids, moving)
        walker, writer = Repeated(caller.walk), Repeated(caller.write)
        with http.stream("GET", "/api/conversations/export", params={"category": "still"}) as export:
            assert export.status_code == 200
            lines = export.iter_lines()
            exported = [next(lines)]  # the rest is read once its worker has been told to end
            with threads((walker.run,), (writer.run,)), stopped_at_the_end(walker, writer):
                wait_until(lambda: walker.times > 0 and writer.times > 0, process=process)
                before = pids(log)
                process.send_signal(signal.SIGHUP)
                wait_until(lambda: pids(log) > before, process=process, says=log.read_text)
                # Now an old worker was told to end. It waits for the export if that is its own; else the next one will.
                held_until = time.monotonic() + HELD_SECONDS
                wait_until(lambda: len(pids(log) - before) == WORKERS or time.monotonic() > held_until, process=process)
                exported += lines
                wait_until(lambda: '"workers_replaced"' in log.read_text(), process=process, says=log.read_text)
                so_far = walker.times, writer.times
                wait_until(lambda: walker.times > so_far[0] + 1 and writer.times > so_far[1] + 1, process=process)
        assert walker.wrong == writer.wrong == []
        assert json.loads(exported.pop())["export"]["complete"]
        assert {json.loads(line)["uid"] for line in exported} == uids
        for written in caller.acknowledged:
            item = http.get(f"/api/conversations/{written.uid}").json()["data"]
            assert item["updated_on"] == written.model_dump(mode="json")["updated_on"]
