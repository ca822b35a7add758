"""A run of the tests that failed before names those that pass now, and pytest's own last line stays the last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
TESTS = """
from pathlib import Path

def test_steady(): pass
def test_flaky(): assert Path("mended").exists()
def test_other(): assert Path("mended").exists()
def test_broken(): assert False
"""


@pytest.mark.slow
def test_a_second_run_names_what_failed_at_first_and_passed_then(tmp_path: Path) -> None:
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "test_some.py").write_text(TESTS)

    def run(*options: str) -> list[str]:
        plugins = ["-p", "tests.failed_before", "-p", "no:schemathesis"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", *plugins, "--numprocesses", "1", *options],
            cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
        )  # fmt: skip
        assert done.returncode == 1, done.stdout + done.stderr
        return done.stdout.splitlines()

    first = run()
    assert not any("failed before" in line for line in first)
    assert "3 failed, 1 passed" in first[-1]
    (tmp_path / "mended").touch()
    again = run("--last-failed")
    at = next(number for number, line in enumerate(again) if "tests that failed before and passed now: 2" in line)
    assert again[at + 1 : at + 3] == ["test_some.py::test_flaky", "test_some.py::test_other"]
    assert "test_some.py::test_steady" not in again
    assert "1 failed, 2 passed" in again[-1]
    (tmp_path / ".pytest_cache/v/cache/lastfailed").unlink()
    anew = run("--last-failed")
    assert not any("failed before" in line for line in anew), "nothing is known to have failed, so all tests ran"
    assert "1 failed, 3 passed" in anew[-1]


def test_ci_runs_what_failed_once_more_and_tells() -> None:
    script = (ROOT / ".ci/run").read_text("utf-8")
    assert '"the tests that failed, once more" scripts/test --last-failed' in script
    assert "failed_before.pytest_terminal_summary(terminalreporter, config)" in (ROOT / "tests/conftest.py").read_text(
        "utf-8"
    )
