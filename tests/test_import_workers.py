"""Messages that other processes parse become the same conversations, rejects and counts, in the same order."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from tests.command_line import COMMAND, ORGANIZATION, ROOT, assert_one_line, environment, process
from tests.processes import end_with_the_test, wait_until

pytestmark = pytest.mark.slow

SAMPLES = Path(__file__).parent / "samples"
ODD = b"From a@example.com Mon Jul  1 12:00:00 2024\nX: no date, and no text\n\n" * 3
FUTURE = b"From a@example.com Mon Jul  1 12:00:00 2024\nFrom: a@example.com\nDate: Mon, 1 Jul 2999 12:00:00 +0000\n\n"


@pytest.fixture
def mailboxes(tmp_path: Path) -> list[str]:
    shutil.copy(SAMPLES / "twisted-python.mbox.gz", tmp_path)
    (tmp_path / "odd.mbox").write_bytes(ODD + FUTURE + FUTURE)
    (tmp_path / "broken.mbox.gz").write_bytes((SAMPLES / "twisted-python-july.mbox.gz").read_bytes()[:20_000])
    return ["twisted-python.mbox.gz", "odd.mbox", "broken.mbox.gz", "twisted-python.mbox.gz"]


@pytest.mark.parametrize("workers", ["1", "3"])
def test_other_processes_make_the_same_output(mailboxes: list[str], tmp_path: Path, workers: str) -> None:
    def imported(*options: str) -> tuple[int, str, bytes, bytes]:
        done = process(
            tmp_path, "import-mail", *mailboxes, "--organization", ORGANIZATION, "--output", "made.ndjson", *options
        )
        made, rejects = ((tmp_path / name).read_bytes() for name in ("made.ndjson", "rejects.ndjson"))
        return done.returncode, done.stdout, made, rejects

    alone = imported()
    assert alone[0] == 3
    assert imported("--workers", workers) == alone


def _children(pid: int) -> list[int]:
    """The worker processes, without the resource tracker of multiprocessing."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.fixture
def importing(tmp_path: Path) -> subprocess.Popen[str]:
    """An import of a mailbox without an end, with two processes that parse."""
    os.mkfifo(tmp_path / "endless.mbox")
    arguments = ["endless.mbox", "--organization", ORGANIZATION, "--output", "made.ndjson", "--workers", "2"]
    found = subprocess.Popen(
        [*COMMAND, "import-mail", *arguments], env=environment(tmp_path), cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    end_with_the_test(found)
    return found


def _write_until_nobody_reads(path: Path, is_read: threading.Event) -> None:
    with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as mailbox:
        while True:
            mailbox.write(FUTURE * 500)
            is_read.set()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_killed_is_reported_and_ctrl_c_ends_all(
    importing: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    is_read = threading.Event()
    writer = threading.Thread(target=_write_until_nobody_reads, args=(tmp_path / "endless.mbox", is_read), daemon=True)
    writer.start()
    wait_until(lambda: is_read.is_set() and len(_children(importing.pid)) == 2, process=importing)
    children = _children(importing.pid)
    if number == signal.SIGKILL:
        os.kill(children[0], number)
    else:
        os.killpg(importing.pid, number)  # as a terminal sends it: to all of them
    out, errors = importing.communicate(timeout=60)
    if number == signal.SIGKILL:
        done = subprocess.CompletedProcess([], importing.returncode, out, errors)
        assert_one_line(done, 1, "was killed", "--workers")
    else:
        assert (importing.returncode, errors.splitlines()[-1]) == (130, "Stopped.")
        assert "Traceback" not in errors
    writer.join()
    assert not (tmp_path / "made.ndjson").exists()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))


OTHERS = """
import sys, time
from service.processes import started
try:
    with started(len, 2) as others:
        print("started", flush=True)
        sys.stdin.readline()
        for other in others:
            other.send("abc")
        print([other.result() for other in others], flush=True)
        time.sleep(600)
except KeyboardInterrupt:
    print("Stopped.", file=sys.stderr)
"""


@pytest.mark.parametrize("seconds", [0.0, 1.0])
def test_ctrl_c_on_a_terminal_reaches_only_the_first_process(seconds: float) -> None:
    """The workers first import their modules, and then wait for work. Loads and imports start them in the same way."""
    first = subprocess.Popen(
        [sys.executable, "-c", OTHERS], cwd=ROOT, text=True, start_new_session=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    end_with_the_test(first)
    assert first.stdin is not None
    assert first.stdout is not None
    assert first.stdout.readline() == "started\n"
    time.sleep(seconds)
    for child in _children(first.pid):
        os.kill(child, signal.SIGINT)
    first.stdin.write("\n")
    first.stdin.flush()
    assert first.stdout.readline() == "[3, 3]\n"
    os.killpg(first.pid, signal.SIGINT)
    assert first.communicate(timeout=60)[1] == "Stopped.\n"
