"""What scripts/setup leaves alone, and what it refuses, with one line that says what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.setup_projects import Project, make_project, python_with

pytestmark = pytest.mark.slow


def test_unusual_names_of_folders_work(tmp_path: Path, wheels: Path) -> None:
    name = "-it's a*b Größe 大"
    project = make_project(tmp_path / name / "checkout", wheels)
    project.must_work(LC_ALL="C")
    own = subprocess.run([project.venv / "bin" / "own"], capture_output=True, text=True, check=False)
    assert own.stdout == "own\n", own.stderr


def test_names_of_folders_that_cannot_work_need_another_folder(tmp_path: Path, wheels: Path) -> None:
    for name in ("a:b", 'say "hi" $x'):
        project = make_project(tmp_path / name / "checkout", wheels)
        assert "name another folder in VENV" in project.must_fail()
        assert not project.venv.exists()
    done = project.setup("--", "own", VENV=str(tmp_path / "environment"))
    assert done.stdout == "own\n", done.stderr


@pytest.mark.parametrize("looks", ["setup.log", "pyvenv.cfg", "tmp/a", "lib/a", "made-from-requirements.txt"])
def test_a_folder_that_only_looks_like_an_environment_is_left_alone(
    looks: str, project: Project, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    for name in (looks, "src/thesis.txt"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("precious")
    assert "holds other files" in project.must_fail(VENV=str(folder))
    assert {path.read_text() for path in folder.rglob("*") if path.is_file()} == {"precious"}


def test_a_log_alone_is_no_environment(project: Project, tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "setup.log").write_text("precious")
    assert "holds other files" in project.must_fail(VENV=str(tmp_path / "own"))
    assert (tmp_path / "own" / "setup.log").read_text() == "precious"


def test_a_folder_with_other_files_is_left_alone(project: Project, tmp_path: Path) -> None:
    (tmp_path / "home" / "letter").write_text("dear")
    assert "holds other files" in project.must_fail(VENV=str(tmp_path / "home"))
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["letter"]
    assert "is no folder" in project.must_fail(VENV=str(tmp_path / "home" / "letter"))


def _missing_python(_project: Project, _tmp_path: Path) -> dict[str, str]:
    return {"PYTHON": "python3.99"}


def _no_python(project: Project, tmp_path: Path) -> dict[str, str]:
    (tmp_path / "bin").mkdir()
    for name in (
        "sh",
        "cat",
        "cksum",
        "dirname",
        "readlink",
        "env",
        "head",
        "find",
        "mkdir",
        "rm",
        "tail",
        "grep",
        "sed",
    ):
        (tmp_path / "bin" / name).symlink_to(str(shutil.which(name)))
    return {"PATH": str(tmp_path / "bin")}


def _old_python(project: Project, tmp_path: Path) -> dict[str, str]:
    return {"PYTHON": python_with(tmp_path / "old", "sys.version_info = (3, 9, 0, 'final', 0)")}


def _wrong_hash(project: Project, tmp_path: Path) -> dict[str, str]:
    (project.root / "requirements.txt").write_text(f"locked==1.0 --hash=sha256:{'0' * 64}\n")
    return {}


def _unknown_package(project: Project, tmp_path: Path) -> dict[str, str]:
    (project.root / "requirements.txt").write_text(f"unknown==1.0 --hash=sha256:{'0' * 64}\n")
    return {}


def _no_network(project: Project, tmp_path: Path) -> dict[str, str]:
    return {
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "1",
        "PIP_NO_INDEX": "",
        "PIP_FIND_LINKS": "",
        "PIP_CONFIG_FILE": os.devnull,
    }


@pytest.mark.parametrize(
    ("fault", "line"),
    [
        (_missing_python, "PYTHON is 'python3.99', and there is no such program: install it, name another Python"),
        (_no_python, "Python 3.11 or newer is needed, and none was found: install one, or name it in PYTHON"),
        (_old_python, "is Python 3.9, and not a Python of 3.11 or newer: name one that is"),
        (_wrong_hash, "a package is not the one that requirements.txt names by its hash"),
        (_unknown_package, "no unknown==1.0 for this Python and machine was found"),
        (_no_network, "cannot reach the Python package registry: check the network and pip's settings"),
    ],
)
def test_an_error_is_one_line_that_says_what_to_do(project: Project, tmp_path: Path, fault: object, line: str) -> None:
    assert callable(fault)
    assert line in project.must_fail(**fault(project, tmp_path))


def test_wrong_arguments_are_named(project: Project) -> None:
    assert "name one of requirements.txt" in project.must_fail("requirements-none.txt")
    assert "'python' is unexpected" in project.must_fail("requirements.txt", "python")
    assert "'--' is unexpected" in project.must_fail("--")
    assert not project.venv.exists()
