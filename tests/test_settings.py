"""Settings: the environment is read once, wrong values are named, and docs/running.md tells of each."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {
        name: value for name, value in os.environ.items() if not name.startswith(("CONVERSATIONS_", "OPENSEARCH_"))
    }
    return subprocess.run(
        [sys.executable, "-c", code], env=clean | environment, cwd=ROOT, capture_output=True, text=True, check=False
    )


def test_each_wrong_variable_is_named_and_its_value_kept_secret() -> None:
    done = run_python(
        "from service.settings import Settings; Settings.load()",
        CONVERSATIONS_TOKEN_SECRET="too-short",
        CONVERSATIONS_REQUEST_TIMEOUT="soon",
        OPENSEARCH_URL="localhost:9200",
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    for name in ("CONVERSATIONS_TOKEN_SECRET", "CONVERSATIONS_REQUEST_TIMEOUT", "OPENSEARCH_URL"):
        assert name in last
    assert "too-short" not in done.stderr


def test_the_secret_is_not_printed() -> None:
    done = run_python(
        "from service.settings import Settings; print(Settings.load())", CONVERSATIONS_TOKEN_SECRET="x" * 40
    )
    assert done.returncode == 0
    assert "x" * 40 not in done.stdout


def test_nothing_else_reads_the_environment() -> None:
    for path in (ROOT / "service").rglob("*.py"):
        if path.name != "settings.py":
            assert not re.search(r"os\.environ|getenv", path.read_text("utf-8")), path


def test_the_table_of_settings_is_the_code() -> None:
    from service.settings import environment_names

    page = (ROOT / "docs" / "running.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `([A-Z_]+)` \| (.+?) \|$", page, re.MULTILINE))
    assert rows == environment_names()
