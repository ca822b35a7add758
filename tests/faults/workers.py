"""The work during the faults: readers and writers over HTTP, loads and reindexes as commands."""

from __future__ import annotations

import asyncio
import json
import random
import threading
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import aiohttp

from tests.faults import checker
from tests.faults.ledger import Ledger, Write
from tests.faults.speed import Answer
from tests.faults.world import ORGANIZATIONS, World

PER_PAGE = 20
PER_WALK_PAGE, WALK_PAGES, LONG_WALK_PAGES = 50, 3, 30
DEEP_SORT, FIRST_DEEP_PAGE = "-sent_at,subject", 26  # beyond rank 500, an order with a text is found by rank descent
FIRST_LOADED = 800  # conversations of each organization in the first load, enough for deep pages
LOADED = 400  # conversations of one organization by each later load
MOST_EXPORTED = 10_000  # conversations; a larger organization, which the loads fill, is not exported
STATUSES = ("active", "closed", "archived")
Params = dict[str, str]


def line_of(write: Write) -> bytes:
    """A write as NDJSON."""
    when = datetime.fromtimestamp(write.version / 1000, UTC).isoformat(timespec="milliseconds")
    one: dict[str, Any] = {"uid": write.uid, "organization_uid": write.organization}
    if write.subject is None:
        return json.dumps({**one, "deleted_on": when}).encode() + b"\n"
    sent = datetime.fromtimestamp(write.sent_at / 1000, UTC).isoformat(timespec="milliseconds")
    one |= {"subject": write.subject, "status": STATUSES[UUID(write.uid).int % 3], "channel": "email"}
    return json.dumps({**one, "sent_at": sent, "created_on": sent, "updated_on": when}).encode() + b"\n"


@dataclass
class Work:
    """The state that all workers share. The ledger is changed under its lock, by the event loop's thread and the load's."""

    world: World
    seed: int
    pause: float
    ledger: Ledger = field(default_factory=Ledger)
    answers: list[Answer] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    fault: str = "none"
    ahead_seconds: float = 0.0
    suspended_seconds: float = 12.0  # after which the other nodes have removed a suspended one; see world.DETECTION
    is_over: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, what: str) -> None:
        self.counts[what] = self.counts.get(what, 0) + 1

    def judge(self, what: str, problem: str | None) -> None:
        if problem is not None:
            self.wrong.append(f"{what} during or after '{self.fault}': {problem}")

    def check(self, what: str, check: checker.Check) -> None:
        with self.lock:  # a load's thread adds to the ledger
            problem = checker.checked(check)
        self.judge(what, problem)

    def version(self) -> int:
        return round((time.time() + self.ahead_seconds) * 1000)


class Http:
    """One client over HTTP, which sends each request to one of the services at random."""

    def __init__(self, work: Work, session: aiohttp.ClientSession, rng: random.Random) -> None:
        self.work, self.session, self.rng = work, session, rng

    async def ask(self, method: str, path: str, params: Params, body: bytes | None = None) -> tuple[int, Any]:
        """The status and the JSON of an answer; 0 if there was none."""
        try:
            async with self._request(method, path, params, body) as answer:
                return answer.status, await answer.json()
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, None

    async def lines(self, path: str, params: Params) -> tuple[int, list[bytes]]:
        """The status and the complete lines of an answer, even if it was cut off; 0 if not even its headers came."""
        status, came = 0, bytearray()
        try:
            async with self._request("GET", path, params, None) as answer:
                status = answer.status
                async for part in answer.content.iter_any():
                    came += part
        except (aiohttp.ClientError, TimeoutError):
            pass
        return status, bytes(came).split(b"\n")[:-1]

    def _request(self, method: str, path: str, params: Params, body: bytes | None) -> Any:
        address = self.rng.choice(self.work.world.addresses)
        headers = {"Authorization": f"Bearer {self.work.world.token}", "Content-Type": "application/x-ndjson"}
        return self.session.request(method, address + path, params=params, data=body, headers=headers)


