"""A local node with a fatal error is noticed, reported in one line and ended. A suspended one is left alone."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from service.node import Distribution, LocalNode, watch
from tests.node.running import COMMAND, Run, environment

# The analysis of subjects once had such a pattern: Java recurses on the repeated group until the stack overflows.
RECURSIVE = {
    "settings": {
        "analysis": {
            "char_filter": {"recursive": {"type": "pattern_replace", "pattern": "(?:a|b\\s*)+", "replacement": ""}},
            "analyzer": {"recursive": {"tokenizer": "keyword", "char_filter": ["recursive"]}},
        }
    },
    "mappings": {"properties": {"text": {"type": "text", "analyzer": "recursive"}}},
}
NOTICED_SECONDS = 120


def overflow_the_stack(url: str) -> None:
    """Ends a thread of the node with a StackOverflowError, and closes the writer of an index."""
    httpx.put(f"{url}/recursive", json=RECURSIVE, timeout=60).raise_for_status()
    with pytest.raises(httpx.HTTPError):  # it never answers
        httpx.put(f"{url}/recursive/_doc/1", json={"text": "ab" * 100_000}, timeout=5)


OPEN_TO_ALL = "without a password: every user of this machine can read and write it"


@pytest.fixture
def node(tmp_path: Path, distribution: Distribution) -> LocalNode:
    return LocalNode(tmp_path / "data", distribution)


def test_the_command_ends_when_a_thread_of_the_node_ended_with_an_error(tmp_path: Path) -> None:
    with subprocess.Popen(
        [*COMMAND, "node", "--data", str(tmp_path / "data")], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(),
    ) as process:  # fmt: skip
        assert process.stdout is not None
        overflow_the_stack(process.stdout.readline().strip())
        _out, errors = process.communicate(timeout=NOTICED_SECONDS)
    assert process.returncode == 1
    assert OPEN_TO_ALL in errors
    said = [line for line in errors.splitlines() if line.startswith("conversations: ")]
    assert len(said) == 1
    assert said[0].startswith(
        "conversations: OpenSearch cannot go on after a fatal error (java.lang.StackOverflowError). "
    )
    assert "\tat " not in errors


def test_run_ends_when_a_thread_of_the_node_ended_with_an_error(tmp_path: Path) -> None:
    run = Run(tmp_path / "data", "--empty")
    overflow_the_stack(json.loads((tmp_path / "data" / "node.json").read_text())["url"])
    _out, errors = run.process.communicate(timeout=NOTICED_SECONDS)
    assert run.process.returncode == 1
    assert OPEN_TO_ALL in errors
    assert "conversations: OpenSearch cannot go on after a fatal error (java.lang.StackOverflowError). " in errors


def test_a_node_that_is_out_of_memory_ends_at_once_and_is_noticed(tmp_path: Path, distribution: Distribution) -> None:
    """Its circuit breakers, which refuse such a request, are switched off here."""
    node = LocalNode(
        tmp_path / "data", distribution, heap="128m",
        options={"indices.breaker.type": "none"},
    )  # fmt: skip
    with node:
        reason = in_a_thread(node.wait)
        for _attempt in range(20):
            if reason.is_done():
                break
            try:
                httpx.put(f"{node.url}/x/_doc/1?require_alias=true", json={"text": "x" * 60_000_000}, timeout=20)
            except httpx.HTTPError:
                continue
        assert reason.result(NOTICED_SECONDS).startswith("OpenSearch ended with the exit code 3. Its last log lines")


def test_a_suspended_node_is_left_alone(node: LocalNode, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "REFUSED_SECONDS", 1.0)
    monkeypatch.setattr(watch, "CONNECT_SECONDS", 0.2)
    with node:
        assert node.process is not None
        reason = in_a_thread(node.wait)
        node.process.send_signal(signal.SIGSTOP)
        try:
            assert not reason.is_done(within=6)
        finally:
            node.process.send_signal(signal.SIGCONT)
        assert httpx.get(node.url, timeout=60).status_code == 200
        assert not reason.is_done(within=2)


class in_a_thread:
    """The result of a function that may never return."""

    def __init__(self, function: Callable[[], str]) -> None:
        self._found: list[str] = []
        self._thread = threading.Thread(target=lambda: self._found.append(function()), daemon=True)
        self._thread.start()

    def is_done(self, within: float = 0.0) -> bool:
        self._thread.join(within)
        return not self._thread.is_alive()

    def result(self, within: float) -> str:
        assert self.is_done(within), "it did not end"
        return self._found[0]


def test_only_the_owner_can_read_the_files_of_the_node(node: LocalNode) -> None:
    before = os.umask(0o022)
    try:
        with node:
            httpx.put(f"{node.url}/some", timeout=60).raise_for_status()
            httpx.put(f"{node.url}/some/_doc/1?refresh=true", json={"a": 1}, timeout=60).raise_for_status()
            wide = [path for path in sorted(node.data.rglob("*")) if path.lstat().st_mode & 0o077]
            assert [path for path in wide if path.parent != node.data / "config"] == []
            assert stat.S_IMODE(node.data.stat().st_mode) == 0o700
            assert stat.S_IMODE((node.data / "config").stat().st_mode) == 0o700
    finally:
        os.umask(before)


def test_the_node_refuses_what_would_fill_its_memory(node: LocalNode) -> None:
    """The circuit breaker that counts the memory really used is on, and a body has a limit."""
    with node:
        settings = httpx.get(
            f"{node.url}/_cluster/settings?include_defaults=true&flat_settings=true", timeout=60
        ).json()["defaults"]
        assert settings["indices.breaker.total.use_real_memory"] == "true"
        assert settings["indices.breaker.type"] == "hierarchy"
        assert settings["http.max_content_length"] == "64mb"
        flags = httpx.get(f"{node.url}/_nodes/_local/jvm", timeout=60).json()
        (jvm,) = (one["jvm"] for one in flags["nodes"].values())
        assert "-XX:+ExitOnOutOfMemoryError" in jvm["input_arguments"]
        assert any("G1" in name for name in jvm["gc_collectors"])
        assert httpx.put(f"{node.url}/x/_doc/1", content=b" " * (65 * 2**20), timeout=60).status_code == 413
