"""Runs commands for the tests of the command line: in this process or in one of their own, in a clean environment."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click

from service.cli import cli
from tests import in_thread
from tests.commands import run_here
from tests.corpus import corpus

ROOT = Path(__file__).parents[1]
COMMAND = [sys.executable, "-m", "service"]
ORGANIZATION = str(corpus()[0].organization_uid)
UID = str(corpus()[0].uid)
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")


def environment(home: Path, **changes: str) -> dict[str, str]:
    """A user's environment, without settings of the service."""
    own = ("CONVERSATIONS_", "OPENSEARCH_", "XDG_", "NO_COLOR", "COLUMNS")
    clean = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return clean | {"HOME": str(home), "PYTHONPATH": str(ROOT), "CONVERSATIONS_DATA": str(home / "data")} | changes


def conversations(home: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return run_here(arguments, environment=environment(home, **changes), folder=home)


def process(home: Path, *arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    """The command as a process of its own."""
    return subprocess.run(
        [*COMMAND, *arguments], env=environment(home, **changes), cwd=home, capture_output=True, text=True,
        stdin=subprocess.DEVNULL, check=False, timeout=120,
    )  # fmt: skip


def assert_one_line(done: subprocess.CompletedProcess[str], code: int, *says: str) -> None:
    assert done.returncode == code, (done.returncode, done.stdout, done.stderr)
    assert len(done.stderr.strip().splitlines()) == 1, done.stderr
    assert done.stderr.startswith("conversations: ")
    for part in says:
        assert part in done.stderr, done.stderr


class Page(BaseHTTPRequestHandler):
    """A web server that is neither OpenSearch nor this service: every path answers with the same page."""

    status = 200
    kind = "text/html"
    body = b"<html>\x1b[31mWelcome</html>"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", self.kind)
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    do_POST = do_PUT = do_DELETE = do_GET

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def web_server(page: type[Page] = Page) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), page) as server, in_thread.serving(server):
        yield f"http://127.0.0.1:{server.server_port}"


def every_command(command: click.Command = cli, path: str = "conversations") -> Iterator[tuple[str, click.Command]]:
    """Every command and group, with its full name."""
    yield path, command
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            yield from every_command(inner, f"{path} {name}")