class Reader(Http):
    async def read(self) -> None:
        organization = self.rng.choice(ORGANIZATIONS)
        kinds = (self._page, self._count, self._one, self._walk, self._deep_page, self._export)
        kind = self.rng.choices(kinds, (15, 9, 9, 3, 3, 1))[0]
        started = time.monotonic()
        status = await kind(organization)
        self.work.count(f"reads answered {status}")
        if status not in (200, 0, 429, 503, 504):
            self.work.judge("a read", f"status {status}")
        ended = time.monotonic()
        self.work.answers.append(Answer(ended, status == 200, ended - started))

    async def _page(self, organization: str) -> int:
        return await self._page_at(organization, "-sent_at", 1)

    async def _deep_page(self, organization: str) -> int:
        """A page so deep that it is found in a point in time; the first such page if there are no more."""
        most = self.work.ledger.total_bounds(organization, self.work.ledger.start(organization))[1]
        page = self.rng.randint(FIRST_DEEP_PAGE, max(FIRST_DEEP_PAGE, most // PER_PAGE + 1))
        return await self._page_at(organization, DEEP_SORT, page)

    async def _page_at(self, organization: str, sort: str, page: int) -> int:
        ledger, start = self.work.ledger, self.work.ledger.start(organization)
        params = {"organization_uid": organization, "sort": sort, "per_page": str(PER_PAGE), "page": str(page)}
        status, told = await self.ask("GET", "/api/conversations", params)
        if status == 200:
            offset = PER_PAGE * (page - 1)
            what = "a page" if page == 1 else f"page {page}"
            self.work.check(what, lambda: checker.wrong_page(ledger, organization, start, told, PER_PAGE, offset))
            if page > 1:
                self.work.count("deep pages with items" if told["data"]["items"] else "deep pages past the end")
        return status

    async def _count(self, organization: str) -> int:
        start = self.work.ledger.start(organization)
        params = {"organization_uid": organization, "facets": "status"}
        status, told = await self.ask("GET", "/api/conversations/count", params)
        if status == 200:
            self.work.check("a count", lambda: checker.wrong_count(self.work.ledger, organization, start, told))
        return status

    async def _one(self, organization: str) -> int:
        with self.work.lock:  # a load's thread adds to the ledger
            uids = self.work.ledger.visible_uids(organization)
        if not uids:
            return await self._page(organization)
        uid = self.rng.choice(uids)
        start = self.work.ledger.start(organization)
        status, told = await self.ask("GET", f"/api/conversations/{uid}", {"organization_uid": organization})
        if status in (200, 404):
            found = told if status == 200 else None
            self.work.check(
                "a conversation", lambda: checker.wrong_one(self.work.ledger, organization, uid, start, found)
            )
        return 200 if status == 404 else status

    async def _walk(self, organization: str) -> int:
        ledger, start = self.work.ledger, self.work.ledger.start(organization)
        pages: list[Any] = []
        cursor = "*"
        params = {"organization_uid": organization, "sort": "-sent_at", "per_page": str(PER_WALK_PAGE)}
        most = self.rng.choices((WALK_PAGES, LONG_WALK_PAGES), (9, 1))[0]
        while cursor and len(pages) < most:
            status, told = await self.ask("GET", "/api/conversations", {**params, "cursor": cursor})
            if status != 200:
                return status
            pages.append(told)
            cursor = told["data"]["pagination"].get("next_cursor")
        self.work.check("a walk", lambda: checker.wrong_walk(ledger, organization, start, pages, PER_WALK_PAGE))
        self.work.count("walks with more to come" if cursor else "walks to the end")
        return 200

    async def _export(self, organization: str) -> int:
        """An export without its last line was cut off, and counts as no answer."""
        ledger = self.work.ledger
        if ledger.total_bounds(organization, ledger.start(organization))[1] > MOST_EXPORTED:
            organization = ORGANIZATIONS[0]
        start = ledger.start(organization)
        params = {"organization_uid": organization, "sort": "-sent_at"}
        status, lines = await self.lines("/api/conversations/export", params)
        if status != 200:
            return status
        self.work.check("an export", lambda: checker.wrong_export(ledger, organization, start, lines))
        is_whole = checker.is_whole(lines)
        self.work.count("exports that are whole" if is_whole else "exports cut")
        return 200 if is_whole else 0


class HttpWriter(Http):
    """Creates conversations, changes them, and deletes some of them for good."""

    def __init__(self, work: Work, session: aiohttp.ClientSession, rng: random.Random) -> None:
        super().__init__(work, session, rng)
        self._created: dict[tuple[str, str], int] = {}
        self._versions: dict[tuple[str, str], int] = {}
        self._alive: list[tuple[str, str]] = []

    async def write(self) -> None:
        batch = [self._next() for _line in range(self.rng.randint(1, 5))]
        writes = list({write.key: write for write in batch}.values())
        body = b"".join(line_of(write) for write in writes)
        is_visible = self.rng.random() < 0.5
        params = {"refresh": "wait_for"} if is_visible else {}
        with self.work.lock:
            sent = self.work.ledger.sent(writes)
        for _attempt in range(4):  # as a client does: the versions make that safe
            status, told = await self.ask("POST", "/api/conversations/bulk", params, body)
            self.work.count(f"writes answered {status}")
            if status == 200:
                outcomes = [entry["outcome"] for entry in told["data"]["items"]]
                self.work.judge("a write", None if "rejected" not in outcomes else f"it was rejected: {told}")
                with self.work.lock:
                    self.work.ledger.acknowledged(writes, sent=sent, is_visible=is_visible)
                return
            await asyncio.sleep(self.rng.uniform(0.2, 1.5))

    def _next(self) -> Write:
        if self._alive and self.rng.random() < 0.5:
            key = self.rng.choice(self._alive)
        else:
            key = (self.rng.choice(ORGANIZATIONS), str(UUID(int=self.rng.getrandbits(128), version=4)))
            self._created[key] = round(1000 * time.time())
            self._alive.append(key)
        version = self._versions[key] = max(self.work.version(), self._versions.get(key, 0) + 1)
        if self.rng.random() < 0.05:
            self._alive.remove(key)
            return Write(*key, version, None, self._created[key])
        return Write(*key, version, f"subject {version}", self._created[key])


async def work_until_over(work: Work, readers: int, writers: int) -> None:
    """Lets all readers and writers work until `work.is_over`."""
    limits = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=limits, timeout=aiohttp.ClientTimeout(total=15)) as session:

        async def go_on(step: Callable[[], Awaitable[None]], pause: Callable[[], float], rng: random.Random) -> None:
            await asyncio.sleep(rng.uniform(0, pause()))
            while not work.is_over:
                await step()
                await asyncio.sleep(rng.uniform(0.2, 1.8) * pause())

        jobs = []
        for number in range(readers):
            rng = random.Random(f"{work.seed} reader {number}")
            jobs.append(go_on(Reader(work, session, rng).read, lambda: work.pause, rng))
        for number in range(writers):
            rng = random.Random(f"{work.seed} writer {number}")
            jobs.append(go_on(HttpWriter(work, session, rng).write, lambda: 0.5, rng))
        await asyncio.gather(*jobs)


def rest(work: Work, seconds: float) -> None:
    """Sleeps, but not beyond the end of the work."""
    ends = time.monotonic() + seconds
    while not work.is_over and time.monotonic() < ends:
        time.sleep(0.5)


def load_until_over(work: Work) -> None:
    """Loads one file after the other. A load that fails is repeated until it succeeds: the versions make that safe."""
    rng = random.Random(f"{work.seed} load")
    number = 0
    while not work.is_over:
        number += 1
        now = work.version() - 60_000
        owners = ORGANIZATIONS * FIRST_LOADED if number == 1 else ORGANIZATIONS[2:] * LOADED
        writes = [
            Write(owner, str(UUID(int=rng.getrandbits(128), version=4)), at, f"load {number} {at}", at)
            for at, owner in enumerate(owners, now)
        ]
        file = work.world.folder / f"load-{number}.ndjson"
        file.write_bytes(b"".join(line_of(write) for write in writes))
        with work.lock:
            sent = work.ledger.sent(writes)
        while not work.is_over:
            process = work.world.load = work.world.run("load", file.name, "--no-progress")
            code = process.wait()
            work.count(f"loads ended with {code}")
            if code == 0:
                with work.lock:
                    work.ledger.acknowledged(writes, sent=sent, is_visible=False)
                break
            time.sleep(1)
        file.unlink()
        rest(work, 10.0)


def reindex_until_over(work: Work) -> None:
    """Reindexes again and again, removes the replaced indices, and resumes interrupted reindexes."""
    resume: tuple[str, ...] = ()
    while not work.is_over:
        with work.world.reindexing:
            work.world.is_reindexed = False
            process = work.world.reindex = work.world.run("reindex", *resume)
            code = process.wait()
            work.world.is_reindexed = code == 0
            work.count(f"reindexes ended with {code}")
            resume = () if code == 0 else ("--resume",) if not resume else ()
        rest(work, 15.0)
        with work.world.reindexing:
            if code == 0 and not work.is_over:
                work.world.is_reindexed = False
                process = work.world.reindex = work.world.run("prune")
                work.count(f"prunes ended with {process.wait()}")
