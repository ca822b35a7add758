"""A server that records requests, and answers as OpenSearch Dashboards 3.8 does.

The forms are those of src/core/server/saved_objects/import/types.ts and src/core/server/ui_settings/routes.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests import in_thread

SETTINGS = "/api/opensearch-dashboards/settings"


@dataclass
class Kept:
    """The recorded requests, and the answers. Imports get `answers` in order, then the last one again and again."""

    answers: list[tuple[int, str]]
    settings: dict[str, Any] = field(default_factory=dict)
    settings_status: int = 200
    url: str = ""
    imports: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    changes: list[dict[str, Any]] = field(default_factory=list)

    def answer(self, path: str, headers: dict[str, str], body: bytes) -> tuple[int, str]:
        if path.startswith("/api/saved_objects/_import"):
            self.imports.append((path, headers, body))
            return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        assert path == SETTINGS
        if self.settings_status == 200 and body:
            changes = json.loads(body)["changes"]
            self.changes.append(changes)
            self.settings |= {name: {"userValue": value} for name, value in changes.items()}
        return self.settings_status, json.dumps({"settings": self.settings})


@contextmanager
def serving(kept: Kept) -> Iterator[Kept]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.do_GET()

        def do_GET(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, text = kept.answer(self.path, headers, body)
            self.send_response(status)
            self.send_header("Content-Length", str(len(text.encode())))
            self.end_headers()
            self.wfile.write(text.encode())

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server, in_thread.serving(server):
        kept.url = f"http://127.0.0.1:{server.server_port}"
        yield kept
