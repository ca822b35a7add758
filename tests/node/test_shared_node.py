"""The node that the processes of a test run share: it runs until the last of them ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import httpx

from tests.node import shared_node
from tests.processes import end_with_the_test, wait_until
from tests.served import CERTIFICATES

USE = """\
import pathlib, sys
from tests.node import shared_node
with shared_node.used(pathlib.Path(sys.argv[1])) as url:
    print(url, flush=True)
    sys.stdin.read()
"""


def started_pid(folder: Path) -> int:
    """The process id of the running node: another one after each start."""
    pid: int = json.loads((folder / "data" / "node.json").read_text())["pid"]
    return pid


def test_the_node_runs_until_its_last_user_ends_even_if_that_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "shared"
    with shared_node.used(folder) as url:
        pid = started_pid(folder)
        other = subprocess.Popen(
            [sys.executable, "-c", USE, folder], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        end_with_the_test(other)
        assert other.stdout is not None
        assert other.stdout.readline().strip() == url
    with shared_node.used(folder) as again:  # which would wait for the end of a node that nobody used
        assert (again, started_pid(folder)) == (url, pid)
        other.kill()
        other.wait()
        assert httpx.get(url, timeout=60, verify=CERTIFICATES).status_code == 200
    wait_until(lambda: not Path(f"/proc/{pid}").exists())
    assert not (folder / "url").exists()
