"""`serve --workers`: several processes behind one address, as one service to its callers."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from service.limit_settings import DIVIDED, divided
from service.settings import Settings
from service.workers import metric_files, shared_folder
from service.workers.once_for_all import OnceForAll
from service.workers.part import Part
from service.workers.supervisor import Supervisor
from tests import logged
from tests.processes import WAIT_SECONDS, end_all, end_with_the_test, wait_until
from tests.served import CERTIFICATES

CLIENTS = 4


class Served:
    """`conversations serve --workers 2`. Its cluster does not answer: the requests here need none."""

    def __init__(self, folder: Path) -> None:
        self.log = logged.new_file("served")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "service", "serve", "--port", "0", "--workers", "2", "--data", str(folder)],
                env=os.environ | {
                    "OPENSEARCH_URL": "http://127.0.0.1:9", "CONVERSATIONS_LOG_FORMAT": "json",
                    "CONVERSATIONS_TOKEN_SECRET": "a secret of this test and of no other, 32 bytes long",
                },
                stderr=log,
            )  # fmt: skip
        end_with_the_test(self.process)
        self.wait_for("workers_started")
        self.address = re.findall(r"http://127\.0\.0\.1:\d+", self.log.read_text())[0]

    def wait_for(self, event: str, *, times: int = 1) -> None:
        wait_until(
            lambda: self.events().count(event) >= times, process=self.process, says=lambda: self.log.read_text()[-2000:]
        )

    def lines(self) -> list[dict[str, object]]:
        """The log lines in JSON. Lines before the first worker starts are plain text, and are left out."""
        return [json.loads(line) for line in self.log.read_text().rpartition("\n")[0].splitlines() if line[:1] == "{"]

    def events(self) -> list[object]:
        return [line["event"] for line in self.lines()]

    def pids(self) -> set[int]:
        """The processes that answer. Each connection is new, so any worker may accept it."""
        for _ in range(20):
            httpx.get(f"{self.address}/health/live", verify=CERTIFICATES)
        return {int(str(line["pid"])) for line in self.lines()[-20:] if line["event"] == "request"}

    def sample(self, name: str) -> float:
        text = httpx.get(f"{self.address}/metrics", verify=CERTIFICATES).text
        return float(next(line.rpartition(" ")[2] for line in text.splitlines() if line.startswith(name)))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    yield Served(tmp_path)
    end_all()


@contextmanager
def clients(address: str) -> Iterator[list[int | str]]:
    """Clients that send requests in turn over kept connections. Yields the list of status codes and errors."""
    answers: list[int | str] = []
    over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=address, timeout=WAIT_SECONDS) as http:
            while not over.is_set():
                try:
                    answers.append(http.get("/health/live").status_code)
                except httpx.TransportError as error:
                    answers.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        over.set()
        for thread in threads:
            thread.join()


@pytest.mark.slow
def test_workers_are_replaced_without_a_lost_request_and_count_together(served: Served) -> None:
    counted = 'conversations_request_seconds_count{method="GET",route="/health/live",status="200"}'
    before = served.pids()
    asked = 20
    with clients(served.address) as answers:
        wait_until(lambda: len(answers) > 10 * CLIENTS)
        served.process.send_signal(signal.SIGHUP)
        served.wait_for("workers_replaced")
        so_far = len(answers)
        wait_until(lambda: len(answers) > so_far + 10 * CLIENTS)
    assert set(answers) == {200}
    asked += len(answers)
    assert served.sample(counted) == asked
    after = served.pids()
    assert not before & after
    asked += 20

    victim = min(after)
    os.kill(victim, signal.SIGKILL)
    served.wait_for("worker_replaced")
    assert victim not in served.pids()
    assert served.sample(counted) == asked + 20  # what a dead worker has counted stays
    assert served.sample('conversations_limit_size{limit="searches"}') == Settings.load().searches
    assert served.sample("conversations_requests_under_way") == 1  # this one
    assert all(isinstance(line["pid"], int) for line in served.lines())

    served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(WAIT_SECONDS) == 128 + signal.SIGTERM
    with pytest.raises(httpx.ConnectError):
        httpx.get(served.address)


@pytest.mark.slow
def test_the_folder_of_a_killed_supervisor_is_removed_at_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))

    def folders() -> set[Path]:
        return set(temporary.glob(f"{shared_folder.PREFIX}*"))

    first = Served(tmp_path)
    left = folders()
    assert len(left) == 1
    workers = first.pids()
    first.process.kill()
    first.process.wait()
    wait_until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers))
    second = Served(tmp_path)
    assert len(folders()) == 1
    assert not left & folders()
    second.process.send_signal(signal.SIGTERM)
    second.process.wait(WAIT_SECONDS)
    assert folders() == set()
    end_all()


def test_only_folders_that_no_process_holds_any_more_are_removed(tmp_path: Path) -> None:
    def folder(name: str, lock: bytes | None) -> Path:
        made = tmp_path / name
        made.mkdir()
        (made / "counter_1.db").write_bytes(b"x")
        if lock is not None:
            (made / shared_folder.LOCK).write_bytes(lock)
        return made

    dead = folder(f"{shared_folder.PREFIX}dead", b"held\n")
    kept = [
        folder(f"{shared_folder.PREFIX}new", b""),
        folder(f"{shared_folder.PREFIX}strange", None),
        folder("conversations-other", b"held\n"),
    ]
    elsewhere = folder("elsewhere", b"held\n")
    (tmp_path / f"{shared_folder.PREFIX}link").symlink_to(elsewhere)
    alive = folder(f"{shared_folder.PREFIX}alive", None)
    with shared_folder.held(alive):
        shared_folder.remove_dead(tmp_path)
        assert not dead.exists()
        assert all((one / "counter_1.db").exists() for one in [*kept, elsewhere, alive])
    shared_folder.remove_dead(tmp_path)
    assert not alive.exists()


def test_a_worker_says_that_it_serves_and_ends_with_its_supervisor(tmp_path: Path) -> None:
    async def run() -> bytes:
        ours, theirs = socket.socketpair()
        orphaned = asyncio.Event()
        Part(2, theirs.detach(), (), tmp_path).begin(orphaned.set)
        said = ours.recv(2)
        ours.close()
        await asyncio.wait_for(orphaned.wait(), WAIT_SECONDS)
        return said

    assert asyncio.run(run()) == b"+"


def supervisor(folder: Path, script: str, count: int = 2) -> Supervisor:
    return Supervisor([sys.executable, "-c", script], os.environ, count, [], folder, patience=WAIT_SECONDS)


def test_a_worker_that_cannot_start_ends_the_service_with_its_exit_code(tmp_path: Path) -> None:
    started = tmp_path / "started"
    script = f"open({str(started)!r}, 'a').write('x'); raise SystemExit(3)"
    assert asyncio.run(supervisor(tmp_path, script).run()) == 3
    assert started.read_text() == "x"  # so the reason is printed once


def test_the_others_end_where_a_later_worker_cannot_start(tmp_path: Path) -> None:
    """The first one waits for the end of its control connection."""
    first = tmp_path / "first"
    script = (
        f"import os, socket, sys; c = socket.socket(fileno=int(sys.argv[1].split()[1])); "
        f"os.path.exists({str(first)!r}) and sys.exit(4); open({str(first)!r}, 'w'); c.send(b'+'); c.recv(1)"
    )
    assert asyncio.run(supervisor(tmp_path, script).run()) == 4


def test_the_old_workers_stay_where_a_new_one_cannot_start(tmp_path: Path) -> None:
    started = tmp_path / "started"
    started.touch()
    script = (
        "import os, socket, sys; c = socket.socket(fileno=int(sys.argv[1].split()[1])); "
        f"open({str(started)!r}, 'a').write('x'); os.path.getsize({str(started)!r}) > 2 and sys.exit(4); "
        "c.send(b'+'); c.recv(1)"
    )

    async def run() -> tuple[set[int], set[int], object]:
        two = supervisor(tmp_path, script)
        running = asyncio.create_task(two.run())

        async def until(count: int) -> set[int]:
            while [len(two._slots), len(two._all), started.stat().st_size] != [2, 2, count]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            return {one.process.pid for one in two._all}

        before = await until(2)
        os.kill(os.getpid(), signal.SIGHUP)
        after = await until(3)
        os.kill(os.getpid(), signal.SIGTERM)
        return before, after, await running

    before, after, ended = asyncio.run(run())
    assert before == after
    assert ended is signal.SIGTERM


def test_a_part_is_written_and_parsed() -> None:
    part = Part(2, 7, (3, 4), Path("a folder/with spaces"))
    assert Part.parse(part.text()) == part


@pytest.mark.parametrize("workers", [1, 2, 3, 5, 64])
def test_the_workers_together_have_the_limits_of_the_settings(workers: int) -> None:
    settings = Settings.load()
    own = settings.but(**divided(settings, workers))  # each part is a valid setting
    for name in DIVIDED:
        whole, part = getattr(settings, name), getattr(own, name)
        assert part * workers <= max(whole, workers), name
        assert part >= 1, name


def test_what_is_off_stays_off_in_each_worker() -> None:
    settings = Settings.load().but(caller_rate=0.0, searches_waiting=0)
    parts = divided(settings, 2)
    assert parts["caller_rate"] == 0
    assert parts["searches_waiting"] == 0


def test_a_text_is_made_once_for_all_and_again_when_it_is_old(tmp_path: Path) -> None:
    now = [0.0]
    made = []

    async def make() -> bytes:
        await asyncio.sleep(0.01)
        made.append(now[0])
        return b"text of\n%d" % now[0]

    async def ask() -> list[bytes]:
        workers = [OnceForAll(tmp_path / "shared", seconds=10, clock=lambda: now[0]) for _ in range(5)]
        return await asyncio.gather(*(worker.text(make) for worker in workers))

    assert asyncio.run(ask()) == [b"text of\n0"] * 5
    now[0] = 10.0
    assert asyncio.run(ask()) == [b"text of\n0"] * 5
    now[0] = 10.5
    assert asyncio.run(ask()) == [b"text of\n10"] * 5
    assert made == [0.0, 10.5]


def test_a_text_that_cannot_be_made_is_tried_by_the_next(tmp_path: Path) -> None:
    async def fail() -> bytes:
        raise OSError

    async def make() -> bytes:
        return b"made"

    one, two = (OnceForAll(tmp_path / "shared", seconds=10) for _ in range(2))
    with pytest.raises(OSError):  # noqa: PT011
        asyncio.run(one.text(fail))
    assert asyncio.run(two.text(make)) == b"made"


COUNTS = """
from prometheus_client import Counter, Gauge, Histogram
Counter("c", "A counter").inc(2)
Gauge("g", "A gauge", multiprocess_mode="livesum").set(5)
Histogram("h", "A histogram", ["l"], buckets=(1, 2)).labels("x").observe(1.5)
import os; print(os.getpid())
"""


@pytest.mark.slow
def test_what_dead_workers_counted_stays_and_their_gauges_go(tmp_path: Path) -> None:
    environment = os.environ | {metric_files.VARIABLE: str(tmp_path)}
    counting = [sys.executable, "-c", COUNTS]
    pids = [int(subprocess.run(counting, env=environment, capture_output=True, check=True).stdout) for _ in range(3)]
    whole = metric_files.exposition(tmp_path).decode()
    assert "\ng 15.0\n" in whole
    for buried, pid in enumerate(pids, 1):
        metric_files.merge_ended(tmp_path, pid)
        text = metric_files.exposition(tmp_path).decode()
        assert "c_total 6.0\n" in text
        assert 'h_bucket{l="x",le="2.0"} 3.0\n' in text
        assert 'h_sum{l="x"} 4.5\n' in text
        assert (f"\ng {15 - 5 * buried:.1f}\n" in text) == (buried < 3)
    assert {file.name for file in tmp_path.glob("*.db")} == {"counter_0.db", "histogram_0.db"}
