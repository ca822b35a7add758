"""Ctrl-C while the program is still being imported, and just after."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest

from tests.processes import end_with_the_test


@pytest.mark.slow
@pytest.mark.parametrize("imported", ["service.entry", "click", "service.errors", "service.settings", "pydantic"])
def test_ctrl_c_while_it_is_imported_is_one_line(imported: str) -> None:
    """With -X importtime, the interpreter prints each module that it has imported."""
    process = subprocess.Popen(
        [sys.executable, "-X", "importtime", "-m", "service", "status", "--data", "/nonexistent"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    end_with_the_test(process)
    assert process.stderr is not None
    for line in process.stderr:
        if line.rpartition("|")[2].strip() == imported:
            break
    else:
        pytest.fail(f"{imported} was not imported")
    process.send_signal(signal.SIGINT)
    said = [line for line in process.stderr.read().splitlines() if not line.startswith("import time:")]
    assert process.wait(60) == 130
    assert said == ["Stopped."]


def test_the_entry_imports_next_to_nothing_before_it_listens() -> None:
    program = "import sys; before = set(sys.modules); import service.entry; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {name for name in done.stdout.split() if name.startswith("service")} == {"service", "service.entry"}
    assert not {"click", "litestar", "opensearchpy", "pydantic"} & set(done.stdout.split())


@pytest.mark.slow
def test_the_command_line_begins_without_the_web_framework() -> None:
    program = "import sys, service.cli; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"litestar", "uvicorn", "structlog", "jwt"} & set(done.stdout.split())


@pytest.mark.slow
def test_a_further_ctrl_c_ends_the_wait_for_threads_without_a_traceback() -> None:
    """A thread of the command runs on after the end of the command, as a download may."""
    program = (
        "import threading, time, sys, service.cli as cli\n"
        "def begin():\n"
        "    threading.Thread(target=time.sleep, args=(600,)).start()\n"
        "    raise KeyboardInterrupt\n"
        "cli.run_line = begin\n"
        "cli.main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    end_with_the_test(process)
    assert process.stderr is not None
    assert process.stderr.readline() == "Stopped.\n"
    while process.poll() is None:
        process.send_signal(signal.SIGINT)
        time.sleep(0.1)
    assert (process.wait(60), process.stderr.read()) == (130, "")
