"""What pyproject.toml and the requirements files declare, compared with what the code imports."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Any

import pytest

from service import __version__

ROOT = Path(__file__).parents[1]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
PROJECT: dict[str, Any] = PYPROJECT["project"]
NEVER_IMPORTED = {"tzdata"}  # zoneinfo reads its files
BUILD_TOOLS = {"pip", "setuptools", "wheel", "hatchling", "editables", "trove-classifiers", "build", "flit-core"}


def canonical(requirement: str) -> str:
    """The normalized name of the package that a requirement asks for (PEP 503)."""
    name = re.match(r"[A-Za-z0-9._-]+", requirement)
    assert name is not None, requirement
    return re.sub(r"[-_.]+", "-", name[0]).lower()


def locked(file: str) -> set[str]:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    return {canonical(line) for line in lines if "==" in line and not line.startswith((" ", "#"))}


def imported_modules(source: Path) -> Iterator[str]:
    """The top-level names of the modules that a file imports from outside the project, also within functions."""
    for node in ast.walk(ast.parse(source.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            names = [node.module]
        else:
            continue
        yield from (name.partition(".")[0] for name in names)


@cache
def packages_of_modules() -> dict[str, set[str]]:
    """Each module from outside the project that the service imports, with the installed packages that hold it."""
    found = {name for source in (ROOT / "service").rglob("*.py") for name in imported_modules(source)}
    installed = packages_distributions()
    return {
        module: {canonical(name) for name in installed.get(module, [])}
        for module in found - sys.stdlib_module_names - {"service"}
    }


@pytest.mark.slow
def test_every_imported_package_is_declared() -> None:
    optional = PROJECT["optional-dependencies"]["otel"]
    declared = {canonical(requirement) for requirement in [*PROJECT["dependencies"], *optional]}
    undeclared = {module for module, packages in packages_of_modules().items() if not declared & packages}
    assert undeclared == set(), "declare these in pyproject.toml"


@pytest.mark.slow
def test_every_declared_package_is_imported() -> None:
    used = set().union(*packages_of_modules().values())
    unused = {canonical(requirement) for requirement in PROJECT["dependencies"]} - used - NEVER_IMPORTED
    assert unused == set(), "nothing imports these: remove them from pyproject.toml"


def test_pyproject_takes_the_version_from_the_one_module_that_has_it() -> None:
    assert "version" in PROJECT["dynamic"]
    assert PYPROJECT["tool"]["hatch"]["version"]["path"] == "service/__init__.py"
    holders = [
        source
        for source in (ROOT / "service").rglob("*.py")
        if re.search(r"^__version__ = ", source.read_text("utf-8"), re.MULTILINE)
    ]
    assert holders == [ROOT / "service" / "__init__.py"]


TAG = re.compile(
    r"""conversation-search/(?:service:|opensearch:[\d.]+-)([^\s`"'}]+)|name: conversation-search/service\n\s+newTag: "([^"]+)\""""
)


def test_every_tag_of_an_image_has_the_version_of_the_project() -> None:
    """Container files cannot read it from pyproject.toml. CONTRIBUTING.md names those that have it."""
    files = [
        path
        for folder, pattern in ((ROOT, "*.md"), (ROOT, "*.yml"), (ROOT / "docs", "**/*.md"), (ROOT / "deploy", "**/*"))
        for path in folder.glob(pattern)
        if path.is_file() and path.suffix in {".md", ".yml", ".yaml", ""}
    ]
    tags = {
        str(path.relative_to(ROOT)): {one or other for one, other in TAG.findall(path.read_text("utf-8"))}
        for path in files
    }
    found = {name: versions for name, versions in tags.items() if versions}
    assert found == {name: {__version__} for name in found}
    page = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    sentence = re.search(r"The version stands in `service/__init__\.py`\.(?:.|\n)*?\n(?=\n)", page)
    assert sentence is not None
    assert set(re.findall(r"`([\w./-]+\.(?:yml|yaml|md))`", sentence[0])) == set(found)


def test_the_service_runs_without_build_tools() -> None:
    assert locked("requirements.txt") & BUILD_TOOLS == set()
    assert {canonical(name) for name in PYPROJECT["build-system"]["requires"]} <= locked("requirements-build.txt")


@pytest.mark.parametrize("file", sorted(path.name for path in ROOT.glob("requirements*.txt")))
def test_a_lock_names_no_registry_and_has_a_hash_for_every_package(file: str) -> None:
    text = re.sub(r"#.*", "", (ROOT / file).read_text("utf-8"))
    assert "://" not in text
    assert "index-url" not in text
    entries = re.split(r"\n(?=\S)", text.strip())
    assert all("--hash=sha256:" in entry for entry in entries if "==" in entry)
    assert all("==" in entry for entry in entries if entry.strip())


@pytest.mark.parametrize("file", ["requirements-bench.txt", "requirements-docs.txt"])
def test_a_larger_lock_holds_the_packages_of_development_in_the_same_versions(file: str) -> None:
    """So scripts/setup need not change an environment back and forth: run scripts/lock after a change of one."""
    entries = [
        set(re.findall(r"^\S+==\S+", (ROOT / name).read_text("utf-8"), re.M)) for name in ("requirements-dev.txt", file)
    ]
    assert 100 < len(entries[0]) < len(entries[1])
    assert entries[0] - entries[1] == set()


@pytest.mark.slow
def test_the_locked_packages_need_no_others() -> None:
    """Set-up installs what the requirements files name and resolves nothing."""
    check = [sys.executable, "-Im", "pip", "--disable-pip-version-check", "check"]
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("No broken requirements found.\n", 0), done.stderr
