"""`conversations dashboards` against a server that keeps what it is sent, and answers as Dashboards 3.8 does.

The forms are those of src/core/server/saved_objects/import/types.ts and src/core/server/ui_settings/routes.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.operations.dashboards import saved_objects
from tests.node.conftest import Cluster

OBJECTS = [json.loads(line) for line in saved_objects("conversations").splitlines()]
DONE = (200, json.dumps({"success": True, "successCount": len(OBJECTS)}))
SETTINGS = "/api/opensearch-dashboards/settings"


@dataclass
class Kept:
    """What was sent, and what is answered: to imports one after the other, the last one for ever."""

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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    kept.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield kept
    finally:
        server.shutdown()
        thread.join(30)
        server.server_close()


def imported(kept: Kept, cluster: Cluster, *, wait: str = "20", **more: str) -> subprocess.CompletedProcess[str]:
    with serving(kept):
        return subprocess.run(
            [sys.executable, "-m", "service", "dashboards", "--url", f"{kept.url}/", "--wait", wait],
            env=cluster.environment | more, capture_output=True, text=True, check=False,
        )  # fmt: skip


def test_the_import_waits_until_dashboards_is_ready_and_looks_at_the_alias(cluster: Cluster) -> None:
    """While the security plugin starts, Dashboards answers 401."""
    kept = Kept([(503, "not ready yet"), (401, "Unauthorized"), DONE])
    done = imported(kept, cluster, OPENSEARCH_USER="ana", OPENSEARCH_PASSWORD="pässword")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["imported"] == len(OBJECTS)
    assert len(kept.imports) == 3
    path, headers, body = kept.imports[-1]
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert (headers["osd-xsrf"], headers["securitytenant"]) == ("true", "global")
    assert headers["authorization"].startswith("Basic ")
    message = message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\n\n" + body)
    _whole, part = message.walk()
    sent = part.get_payload(decode=True)
    assert isinstance(sent, bytes)
    lines = [json.loads(line) for line in sent.splitlines()]
    patterns = [line for line in lines if line["type"] == "index-pattern"]
    assert {line["attributes"]["title"] for line in patterns} == {cluster.settings.alias}
    assert lines[len(patterns) :] == OBJECTS[len(patterns) :]


def test_a_first_visit_finds_its_settings(cluster: Cluster) -> None:
    """The time range begins with the oldest conversation."""
    kept = Kept([DONE])
    done = imported(kept, cluster)
    [changes] = kept.changes
    assert (changes["defaultIndex"], changes["dateFormat:tz"]) == ("conversations", "UTC")
    times = json.loads(changes["timepicker:timeDefaults"])
    oldest = cluster.act(lambda client: client.search(index=cluster.settings.alias, body=OLDEST))
    first = oldest["hits"]["hits"][0]["_source"]["created_on"]
    assert times == {"from": f"{first[:10]}T00:00:00.000Z", "to": "now"}
    assert json.loads(done.stdout)["settings"] == changes
    again = imported(kept, cluster)
    assert len(kept.changes) == 1
    assert json.loads(again.stdout)["settings"] == {}


OLDEST = {"size": 1, "sort": [{"created_on": "asc"}], "query": {"exists": {"field": "organization_uid"}}}


def test_what_somebody_has_set_is_kept(cluster: Cluster) -> None:
    kept = Kept([DONE], settings={"buildNum": {"userValue": 1}, "dateFormat:tz": {"userValue": "Asia/Tokyo"}})
    assert imported(kept, cluster).returncode == 0
    [changes] = kept.changes
    assert set(changes) == {"defaultIndex", "timepicker:timeDefaults"}


def test_without_a_cluster_the_range_is_a_year(cluster: Cluster) -> None:
    kept = Kept([DONE])
    done = imported(kept, cluster, OPENSEARCH_URL="http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (0, "")
    [changes] = kept.changes
    assert json.loads(changes["timepicker:timeDefaults"]) == {"from": "now-1y", "to": "now"}


def test_settings_that_cannot_be_read_are_told_and_the_views_are_there(cluster: Cluster) -> None:
    done = imported(Kept([DONE], settings_status=403), cluster)
    record = json.loads(done.stdout)
    assert (done.returncode, record["imported"], record["settings"]) == (0, len(OBJECTS), {})
    assert "403" in record["settings_problem"]


def failure(kind: str, name: str, **error: Any) -> dict[str, Any]:
    return {"type": kind, "id": name, "meta": {"title": "T"}, "error": error}


MISSING = failure("search", "x", type="missing_references", references=[{"type": "index-pattern", "id": "gone"}])
REFUSED = failure("dashboard", "y", type="unknown", message="mapping set to strict", statusCode=400)
SEVEN = [failure("visualization", str(number), type="unsupported_type") for number in range(7)]


@pytest.mark.parametrize(
    ("status", "text", "words"),
    [
        (401, "", ["OPENSEARCH_USER"]),
        (403, "", ["OPENSEARCH_USER"]),
        (200, "<html>", ["check that it is OpenSearch Dashboards"]),
        (404, "{}", ["check that it is OpenSearch Dashboards"]),
        (
            200, json.dumps({"success": False, "successCount": 27, "errors": [MISSING, REFUSED]}),
            ["2 of", "search x: index-pattern gone is missing", "dashboard y: mapping set to strict"],
        ),
        (
            200, json.dumps({"success": False, "successCount": 0, "errors": SEVEN}),
            ["visualization 4: unsupported_type", "and 2 more"],
        ),
    ],
)  # fmt: skip
def test_what_dashboards_refuses_is_told_in_a_line(status: int, text: str, words: list[str], cluster: Cluster) -> None:
    kept = Kept([(status, text)])
    done = imported(kept, cluster, wait="0.1")
    assert done.returncode == 1
    assert all(word in done.stderr for word in words), done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not kept.changes
