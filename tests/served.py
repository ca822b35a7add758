"""Waits for a service that runs as a process of its own: used by the tests and by the benchmark."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import httpx

from tests.processes import wait_until


def await_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address in the log, when it answers there. Raises AssertionError with the log where the process ended."""

    def address() -> str | None:
        found = re.search(r"http://127\.0\.0\.1:\d+", log.read_text())
        return found[0] if found is not None and _is_live(found[0]) else None

    wait_until(lambda: address() is not None, process=process, says=log.read_text)
    found = address()
    assert found is not None
    return found


def _is_live(address: str) -> bool:
    try:
        return httpx.get(f"{address}/health/live").status_code == 200
    except httpx.TransportError:
        return False
