"""The check of all logs at the end of a run: it fails the run if they hold what must not be logged."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests import logged

CLEAN = '{"event":"request","route":"/api/conversations","status":200,"who":"key 0123456789abcdef"}'
SECRET = "Gk3-own"


@pytest.mark.parametrize(
    "told",
    [
        "Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", "ck_0123456789abcdef_AbCdEfGh123", SECRET, "INVOICES", "東京都庁", "résumé",
        "ada@example.com", "search=secretword", f"a {logged.MARK.upper()}subject",
    ],
)  # fmt: skip
def test_a_line_that_reveals_something_is_found_with_its_position(tmp_path: Path, told: str) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "clean").write_text(f"{CLEAN}\n" * 3)
    file = tmp_path / "one" / "log"
    file.write_text(f"{CLEAN}\n{told}\n{CLEAN}\n")
    (found,) = logged.telling(tmp_path, [SECRET])
    assert found.startswith(f"{file}:2: ")


def test_parts_of_other_words_and_bytes_that_are_no_text_are_not_reported(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(f"{CLEAN}\nreordering resumed prerunning\n".encode() + b"\xff\xfe\n")
    assert list(logged.telling(tmp_path, [SECRET])) == []


@pytest.mark.slow
@pytest.mark.parametrize("processes", ["0", "2"])
def test_a_run_that_logged_a_search_fails_and_says_where(tmp_path: Path, processes: str) -> None:
    """All tests of the inner run pass. One logs a search, the other one a secret that the first gave to hide()."""
    hooks = "pytest_sessionfinish, pytest_terminal_summary, logs, _logged"
    (tmp_path / "conftest.py").write_text(f"from tests.conftest import {hooks}\n")
    (tmp_path / "test_one.py").write_text(
        "import structlog\nfrom tests import logged\n"
        "def test_it():\n    logged.hide('its-own-secret')\n    structlog.get_logger().info('secretword')\n"
    )
    (tmp_path / "test_two.py").write_text(
        "from tests import logged\ndef test_it():\n    logged.new_file('served').write_text('its-own-secret')\n"
    )
    assert _run(tmp_path, processes, "test_two.py").returncode == 0
    failed = _run(tmp_path, processes)
    assert failed.returncode == 1, failed.stdout + failed.stderr
    assert "2 passed" in failed.stdout
    assert "threads:1: secretword" in failed.stdout
    assert ":1: its-own-secret" in failed.stdout


def _run(folder: Path, processes: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "--rootdir",
        folder,
        "-c",
        os.devnull,
        "-p",
        "no:cacheprovider",
    ]
    command += ["--basetemp", folder / "base", "-n", processes, "--dist", "loadfile", *arguments]
    root = Path(__file__).parents[1]
    return subprocess.run(
        command, cwd=folder, env=environment | {"PYTHONPATH": str(root)}, capture_output=True, text=True, check=False
    )
