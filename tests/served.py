"""Waits for a service that runs as a process of its own: used by the tests and by the benchmark."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import httpx


def await_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address in the log, when it answers there. Raises AssertionError with the log where the process ended."""
    while not (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) or not _is_live(found[0]):
        assert process.poll() is None, log.read_text()
        time.sleep(0.05)
    return found[0]


def _is_live(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/live").status_code == 200
    except httpx.TransportError:
        return False
