"""A full disk: what the API, its log, readiness, `load` and `doctor` report."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.api.auth import Tokens
from service.errors import NOT_NOW, NOT_WRITTEN
from service.node import Distribution, LocalNode
from service.settings import Settings
from tests.corpus import ORGANIZATIONS, corpus
from tests.node.clusters import Cluster
from tests.node.running import COMMAND
from tests.node.serving import serve_process
from tests.processes import wait_until
from tests.served import CERTIFICATES

SIZE = "750m"  # more than a node needs to start


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, in memory."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={SIZE},mode=700", "tmpfs", folder], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("a file system of a known size cannot be mounted here: that takes root and CAP_SYS_ADMIN")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def fill(folder: Path) -> Path:
    path = folder / "filling"
    with path.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(4096))
        except OSError:
            return path


def command(cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments], env=cluster.environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_a_full_disk_is_reported_by_the_log_readiness_load_and_doctor(
    small_disk: Path, settings: Settings, distribution: Distribution, tmp_path: Path
) -> None:
    first, *others = corpus()
    body = "".join(f"{conversation.model_dump_json()}\n" for conversation in others).encode()
    node = LocalNode(small_disk / "data", distribution)
    node.start()
    try:
        cluster = Cluster(settings.but(alias="full"), node.url)
        cluster.load([first])
        token = Tokens(cluster.settings).mint(
            "tester", [*ORGANIZATIONS], scopes=("conversations:write", "conversations:export")
        )
        with serve_process(cluster, CONVERSATIONS_REQUEST_TIMEOUT="5") as (process, address, log):
            wait_until(
                lambda: httpx.get(f"{address}/health/ready", timeout=60, verify=CERTIFICATES).status_code == 200,
                process=process, says=log.read_text,
            )  # fmt: skip
            fill(small_disk)
            assert os.statvfs(small_disk).f_bavail == 0
            for _ in range(2):  # the first write finds the disk full, the second a shard that has failed
                answer = httpx.post(
                    f"{address}/api/conversations/bulk", content=body, timeout=60,
                    headers={"Authorization": f"Bearer {token}"},
                )  # fmt: skip
                assert answer.status_code == 503, answer.text
                assert answer.json()["error"]["message"] in (NOT_WRITTEN, NOT_NOW)
            not_ready = httpx.get(f"{address}/health/ready", timeout=60)
            assert not_ready.status_code == 503
            assert "disk" in not_ready.json()["error"]["message"]
            assert "is full" in log.read_text(), "what callers of the API are not told"
        checks = {
            line["check"]: line for line in map(json.loads, command(cluster, "doctor", "--json").stdout.splitlines())
        }
        assert checks["disk"]["verdict"] == "failed"
        path = tmp_path / "others.ndjson"
        path.write_bytes(body)
        done = command(cluster, "load", str(path), "--rejects", str(tmp_path / "rejects"), "--no-progress")
        assert done.returncode == 1
        assert "disk" in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        node.stop()
