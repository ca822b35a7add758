"""Waits for a service that runs as a process of its own: used by the tests and by the benchmark."""

from __future__ import annotations

import re
import socket
import ssl
import subprocess
from dataclasses import dataclass
from pathlib import Path

import httpx

from tests.processes import wait_until

CERTIFICATES = ssl.create_default_context()
"""For `verify` of httpx. Without it, each request without a client reads the certificates again, which takes 50 ms."""


def await_address(process: subprocess.Popen[bytes], log: Path) -> str:
    """The address in the log, when it answers there. Raises AssertionError with the log if the process ended."""

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


@dataclass
class Served:
    """A server process, without a cluster behind it."""

    pid: int
    port: int

    def connect(self) -> socket.socket:
        connection = socket.create_connection(("127.0.0.1", self.port))
        connection.settimeout(60)
        return connection

    def answer(self, *pieces: bytes) -> bytes:
        """Everything that comes back until the server closes; it may close while the pieces are sent."""
        with self.connect() as connection:
            try:
                for piece in pieces:
                    connection.sendall(piece)
            except ConnectionError:
                pass
            return received(connection)

    @property
    def megabytes(self) -> int:
        """The most memory that the process had so far."""
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{self.pid}/status").read_text())
        assert found is not None
        return int(found[1]) // 1024


def self_signed(folder: Path) -> tuple[Path, Path]:
    """Makes a certificate and its key."""
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    command: list[str | Path] = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=x",
               "-keyout", key, "-out", certificate]  # fmt: skip
    subprocess.run(command, capture_output=True, check=True)
    return certificate, key


def trusting() -> ssl.SSLContext:
    """The TLS of a client that takes any certificate."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def received(connection: socket.socket) -> bytes:
    found = b""
    try:
        while more := connection.recv(65_536):
            found += more
    except ConnectionError:
        pass
    return found
