"""Rules of the code that no linter knows: no circle of imports, no long file, no test imported by another.

tests/test_any.py has one more.
"""

from __future__ import annotations

import re
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("service", "tests", "clients", "docs", "deploy")
FILES = sorted(file for folder in FOLDERS for file in (ROOT / folder).rglob("*.py"))
SCRIPTS = sorted(file for file in (*(ROOT / "scripts").iterdir(), ROOT / ".ci" / "run") if file.is_file())
MOST_LINES = 400


def circle(imports: dict[str, set[str]]) -> list[str]:
    """Modules that import one another in a circle, in alphabetical order; empty if there is none."""
    left = dict(imports)
    while free := {module for module, imported in left.items() if not imported & left.keys()}:
        left = {module: imported for module, imported in left.items() if module not in free}
    while free := {module for module in left if not any(module in imported for imported in left.values())}:
        left = {module: imported for module, imported in left.items() if module not in free}
    return sorted(left)


@pytest.mark.parametrize(
    ("imports", "found"),
    [
        ({"a": {"b"}, "b": {"c"}, "c": set()}, []), ({"a": {"b"}, "b": {"a"}}, ["a", "b"]), ({"a": {"a"}}, ["a"]),
        ({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"x"}}, ["b", "c"]),
    ],
)  # fmt: skip
def test_a_circle_is_found(imports: dict[str, set[str]], found: list[str]) -> None:
    assert circle(imports) == found


@pytest.mark.parametrize(("package", "least"), [("service", 200), ("tests", 300), ("conversation_search", 5)])
def test_no_modules_import_one_another_in_a_circle(package: str, least: int) -> None:
    """Also within a package, which the contract in pyproject.toml does not look into."""
    graph = grimp.build_graph(package, exclude_type_checking_imports=True, cache_dir=None)
    assert len(graph.modules) > least
    assert circle({module: graph.find_modules_directly_imported_by(module) for module in graph.modules}) == []


def test_no_file_is_long() -> None:
    lengths = {str(file.relative_to(ROOT)): len(file.read_text("utf-8").splitlines()) for file in (*FILES, *SCRIPTS)}
    assert len(lengths) > 400
    long = {name: lines for name, lines in lengths.items() if lines > MOST_LINES}
    assert long == {}, "move what belongs together into a module of its own"


def test_no_test_module_is_imported_but_to_be_run_again() -> None:
    """What several tests use is in a module of its own. test_oracle_spread.py runs tests of others on more shards."""
    importing = re.compile(r"^(?:from|import) tests\.(?:node\.)?test_", re.MULTILINE)
    tests = [file for file in FILES if file.is_relative_to(ROOT / "tests")]
    assert [file.name for file in tests if importing.search(file.read_text("utf-8"))] == ["test_oracle_spread.py"]
