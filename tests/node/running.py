"""Commands as processes of their own, as a user starts them: `run` with its local node, loads, and all others."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

from tests.node import impatient
from tests.processes import WAIT_SECONDS, end_with_the_test

COMMAND = [sys.executable, "-m", "service"]


class Run:
    """`conversations run` as a child process, up to the moment when it serves."""

    def __init__(self, data: Path, *options: str) -> None:
        self.data = data
        self.process = subprocess.Popen(
            [*COMMAND, "run", "--port", "0", "--data", str(data), *options],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True,
        )  # fmt: skip
        end_with_the_test(self.process)
        self.printed = ""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.printed += line
            if "ctrl-C" in line:
                break
        else:
            _out, errors = self.process.communicate()
            raise AssertionError(errors)
        self.curl = next(line.strip() for line in self.printed.splitlines() if line.strip().startswith("curl"))
        self.address = re.findall(r"http://127\.0\.0\.1:\d+", self.printed)[0]
        state = json.loads((data / "node.json").read_text())
        self.node_pid = state["pid"]

    def ask(self) -> dict[str, object]:
        done = subprocess.run(["bash", "-c", self.curl], capture_output=True, text=True, check=True)
        body: dict[str, object] = json.loads(done.stdout)
        return body

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate(timeout=WAIT_SECONDS)
        return self.process.returncode


def environment(**changes: str) -> dict[str, str]:
    """A user's environment, without OPENSEARCH_URL."""
    return {name: value for name, value in os.environ.items() if name != "OPENSEARCH_URL"} | changes


def conversations(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        env=environment(**changes),
        check=False,
        timeout=WAIT_SECONDS,
    )


def begin_load(url: str, alias: str, file: Path, *options: str) -> subprocess.Popen[str]:
    """A load of the file; its checkpoint and rejects are in the file's folder."""
    process = subprocess.Popen(
        [*impatient.COMMAND, "load", str(file), "--create", *options],
        env=impatient.environment() | {"OPENSEARCH_URL": url, "CONVERSATIONS_ALIAS": alias},
        cwd=file.parent, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    end_with_the_test(process)
    return process
