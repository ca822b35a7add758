"""The wheel, installed into an empty environment: it has `conversations`, the mappings, the views and the sample."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.node.clusters import Cluster

ROOT = Path(__file__).parents[2]


def run(*command: str | Path, **options: object) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]}{done.stderr[-2000:]}"
    return str(done.stdout)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built by hatchling from a copy of the project, so that no file is left in the project."""
    copy = tmp_path_factory.mktemp("copy") / "project"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "__pycache__", "dist"))
    run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", cwd=copy)
    return next((copy / "dist").glob("*.whl"))


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` folder of an environment that has only the wheel and what it requires."""
    environment = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", environment)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "--no-input", "install"]
    run(*pip, "--quiet", "--no-deps", "--require-hashes", "--requirement", ROOT / "requirements.txt")
    run(*pip, "--quiet", wheel)  # which pip takes only where everything the wheel requires is there
    return environment / "bin"


def test_the_wheel_has_the_service_and_its_data_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for name in ("conversations.json", "dashboards.ndjson"):
        assert f"service/index_mappings/{name}" in names
    assert "service/samples/conversations.ndjson.gz" in names
    assert "service/node/distribution.lock.json" in names
    assert "service/py.typed" in names
    assert {name.split("/")[0].partition("-")[0] for name in names} == {"service", "conversation_search"}


def test_the_command_of_an_empty_environment_makes_the_same_index(installed: Path, fresh: Cluster) -> None:
    outside = {"cwd": installed, "env": fresh.environment}
    assert run(installed / "conversations", "--version", **outside).startswith("conversations, version ")
    made = json.loads(run(installed / "conversations", "create", **outside))
    assert made["created"] is True
    again = subprocess.run([sys.executable, "-m", "service", "create"], env=fresh.environment, capture_output=True,
                           text=True, check=True, cwd=ROOT)  # fmt: skip
    assert json.loads(again.stdout) == {"index": made["index"], "created": False}
    doctor = run(installed / "conversations", "doctor", **outside)
    assert "failed" not in doctor
    code = (
        "from service.operations.dashboards import saved_objects; from service.run import sample_path; import os.path;"
    )
    code += "print(len(saved_objects('x').splitlines()), os.path.isfile(sample_path()))"
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    views = len((ROOT / "index_mappings/dashboards.ndjson").read_text("utf-8").splitlines())
    assert run(installed / "python", "-c", code, cwd=installed, env=environment) == f"{views} True\n"
