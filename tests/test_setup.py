"""scripts/setup makes the environment, repairs it, and continues after an interruption."""

from __future__ import annotations

import fcntl
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.setup_projects import LONGEST_SECONDS, SCRIPTS, Project, python_with

pytestmark = pytest.mark.slow


def test_setup_makes_the_environment_once_and_leaves_no_other_files(project: Project, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    assert "Making" in project.must_work(TMPDIR=str(tmp_path / "tmp"))
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (project.venv / "tmp").exists()
    assert project.must_work() == ""
    done = project.setup("requirements.txt", "--", "own")
    assert done.stdout == "own\n"


def test_a_version_that_came_out_after_the_lock_does_not_matter(project: Project) -> None:
    """`locked` needs `needed[extra]`, locked at 1.0. If pip 23 resolved dependencies, it would take the newer 2.0."""
    project.must_work()
    version = "from importlib.metadata import version; print(version('needed'))"
    assert project.setup("requirements.txt", "--", "python", "-c", version).stdout == "1.0\n"


def test_settings_of_pip_do_not_change_where_packages_go(project: Project, tmp_path: Path) -> None:
    (tmp_path / "pip.conf").write_text(f"[install]\nuser = true\ntarget = {tmp_path}/c\nprefix = {tmp_path}/d\n")
    project.must_work(
        PIP_CONFIG_FILE=str(tmp_path / "pip.conf"),
        PIP_USER="1",
        PIP_TARGET=f"{tmp_path}/a",
        PIP_PREFIX=f"{tmp_path}/b",
        PIP_ROOT=f"{tmp_path}/e",
        PIP_REQUIRE_VIRTUALENV="1",
        PIP_DRY_RUN="1",
        PIP_LOG=f"{tmp_path}/log",
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkout", "home", "pip.conf"]


def test_settings_of_python_and_of_folders_do_not_matter(project: Project, tmp_path: Path) -> None:
    (tmp_path / "path" / "pip").mkdir(parents=True)
    (tmp_path / "path" / "pip" / "__init__.py").write_text("raise SystemExit('the wrong pip')")
    project.must_work(
        PYTHONHOME="/nowhere", PYTHONPATH=f"{tmp_path}/path", TMPDIR=f"{tmp_path}/none", HOME="", CDPATH="/:/tmp"
    )


def test_setup_may_be_started_through_a_symbolic_link(project: Project, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "link").symlink_to("../checkout/scripts/setup")
    project.script = tmp_path / "bin" / "link"
    project.must_work()
    assert not (tmp_path / ".venv").exists()


def test_the_scripts_that_set_up_find_it_through_a_symbolic_link(tmp_path: Path) -> None:
    """The small scripts only find scripts/setup, so one that prints its arguments is enough."""
    (tmp_path / "checkout" / "scripts").mkdir(parents=True)
    printing = tmp_path / "checkout" / "scripts" / "setup"
    printing.write_text('#!/bin/sh\necho "$PWD: $*"\n')
    printing.chmod(0o755)
    for name in ("run", "load", "reindex", "test", "bench", "relevance"):
        shutil.copy(SCRIPTS / name, tmp_path / "checkout" / "scripts" / name)
        (tmp_path / name).symlink_to(Path("checkout", "scripts", name))
        done = subprocess.run([tmp_path / name, "a b"], capture_output=True, text=True, check=True, cwd="/")
        folder = tmp_path / "checkout" if name in ("test", "bench", "relevance") else Path("/")
        assert done.stdout.startswith(f"{folder}: requirements"), done.stdout
        assert done.stdout.endswith(" a b\n")


def _without_pip(project: Project) -> None:
    shutil.rmtree(project.venv, ignore_errors=True)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project.venv], check=True)


def _killed_while_unpacking(project: Project) -> None:
    next(project.venv.glob("made-from-*")).unlink()
    next(project.venv.glob("lib/python*/site-packages/locked-1.0.dist-info/RECORD")).unlink()
    next(project.venv.glob("lib/python*/site-packages/locked.py")).unlink()


def _python_removed(project: Project) -> None:
    for link in project.venv.glob("bin/python*"):
        link.unlink()
        link.symlink_to("/nowhere/python3")


def _python_of_another_version(project: Project) -> None:
    (packages,) = project.venv.glob("lib/python*/site-packages")
    packages.parent.rename(packages.parent.with_name("python3.0"))
    stamp = next(project.venv.glob("made-from-*"))
    stamp.write_text(stamp.read_text().replace("Python 3.", "Python 3.0"))


def _moved(project: Project) -> None:
    project.root = project.root.rename(project.root.with_name("renamed"))


def test_a_broken_environment_is_made_anew(project: Project) -> None:
    for broken in (_without_pip, _killed_while_unpacking, _python_removed, _python_of_another_version, _moved):
        broken(project)
        assert "Making" in project.must_work(), broken
    assert project.must_work() == ""
    assert subprocess.run([project.venv / "bin" / "own"], capture_output=True, text=True, check=True).stdout == "own\n"


def test_setup_works_once_python3_venv_is_installed(project: Project, tmp_path: Path) -> None:
    bare = python_with(tmp_path / "bare", "sys.modules['ensurepip'] = None")
    assert "apt install python3-venv" in project.must_fail(PYTHON=bare)
    assert "Making" in project.must_work()


def test_two_first_runs_at_once_make_one_environment(project: Project) -> None:
    project.venv.mkdir()
    with (project.venv / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        runs = [project.start() for _ in range(2)]
        for run in runs:
            assert run.stderr is not None
            assert run.stderr.readline() == "Waiting for another set-up of the same folder\n"
    said = [run.communicate(timeout=LONGEST_SECONDS)[1] for run in runs]
    assert [run.returncode for run in runs] == [0, 0], said
    assert sorted("Making" in one for one in said) == [False, True]
    project.must_work()


def test_the_command_does_not_hold_the_lock(project: Project) -> None:
    with project.start("requirements.txt", "--", "python", "-c", "print(1, flush=True); input()") as command:
        assert command.stdout is not None
        command.stdout.readline()
        with (project.venv / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        command.kill()


def test_packages_that_somebody_installed_by_hand_stay(project: Project, tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", project.venv], check=True)
    packages = next(project.venv.glob("lib/python*/site-packages"))
    (packages / "mine.py").write_text("")
    project.must_work()
    assert (packages / "mine.py").exists()


def test_python_names_the_version(project: Project, tmp_path: Path) -> None:
    """The environment that is there is of another version, so it is made anew."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", project.venv], check=True)
    newer = python_with(tmp_path / "newer", "sys.version_info = (3, 99, 0, 'final', 0)")
    assert "with Python 3.99" in project.setup("requirements.txt", PYTHON=newer).stderr
