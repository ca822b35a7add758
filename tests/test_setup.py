"""scripts/setup, run as a copy in small projects whose locked packages lie in a folder: no network is needed."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parents[1] / "scripts"
LONGEST_SECONDS = 900  # a bound for busy machines: it takes 5 seconds
SHOW = "import locked, own; print(locked.WHERE)"

PYPROJECT = """\
[build-system]
requires = ["builder"]
build-backend = "backend"
[project]
name = "own"
version = "1.0"
"""
# A build backend (PEP 660), as hatchling is the project's: its wheel holds a .pth file that names the project's folder.
BACKEND = """\
import base64, hashlib, os, zipfile

def build_editable(wheel_directory, config_settings=None, metadata_directory=None):
    files = {
        "own.pth": os.getcwd(),
        "own-1.0.dist-info/METADATA": "Metadata-Version: 2.1\\nName: own\\nVersion: 1.0\\n",
        "own-1.0.dist-info/WHEEL": "Wheel-Version: 1.0\\nGenerator: x\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
        "own-1.0.dist-info/entry_points.txt": "[console_scripts]\\nown = own:main\\n",
    }
    rows = "".join(f"{name},,\\n" for name in [*files, "own-1.0.dist-info/RECORD"])
    with zipfile.ZipFile(os.path.join(wheel_directory, "own-1.0-py3-none-any.whl"), "w") as wheel:
        for name, text in {**files, "own-1.0.dist-info/RECORD": rows}.items():
            wheel.writestr(name, text)
    return "own-1.0-py3-none-any.whl"
"""


@dataclass
class Project:
    """A checkout with scripts/setup, one locked package and a locked build backend."""

    root: Path
    environment: dict[str, str]
    script: Path | None = None

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Starts set-up in another folder than the project's; a variable that is set to "" is removed."""
        merged = {**self.environment, **environment}
        return subprocess.Popen(
            [self.script or self.root / "scripts" / "setup", *arguments],
            cwd="/",
            env={name: value for name, value in merged.items() if value},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def setup(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **environment)
        out, err = process.communicate(timeout=LONGEST_SECONDS)
        return subprocess.CompletedProcess(process.args, process.returncode, out, err)

    def must_work(self, **environment: str) -> str:
        """Sets up and imports both packages; returns what set-up said."""
        done = self.setup("requirements.txt", "--", "python", "-c", SHOW, **environment)
        assert done.returncode == 0, done.stderr
        assert Path(done.stdout.strip()).is_relative_to(self.root), done.stdout
        return done.stderr

    def must_fail(self, *arguments: str, **environment: str) -> str:
        """Sets up, and returns the one line that it must end with."""
        done = self.setup(*arguments, **environment)
        assert done.returncode == 1, (done.stdout, done.stderr)
        assert done.stdout == ""
        *before, last = done.stderr.splitlines()
        assert last.startswith("setup: ")
        assert not [line for line in before if line.startswith(("setup:", "Traceback", " File", "ERROR"))], done.stderr
        return last


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheels of the locked packages."""
    folder = tmp_path_factory.mktemp("wheels")
    _write_wheel(folder, "locked", "locked.py", "WHERE = __file__\n")
    _write_wheel(folder, "builder", "backend.py", BACKEND)
    return folder


def _write_wheel(folder: Path, name: str, module: str, source: str) -> None:
    info = f"{name}-1.0.dist-info"
    files = {
        module: source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = "".join(f"{path},sha256={_record_hash(text)},{len(text)}\n" for path, text in files.items())
    with zipfile.ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": f"{rows}{info}/RECORD,,\n"}.items():
            wheel.writestr(path, text)


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


@pytest.fixture
def project(tmp_path: Path, wheels: Path) -> Project:
    return make_project(tmp_path / "checkout", wheels)


def make_project(root: Path, wheels: Path) -> Project:
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPTS / "setup", root / "scripts" / "setup")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "own.py").write_text("def main(): print('own')\n")
    for name, file in (("locked", "requirements.txt"), ("builder", "requirements-build.txt")):
        digest = hashlib.sha256((wheels / f"{name}-1.0-py3-none-any.whl").read_bytes()).hexdigest()
        (root / file).write_text(f"{name}==1.0 --hash=sha256:{digest}\n")
    (root.parent / "home").mkdir(exist_ok=True)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(root.parent / "home"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    return Project(root, environment)


def python_with(folder: Path, line: str) -> str:
    """A Python in which `line` runs at each start, whatever its options: as a .pth file of an environment of its own."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    next(folder.glob("lib/python*/site-packages")).joinpath("line.pth").write_text(f"import sys; {line}\n")
    return str(folder / "bin" / "python")


def test_it_makes_the_environment_once_and_leaves_no_other_files(project: Project, tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    assert "Making" in project.must_work(TMPDIR=str(tmp_path / "tmp"))
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not (project.venv / "tmp").exists()
    assert project.must_work() == ""
    done = project.setup("requirements.txt", "--", "own")
    assert done.stdout == "own\n"


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


def test_it_may_be_started_through_a_symbolic_link(project: Project, tmp_path: Path) -> None:
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


def test_it_goes_on_once_python3_venv_is_installed(project: Project, tmp_path: Path) -> None:
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


def test_most_names_of_folders_will_do(tmp_path: Path, wheels: Path) -> None:
    name = "-it's a*b Größe 大"
    project = make_project(tmp_path / name / "checkout", wheels)
    project.must_work(LC_ALL="C")
    own = subprocess.run([project.venv / "bin" / "own"], capture_output=True, text=True, check=False)
    assert own.stdout == "own\n", own.stderr


def test_some_names_need_another_folder(tmp_path: Path, wheels: Path) -> None:
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
def test_a_fault_is_one_line_with_the_way_out(project: Project, tmp_path: Path, fault: object, line: str) -> None:
    assert callable(fault)
    assert line in project.must_fail(**fault(project, tmp_path))


def test_wrong_arguments_are_named(project: Project) -> None:
    assert "name one of requirements.txt" in project.must_fail("requirements-none.txt")
    assert "'python' is unexpected" in project.must_fail("requirements.txt", "python")
    assert "'--' is unexpected" in project.must_fail("--")
    assert not project.venv.exists()
