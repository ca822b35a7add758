"""Whatever the suite had the service do: its log tells which requests there were, and nothing of what was in them."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from tests.corpus import ORGANIZATIONS, WORDS
from tests.node.conftest import Api, Cluster, serve_process

FIELDS = {
    "event", "level", "timestamp", "method", "route", "status", "milliseconds", "request_id", "organization", "took",
    "error", "cause", "places", "client_disconnected", "cut_off", "opensearch_status", "opensearch_error", "written", "unchanged", "rejected",
    "issuer", "reason", "has_older",
}  # fmt: skip
SECRET = "unmistakable secret"
TELLING = [word for word in WORDS if len(word) > 5 or not word.isascii()]


@pytest.fixture
def provoked(cluster: Cluster, api: Api, logs: Path) -> None:
    """Requests that hold something secret in every place that there is, to both kinds of service."""
    token = api.token(ORGANIZATIONS[0], scopes=("conversations:write", "conversations:export"))
    line = {"uid": "x", "subject": SECRET, "metadata": {"from_email": "ada@example.com"}}
    with serve_process(cluster, logs) as (_process, address, _log):
        for base in (address, api.address):
            for path in (
                f"/api/conversations?search={SECRET}", f"/api/conversations?category={SECRET}&status={SECRET}",
                f"/api/conversations/{SECRET}", f"/{SECRET}?{SECRET}", f"/api/conversations?cursor={SECRET}",
            ):  # fmt: skip
                api.http.get(base + path, headers={"Authorization": f"Bearer {token}"})
            api.http.get(f"{base}/api/conversations", headers={"Authorization": f"Bearer {token}x"})
            api.http.post(
                f"{base}/api/conversations/bulk", content=json.dumps(line).encode(),
                headers={"Authorization": f"Bearer {token}"},
            )  # fmt: skip


@pytest.mark.last
@pytest.mark.usefixtures("provoked")
def test_no_line_that_was_logged_holds_a_token_a_subject_an_address_or_a_search(logs: Path) -> None:
    files = [file for file in logs.rglob("*") if file.is_file()]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines()]
    requests = [json.loads(line) for line in lines if line.startswith("{")]
    assert len(requests) > 14
    for request in requests:
        assert set(request) <= FIELDS, set(request) - FIELDS
    for line in lines:
        assert "eyJ" not in line, "a token"
        assert "@" not in line, "an address"
        assert "unmistakable" not in line
        for word in TELLING:
            assert not re.search(rf"(?<!\w){re.escape(word)}(?!\w)", line), word
