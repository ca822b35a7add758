"""The import of the views into OpenSearch Dashboards, with a server that records its requests."""

from __future__ import annotations

import asyncio
import json
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from service.errors import ConversationsError, SearchUnavailable
from service.operations import dashboards
from service.operations.dashboards import Imported, saved_objects, send
from service.settings import Settings
from tests.command_line import conversations
from tests.dashboards_server import Kept, serving

ALIAS = "threads"
OBJECTS = [json.loads(line) for line in saved_objects("conversations").splitlines()]
DONE = (200, json.dumps({"success": True, "successCount": len(OBJECTS)}))


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dashboards, "PAUSE_SECONDS", 0.01)


def imported(kept: Kept, *, wait: float = 20, since: str | None = None) -> Imported:
    user = {"opensearch_user": "ana", "opensearch_password": SecretStr("pässword")}
    with serving(kept):
        return asyncio.run(send(Settings.load().but(alias=ALIAS, **user), f"{kept.url}/", wait=wait, since=since))


def test_the_import_waits_until_dashboards_is_ready_and_uses_the_alias() -> None:
    """While the security plugin starts, Dashboards answers 401."""
    kept = Kept([(503, "not ready yet"), (401, "Unauthorized"), DONE])
    assert imported(kept).imported == len(OBJECTS)
    assert len(kept.imports) == 3
    path, headers, body = kept.imports[-1]
    assert path == "/api/saved_objects/_import?overwrite=true"
    assert (headers["osd-xsrf"], headers["securitytenant"]) == ("true", "global")
    assert headers["authorization"].startswith("Basic ")
    message = message_from_bytes(b"Content-Type: " + headers["content-type"].encode() + b"\n\n" + body)
    _whole, part = message.walk()
    assert part.get_filename() == "dashboards.ndjson"  # Dashboards refuses other file extensions
    sent = part.get_payload(decode=True)
    assert isinstance(sent, bytes)
    lines = [json.loads(line) for line in sent.splitlines()]
    patterns = [line for line in lines if line["type"] == "index-pattern"]
    assert [line["attributes"]["title"] for line in patterns] == [ALIAS] * 3
    assert lines[3:] == OBJECTS[3:]


def test_the_first_import_sets_defaults_and_a_second_one_changes_none() -> None:
    kept = Kept([DONE])
    first = imported(kept, since="2003-05-01")
    times = {"from": "2003-05-01T00:00:00.000Z", "to": "now"}
    [changes] = kept.changes
    assert changes.keys() == {"defaultIndex", "dateFormat:tz", "timepicker:timeDefaults"}
    assert (changes["defaultIndex"], changes["dateFormat:tz"]) == ("conversations", "UTC")
    assert json.loads(changes["timepicker:timeDefaults"]) == times
    assert first.settings == changes
    assert imported(kept, since="2001-01-01").settings == {}
    assert len(kept.changes) == 1


def test_what_somebody_has_set_is_kept() -> None:
    kept = Kept([DONE], settings={"buildNum": {"userValue": 1}, "dateFormat:tz": {"userValue": "Asia/Tokyo"}})
    imported(kept)
    [changes] = kept.changes
    assert set(changes) == {"defaultIndex", "timepicker:timeDefaults"}


def test_the_default_time_range_without_a_cluster_is_a_year(tmp_path: Path) -> None:
    kept = Kept([DONE])
    with serving(kept):
        done = conversations(tmp_path, "dashboards", "--url", kept.url, OPENSEARCH_URL="http://127.0.0.1:1")
    assert (done.returncode, done.stderr) == (0, "")
    [changes] = kept.changes
    assert json.loads(changes["timepicker:timeDefaults"]) == {"from": "now-1y", "to": "now"}
    assert json.loads(done.stdout) == {"dashboards": kept.url, "imported": len(OBJECTS), "settings": changes}


def test_settings_that_cannot_be_read_are_reported_and_the_views_are_imported() -> None:
    done = imported(Kept([DONE], settings_status=403))
    assert (done.imported, done.settings) == (len(OBJECTS), {})
    assert "403" in str(done.record()["settings_problem"])


def test_dashboards_that_does_not_become_ready_is_an_error() -> None:
    with pytest.raises(SearchUnavailable, match="is not ready: still starting"):
        imported(Kept([(503, "still starting")]), wait=0)


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
        (200, "[" * 100_000, ["check that it is OpenSearch Dashboards"]),
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
def test_a_refusal_by_dashboards_is_reported_in_one_line(status: int, text: str, words: list[str]) -> None:
    kept = Kept([(status, text)])
    with pytest.raises(ConversationsError) as raised:
        imported(kept, wait=0)
    assert all(word in str(raised.value) for word in words), raised.value
    assert len(str(raised.value).splitlines()) == 1
    assert not kept.changes
