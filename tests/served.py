"""Waits for a service that runs as a process of its own: used by the tests and by the benchmark."""

from __future__ import annotations

import re
import ssl
import subprocess
from pathlib import Path

import httpx

from tests.processes import wait_until

CERTIFICATES = ssl.create_default_context()
"""For `verify` of httpx: reading them takes 50 ms of processor time, which it does anew for each request without a client."""


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
        return httpx.get(f"{address}/health/live", verify=CERTIFICATES).status_code == 200
    except httpx.TransportError:
        return False
