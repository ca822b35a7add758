"""What counts as evidence that the local node is dead, and what does not, with real processes and sockets."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service.node import watch
from service.node.watch import Watch, last_lines

LISTENS = """
import socket, time
with socket.create_server(("127.0.0.1", 0), backlog=0) as server:
    print(server.getsockname()[1], flush=True)
    time.sleep(600)
"""
FATAL = 'Exception in thread "opensearch[Node 1][write][T#2]" java.lang.StackOverflowError'
STDERR = "[2026-11-25T23:46:56,001][WARN ][stderr                   ] "


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(watch, "REFUSED_SECONDS", 1.0)
    monkeypatch.setattr(watch, "CONNECT_SECONDS", 0.2)


@contextmanager
def running(program: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A process that prints a port, and the port."""
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        try:
            yield process, int(process.stdout.readline())
        finally:
            process.kill()


class Waiting:
    """A watch that waits in a thread of its own."""

    def __init__(self, process: subprocess.Popen[bytes], port: int, log: Path) -> None:
        self.reason: str | None = None
        self._watch = Watch(process, f"http://127.0.0.1:{port}", log)
        self._thread = threading.Thread(target=self._wait, daemon=True)
        self._thread.start()

    def _wait(self) -> None:
        self.reason = self._watch.wait()

    def ends_within(self, seconds: float) -> bool:
        self._thread.join(seconds)
        return not self._thread.is_alive()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "node.out"
    path.write_text("[2026-11-25T23:46:55,001][INFO ][o.o.n.Node] started\n")
    return path


@pytest.mark.slow
def test_the_end_of_the_process_is_noticed(log: Path) -> None:
    with running(LISTENS) as (process, port):
        waiting = Waiting(process, port, log)
        process.kill()
        assert waiting.ends_within(60)
    assert (waiting.reason or "").startswith("was killed by SIGKILL, perhaps by the kernel")
    with running("print(1); raise SystemExit(3)") as (process, port):
        waiting = Waiting(process, port, log)
        assert waiting.ends_within(60)
    assert waiting.reason == "ended with the exit code 3"


@pytest.mark.slow
@pytest.mark.parametrize("prefix", ["", STDERR])
def test_an_error_that_ended_a_thread_is_noticed(prefix: str, log: Path) -> None:
    with running(LISTENS) as (process, port), log.open("a") as writing:
        waiting = Waiting(process, port, log)
        half = len(FATAL) // 2
        writing.write(prefix + FATAL[:half])
        writing.flush()
        assert not waiting.ends_within(0.5)
        writing.write(
            FATAL[half:] + "\n" + f"{prefix}\tat java.util.regex.Pattern$GroupHead.match(Unknown Source)\n" * 3000
        )
        writing.flush()
        assert waiting.ends_within(60)
    assert waiting.reason == "cannot go on after a fatal error (java.lang.StackOverflowError)"
    assert last_lines(log, 12).splitlines()[-1] == prefix + FATAL


@pytest.mark.slow
def test_logged_text_that_looks_like_an_error_is_not_taken_for_one(log: Path) -> None:
    with running(LISTENS) as (process, port), log.open("a") as writing:
        waiting = Waiting(process, port, log)
        writing.write(f"[2026-11-25T23:46:56,001][WARN ][o.o.a.b.Bulk] failed: {FATAL}\n")
        writing.write('Exception in thread "opensearch[Node 1][write][T#2]" java.lang.IllegalStateException\n')
        writing.flush()
        assert not waiting.ends_within(1.5)
        log.unlink()
        assert not waiting.ends_within(0.5)


@pytest.mark.slow
def test_a_process_that_lives_but_no_longer_listens_is_noticed(log: Path) -> None:
    program = LISTENS.replace("    time.sleep(600)", "") + "time.sleep(600)"
    with running(program) as (process, port):
        waiting = Waiting(process, port, log)
        assert waiting.ends_within(60)
        assert process.poll() is None
    assert waiting.reason == "has refused connections for 1 s"


@pytest.mark.slow
def test_a_process_that_is_paused_or_never_answers_is_not_dead(log: Path) -> None:
    """Its backlog is full here, so that connections are not even made."""
    with running(LISTENS) as (process, port):
        process.send_signal(signal.SIGSTOP)
        clients = [socket.socket() for _ in range(4)]
        for client in clients:
            client.setblocking(False)
            client.connect_ex(("127.0.0.1", port))
        waiting = Waiting(process, port, log)
        assert not waiting.ends_within(3)
        process.send_signal(signal.SIGCONT)
        assert not waiting.ends_within(1)
        for client in clients:
            client.close()


def test_a_short_refusal_is_forgotten(log: Path) -> None:
    with running("print(1, flush=True); import time; time.sleep(600)") as (process, _port), socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        look = Watch(process, f"http://127.0.0.1:{listener.getsockname()[1]}", log)
        assert look._refused_for(10.0) == 0.0
        assert look._refused_for(10.5) == 0.5
        listener.listen()
        assert look._refused_for(11.5) == 0.0
