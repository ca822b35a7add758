"""A reverse proxy that shows the service below a path, as an operator's server does. Other paths get 404."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import httpx

from tests import in_thread

KEPT = ("content-type", "content-security-policy", "cache-control", "etag", "vary", "retry-after")


@contextmanager
def below_path(address: str, path: str) -> Iterator[str]:
    """The address below which the service is, without a slash at the end."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if not self.path.startswith(f"{path}/"):
                self._answer(404, {}, b"")
                return
            headers = {
                name: value for name, value in self.headers.items() if name.lower() not in ("host", "connection")
            }
            found = client.request(self.command, address + self.path.removeprefix(path), headers=headers, content=body)
            self._answer(
                found.status_code, {name: found.headers[name] for name in KEPT if name in found.headers}, found.content
            )

        do_GET = do_POST = do_DELETE = _pass_on

        def _answer(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with httpx.Client(timeout=60) as client, ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        with in_thread.serving(server):
            yield f"http://127.0.0.1:{server.server_address[1]}{path}"
