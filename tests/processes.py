"""Child processes and waits of the tests. No process runs longer than its test, even if the test fails."""

from __future__ import annotations

import contextlib
import subprocess
import time
from collections.abc import Callable
from typing import Any

WAIT_SECONDS = 120.0  # a bound against tests that never end, not an expectation

_started: list[subprocess.Popen[Any]] = []


def end_with_the_test(process: subprocess.Popen[Any]) -> None:
    """Has `end_all` kill the process if it still runs when its test is over."""
    _started.append(process)


def end_all() -> None:
    """Kills what the test started and left running. The local node of a killed service ends by itself."""
    while _started:
        process = _started.pop()
        if process.poll() is None:
            process.kill()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):  # what was to be written has no reader any more
                    stream.close()
        process.wait(WAIT_SECONDS)


def wait_until(
    condition: Callable[[], bool],
    *,
    process: subprocess.Popen[Any] | None = None,
    says: Callable[[], object] = lambda: "",
    seconds: float = WAIT_SECONDS,
) -> None:
    """Waits for the condition. Raises AssertionError with what `says` returns when the process ended, or too late."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert process is None or process.poll() is None, f"the process ended: {says()}"
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {says()}"
        time.sleep(0.02)
