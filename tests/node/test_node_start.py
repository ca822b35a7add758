"""Starts of the local node that are refused or fail: the reason is reported, and a running node is left alone."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from service.errors import NodeFailed
from service.node import Distribution, LocalNode, health, process, running_url
from tests.node.running import Run, conversations
from tests.processes import wait_until


def state(data: Path) -> dict[str, tuple[int, str]]:
    """The inodes and checksums of the files that a second node could damage; of the log, only the beginning."""
    names = [
        "node.json",
        "port.json",
        "token-secret",
        "lock",
        *(f"config/{one.name}" for one in (data / "config").iterdir()),
    ]
    found = {
        name: ((data / name).stat().st_ino, hashlib.sha256((data / name).read_bytes()).hexdigest()) for name in names
    }
    log = data / "logs" / "node.out"
    return found | {"node.out": (log.stat().st_ino, hashlib.sha256(log.read_bytes()[:2000]).hexdigest())}


def test_a_refused_second_start_leaves_the_first_alone(tmp_path: Path) -> None:
    run = Run(tmp_path)
    address = httpx.URL(run.address)
    before = state(tmp_path)
    for arguments in (
        ("run", "--port", "0"),
        ("run", "--port", str(address.port)),
        ("node",),
        ("run", "--port", "0", "--empty"),
    ):
        refused = conversations(*arguments, "--data", str(tmp_path))
        assert refused.returncode in (1, 2)
        assert "Traceback" not in refused.stderr
        assert state(tmp_path) == before, arguments
    assert running_url(tmp_path) is not None
    assert conversations("status", "--data", str(tmp_path)).returncode == 0
    assert run.ask()["status"] == "success"
    assert run.end(signal.SIGINT) == 130
    assert running_url(tmp_path) is None


def test_stopping_a_refused_node_leaves_the_first_alone(tmp_path: Path, distribution: Distribution) -> None:
    with LocalNode(tmp_path, distribution) as first:
        second = LocalNode(tmp_path, distribution)
        with pytest.raises(NodeFailed, match="in use by process"):
            second.start()
        second.stop()
        second.kill()
        assert running_url(tmp_path) == first.url


def test_a_command_that_looks_for_a_running_node_does_not_stop_a_start(
    tmp_path: Path, distribution: Distribution
) -> None:
    """Such a command holds the lock for a moment."""
    import fcntl

    (tmp_path / "lock").touch()
    with (tmp_path / "lock").open("a+") as look:
        fcntl.flock(look, fcntl.LOCK_SH)
        timer = threading.Timer(0.3, lambda: fcntl.flock(look, fcntl.LOCK_UN))
        timer.start()
        with LocalNode(tmp_path, distribution) as node:
            assert running_url(tmp_path) == node.url
        timer.join()


def failing(node: LocalNode) -> str:
    with pytest.raises(NodeFailed) as caught, node:
        pass
    assert running_url(node.data) is None
    return str(caught.value)


def test_the_nodes_own_exception_is_shown(tmp_path: Path, distribution: Distribution) -> None:
    words = failing(LocalNode(tmp_path, distribution, options={"discovery.typ": "x"}))
    assert words.startswith("OpenSearch did not start: SettingsException: unknown setting [discovery.typ]")
    words = failing(LocalNode(tmp_path, distribution, options={"node.name": "[x"}))
    assert "Failed to load settings from [opensearch.yml] (" in words
    assert "while parsing a flow sequence" in words


def test_damaged_data_are_reported(tmp_path: Path, distribution: Distribution) -> None:
    with LocalNode(tmp_path, distribution):
        pass
    for file in (tmp_path / "index").rglob("segments_*"):
        file.write_bytes(file.read_bytes()[:-9] + b"x" * 9)
    words = failing(LocalNode(tmp_path, distribution))
    assert "CorruptIndexException" in words
    assert "the data folder is damaged" in words


def test_a_damaged_shard_is_reported_at_once(tmp_path: Path, distribution: Distribution) -> None:
    with LocalNode(tmp_path, distribution) as node:
        httpx.put(f"{node.url}/an-index/_doc/1?refresh=true", json={"a": 1}, timeout=60)
        httpx.put(f"{node.url}/an-index", json={}, timeout=60)
        httpx.put(f"{node.url}/an-index/_doc/1?refresh=true", json={"a": 1}, timeout=60).raise_for_status()
        httpx.post(f"{node.url}/an-index/_flush?force=true", timeout=60).raise_for_status()
    for file in (tmp_path / "index").glob("nodes/0/indices/*/0/index/segments_*"):
        file.write_bytes(b"x" * 40)
    words = failing(LocalNode(tmp_path, distribution))
    assert "shard 0 of the index an-index cannot be read" in words


def test_a_file_in_place_of_a_folder_is_reported(tmp_path: Path, distribution: Distribution) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "nodes").write_text("")
    assert "Not a directory" in failing(LocalNode(tmp_path, distribution))


def test_a_wrong_option_of_the_jvm_is_reported(tmp_path: Path) -> None:
    done = conversations("node", "--data", str(tmp_path), JAVA_TOOL_OPTIONS="-XX:+Nonsense")
    assert done.returncode == 1
    assert "OpenSearch did not start: Unrecognized VM option 'Nonsense': correct JAVA_TOOL_OPTIONS" in done.stderr


def test_a_start_tries_another_port_if_its_port_was_taken_meanwhile(
    tmp_path: Path, distribution: Distribution, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        find, found = process.free_port, list[int]()

        def taken_first(candidates: range) -> int:
            if candidates.start == 10_000 and not found:
                found.append(taken.getsockname()[1])
                return found[0]
            return find(candidates)

        monkeypatch.setattr(process, "free_port", taken_first)
        with LocalNode(tmp_path, distribution) as node:
            assert found
            assert httpx.get(node.url).status_code == 200


def test_a_node_that_is_killed_while_it_starts_is_reported(tmp_path: Path, distribution: Distribution) -> None:
    node = LocalNode(tmp_path, distribution)
    failures: list[str] = []

    def start() -> None:
        try:
            node.start()
        except NodeFailed as failure:
            failures.append(str(failure))

    starting = threading.Thread(target=start)
    starting.start()
    wait_until(lambda: node.process is not None)
    assert node.process is not None
    os.kill(node.process.pid, signal.SIGKILL)
    starting.join()
    assert failures[0].startswith("OpenSearch did not start: it was killed by SIGKILL")


def test_a_start_waits_for_a_node_that_still_recovers_its_indices(
    tmp_path: Path, distribution: Distribution, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The node waits for a second one for 8 s, so it recovers its indices late."""
    with LocalNode(tmp_path, distribution) as node:
        httpx.put(f"{node.url}/an-index", json={}, timeout=60).raise_for_status()
    late = {"gateway.expected_data_nodes": "2", "gateway.recover_after_time": "8s"}
    passed, is_usable = [0.0], health.is_usable

    def looked(url: str) -> bool:
        """The time for a start is over after the first check that fails."""
        if found := is_usable(url):
            return found
        passed[0] = 1 + process.START_SECONDS
        return False

    monkeypatch.setattr(health, "is_usable", looked)
    clock = {"monotonic": lambda: time.monotonic() + passed[0]}
    monkeypatch.setattr(process, "time", SimpleNamespace(**vars(time) | clock))
    with LocalNode(tmp_path, distribution, options=late) as node:
        assert httpx.head(f"{node.url}/an-index", timeout=60).status_code == 200
    assert "still recovering its indices" in capsys.readouterr().err
