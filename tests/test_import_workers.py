"""Messages that other processes parse become the same conversations, rejects and counts, in the same order."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest

from tests.command_line import COMMAND, ORGANIZATION, assert_one_line, environment, process
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
def test_other_processes_make_what_this_one_makes(mailboxes: list[str], tmp_path: Path, workers: str) -> None:
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
    """Those that run Python's main loop for other processes, and not their helper that only watches them."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in found if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]


@pytest.fixture
def importing(tmp_path: Path) -> subprocess.Popen[str]:
    """An import of a mailbox without an end, with two processes that parse."""
    os.mkfifo(tmp_path / "endless.mbox")
    arguments = ["endless.mbox", "--organization", ORGANIZATION, "--output", "made.ndjson", "--workers", "2"]
    found = subprocess.Popen(
        [*COMMAND, "import-mail", *arguments], env=environment(tmp_path), cwd=tmp_path,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end_with_the_test(found)
    return found


def _write_until_nobody_reads(path: Path, is_read: threading.Event) -> None:
    with contextlib.suppress(BrokenPipeError), path.open("wb", buffering=0) as mailbox:
        while True:
            mailbox.write(FUTURE * 500)
            is_read.set()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_killed_is_told_and_ctrl_c_ends_all(
    importing: subprocess.Popen[str], tmp_path: Path, number: signal.Signals
) -> None:
    is_read = threading.Event()
    writer = threading.Thread(target=_write_until_nobody_reads, args=(tmp_path / "endless.mbox", is_read), daemon=True)
    writer.start()
    wait_until(lambda: is_read.is_set() and len(_children(importing.pid)) == 2, process=importing)
    children = _children(importing.pid)
    os.kill(children[0] if number == signal.SIGKILL else importing.pid, number)
    out, errors = importing.communicate(timeout=60)
    if number == signal.SIGKILL:
        done = subprocess.CompletedProcess([], importing.returncode, out, errors)
        assert_one_line(done, 1, "was killed", "--workers")
    else:
        assert importing.returncode == 130
    writer.join()
    assert not (tmp_path / "made.ndjson").exists()
    wait_until(lambda: not any(Path(f"/proc/{child}").exists() for child in children))
