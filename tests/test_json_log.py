"""With CONVERSATIONS_LOG_FORMAT=json, each line that the service writes to standard error is JSON, from the start."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from service import progress
from tests.command_line import COMMAND, conversations, environment
from tests.processes import end_with_the_test, wait_until

SECRET = "0123456789" * 4
JSON = {"CONVERSATIONS_LOG_FORMAT": "json", "CONVERSATIONS_TOKEN_SECRET": SECRET}
NOWHERE = "http://127.0.0.1:9"


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.slow
def test_every_line_of_a_service_with_workers_is_json(tmp_path: Path) -> None:
    """Its notes, those of its workers, what it logs, and why a worker cannot start after a change of its settings."""
    config = tmp_path / "config.toml"
    config.write_text('current = "one"\n[contexts.one]\ncaller_rate = 100\n')
    log = tmp_path / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*COMMAND, "serve", "--port", "0", "--workers", "1", "--opensearch-url", NOWHERE, "--config", str(config)],
            env=environment(tmp_path, **JSON), cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=output,
        )  # fmt: skip
    end_with_the_test(process)
    wait_until(lambda: "workers_started" in log.read_text(), process=process, says=log.read_text)
    config.write_text('current = "one"\n[contexts.one]\ncaller_rate = "fast"\n')
    process.send_signal(signal.SIGHUP)
    wait_until(lambda: "workers_not_replaced" in log.read_text(), process=process, says=log.read_text)
    process.terminate()
    process.wait(60)
    found = lines(log.read_text())
    assert all({"event", "level", "timestamp", "pid"} <= line.keys() for line in found)
    notes = [line for line in found if line["event"] == "note"]
    assert [(line["level"], line["message"][:13]) for line in notes if line["pid"] == process.pid] == [
        ("info", "Serving on ht"),
        ("info", "Not ready yet"),
        ("info", "Not ready yet"),
        ("info", "Starting 1 wo"),
    ]
    (refused,) = (line for line in notes if line["pid"] != process.pid)
    assert refused["level"] == "error"
    assert "caller_rate in [contexts.one]" in refused["message"]
    assert abs(datetime.fromisoformat(notes[0]["timestamp"]) - datetime.now(UTC)) < timedelta(minutes=5)


@pytest.mark.parametrize("command", ["serve", "run"])
def test_an_error_at_the_start_is_json_too(command: str, tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        done = conversations(tmp_path, command, "--port", port, "--opensearch-url", NOWHERE, **JSON)
    assert done.returncode != 0
    (line,) = lines(done.stderr)
    assert (line["event"], line["level"], line["pid"]) == ("note", "error", os.getpid())
    assert line["message"].startswith("conversations: ")


def test_the_log_format_may_be_set_in_the_configuration_file(tmp_path: Path) -> None:
    config = tmp_path / "config.toml"
    config.write_text('current = "one"\n[contexts.one]\nlog_format = "json"\nsearches = "many"\n')
    done = conversations(tmp_path, "serve", "--config", str(config))
    (line,) = lines(done.stderr)
    assert "searches in [contexts.one]" in line["message"]


def test_other_commands_write_plain_text(tmp_path: Path) -> None:
    """The image of the service sets the variable for every command."""
    done = conversations(tmp_path, "status", "--opensearch-url", NOWHERE, **JSON)
    assert done.stderr.startswith("conversations: ")


def test_a_message_of_several_lines_is_one_line_of_json(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress, "shown", progress.Shown(as_json=True, details=True))
    progress.complain("one\ntwo\x1b[2J", lines=True)
    progress.say("three")
    progress.detail("four")
    found = lines(capsys.readouterr().err)
    assert [(line["level"], line["message"]) for line in found] == [
        ("error", "one\ntwo\x1b[2J"), ("info", "three"), ("debug", "four"),
    ]  # fmt: skip
