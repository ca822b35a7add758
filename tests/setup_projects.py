"""Small projects with a copy of scripts/setup, whose locked packages lie in a folder: no network is needed."""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

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
# A build backend (PEP 660), like hatchling: its wheel holds a .pth file that names the project's folder.
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
    """A checkout with scripts/setup, two locked packages and a locked build backend."""

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


def write_wheels(folder: Path) -> None:
    """Writes the wheels of the locked packages, and one that is newer than the locked one."""
    _write_wheel(folder, "locked", "locked.py", "WHERE = __file__\n", "Requires-Dist: needed[extra]\n")
    _write_wheel(folder, "needed", "needed.py", "", "Provides-Extra: extra\n")
    _write_wheel(folder, "needed", "needed.py", "", "Provides-Extra: extra\n", version="2.0")
    _write_wheel(folder, "builder", "backend.py", BACKEND)


def _write_wheel(folder: Path, name: str, module: str, source: str, metadata: str = "", version: str = "1.0") -> None:
    info = f"{name}-{version}.dist-info"
    files = {
        module: source,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{metadata}",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: x\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = "".join(f"{path},sha256={_record_hash(text)},{len(text)}\n" for path, text in files.items())
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in {**files, f"{info}/RECORD": f"{rows}{info}/RECORD,,\n"}.items():
            wheel.writestr(path, text)


def _record_hash(text: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).decode().rstrip("=")


def make_project(root: Path, wheels: Path) -> Project:
    (root / "scripts").mkdir(parents=True)
    shutil.copy(SCRIPTS / "setup", root / "scripts" / "setup")
    (root / "pyproject.toml").write_text(PYPROJECT)
    (root / "own.py").write_text("def main(): print('own')\n")
    for file, names in (("requirements.txt", ("locked", "needed")), ("requirements-build.txt", ("builder",))):
        digests = {
            name: hashlib.sha256((wheels / f"{name}-1.0-py3-none-any.whl").read_bytes()).hexdigest() for name in names
        }
        (root / file).write_text("".join(f"{name}==1.0 --hash=sha256:{sha256}\n" for name, sha256 in digests.items()))
    (root.parent / "home").mkdir(exist_ok=True)
    environment = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "HOME": str(root.parent / "home"),
        "PIP_NO_INDEX": "1",
        "PIP_FIND_LINKS": str(wheels),
    }
    return Project(root, environment)


def python_with(folder: Path, line: str) -> str:
    """A Python in which `line` runs at each start, whatever its options, because a .pth file holds the line."""
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    next(folder.glob("lib/python*/site-packages")).joinpath("line.pth").write_text(f"import sys; {line}\n")
    return str(folder / "bin" / "python")
