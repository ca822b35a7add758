"""`serve` checks the index once before it serves. It reports a problem that may pass, and goes on."""

from __future__ import annotations

import asyncio
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from service import server
from service.errors import Misconfigured
from service.settings import Settings


def answer(status: str, body: str, kind: str = "application/json") -> bytes:
    data = body.encode()
    return f"HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {len(data)}\r\n\r\n".encode() + data


@contextmanager
def listening(reply: bytes | None) -> Iterator[str]:
    """A server that sends `reply` and closes, or never answers (None), as a starting cluster or proxy may."""
    over = threading.Event()

    class Reply(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            if reply is None:
                over.wait(60)
            else:
                self.request.sendall(reply)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Reply) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            over.set()
            server.shutdown()
            thread.join(30)


@pytest.mark.parametrize(
    ("reply", "told"),
    [
        (answer("503 Service Unavailable", "OpenSearch Security not initialized.", "text/plain"), "cannot answer now"),
        (answer("401 Unauthorized", "Unauthorized", "text/plain"), "OPENSEARCH_USER"),
        (answer("403 Forbidden", '{"error":{"type":"security_exception"},"status":403}'), "OPENSEARCH_USER"),
        (answer("429 Too Many Requests", '{"error":{"type":"rejected"},"status":429}'), ""),
        (answer("500 Internal Server Error", '{"error":{"type":"null_pointer_exception"},"status":500}'), ""),
        (answer("502 Bad Gateway", "<html>bad gateway</html>", "text/html"), ""),
        (answer("200 OK", "<html>please wait</html>", "text/html"), ""),
        (answer("200 OK", "{}"), ""),
        (answer("200 OK", "[]"), ""),
        (answer("200 OK", '{"cut'), ""),
        (answer("404 Not Found", "{}"), ""),
        (b"", ""),
        (b"SSH-2.0-OpenSSH_9.2\r\n", ""),
        (None, "did not answer within"),
    ],
)
def test_a_problem_that_may_pass_is_reported_in_one_line(
    reply: bytes | None,
    told: str,
    bare_settings: Settings,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if reply is None:
        monkeypatch.setattr(server, "FIRST_LOOK_SECONDS", 0.5)
    with listening(reply) as url:
        asyncio.run(server.check_index(bare_settings, url))
    said = capsys.readouterr().err
    assert said.startswith("Not ready yet: ")
    assert told in said
    assert said.count("\n") == 1


def test_an_unreachable_cluster_is_reported_too(bare_settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        asyncio.run(server.check_index(bare_settings, f"http://127.0.0.1:{nobody.getsockname()[1]}"))
    assert "cannot be reached" in capsys.readouterr().err


@pytest.mark.parametrize("content", [None, "", "no certificate"])
def test_an_unreadable_authority_file_is_an_error(bare_settings: Settings, tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    wrong = bare_settings.but(opensearch_ca_file=tmp_path / "ca.pem")
    with pytest.raises(Misconfigured, match=r"OPENSEARCH_CA_FILE .*ca\.pem cannot be used"):
        asyncio.run(server.check_index(wrong, "https://127.0.0.1:1"))
