"""`run` on an index that was made by a version with another mapping: it says what to type, and that works."""

from __future__ import annotations

import json
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from service.index.aliases import META
from service.node import running_url
from tests.corpus import corpus
from tests.node.running import COMMAND, Run, conversations, environment
from tests.processes import WAIT_SECONDS, end_with_the_test, wait_until


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """A data folder whose index names another mapping as its source. It holds two conversations."""
    data = tmp_path / "data"
    (tmp_path / "two.ndjson").write_text("".join(f"{one.model_dump_json()}\n" for one in corpus()[:2]))
    run = Run(data, "--empty")
    assert conversations("load", str(tmp_path / "two.ndjson"), "--data", str(data)).returncode == 0
    meta = {META: {"mapping": "0" * 12, "alias": "conversations", "derived_version": 1}}
    changed = httpx.put(f"{running_url(data)}/conversations/_mapping", json={"_meta": meta})
    assert changed.status_code == 200, changed.text
    assert run.end(signal.SIGINT) == 130
    return data


def test_run_says_how_to_reindex_and_then_serves_the_same_conversations(
    other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = conversations("run", "--port", "0", "--data", str(other))
    assert refused.returncode == 1
    assert "'scripts/run --reindex' or 'conversations run --reindex'" in refused.stderr.splitlines()[-1]

    monkeypatch.setenv("CONVERSATIONS_WRITE_LEASE", "5")
    log = other.parent / "log"
    with log.open("wb") as stderr:
        stopped = subprocess.Popen(
            [*COMMAND, "run", "--port", "0", "--data", str(other), "--empty", "--reindex"],
            stderr=stderr, stdout=stderr, env=environment(), start_new_session=True,
        )  # fmt: skip
    end_with_the_test(stopped)
    wait_until(lambda: "reindex: write to both" in log.read_text(), process=stopped, says=log.read_text)
    stopped.send_signal(signal.SIGINT)
    assert stopped.wait(WAIT_SECONDS) == 130

    monkeypatch.setenv("CONVERSATIONS_WRITE_LEASE", "0.5")
    resumed = Run(other, "--empty", "--reindex")
    status = json.loads(conversations("status", "--data", str(other)).stdout)
    assert (status["conversations"], status["problem"], len(status["indices"])) == (2, None, 2)
    assert conversations("prune", "--data", str(other)).returncode == 0
    status = json.loads(conversations("status", "--data", str(other)).stdout)
    assert (status["conversations"], status["problem"], len(status["indices"])) == (2, None, 1)
    assert resumed.end(signal.SIGINT) == 130
