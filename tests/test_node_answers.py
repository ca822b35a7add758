"""A foreign server may answer at a node's port, and the files of a node may hold anything."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import msgspec
import pytest

from service.node import folder_lock, health
from tests.in_thread import serving

STRANGE = (b"", b"<html>", b"\xff\xfe", b"[]", b'{"status":5}', b"[" * 100_000, b'{"x":' * 100_000)


class _Value(msgspec.Struct):
    url: str


@pytest.fixture
def foreign() -> Iterator[tuple[str, list[bytes]]]:
    """The address of a server, and the body that it answers everything with."""
    bodies = [b""]

    class Answering(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(bodies[0])))
            self.end_headers()
            self.wfile.write(bodies[0])

        def log_message(self, *_arguments: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Answering) as server, serving(server):
        yield f"http://127.0.0.1:{server.server_address[1]}", bodies


def test_a_foreign_answer_is_not_taken_for_one_of_a_node(foreign: tuple[str, list[bytes]]) -> None:
    url, bodies = foreign
    for body in STRANGE:
        bodies[0] = body
        assert not health.has_joined(url)
        assert not health.is_own(url, 1)


def test_the_content_of_a_foreign_file_is_ignored(tmp_path: Path) -> None:
    path = tmp_path / "node.json"
    for content in STRANGE:
        path.write_bytes(content)
        assert folder_lock.read(path, _Value) is None
    folder_lock.write(path, _Value("http://127.0.0.1:1"))
    assert folder_lock.read(path, _Value) == _Value("http://127.0.0.1:1")
