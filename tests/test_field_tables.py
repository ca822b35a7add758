"""Tables that follow from the registry of fields: they are up to date, and one command brings them up to date."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests import field_tables
from tests.field_tables import ROOT, main, out_of_date, tables


def test_the_tables_follow_from_the_registry() -> None:
    assert out_of_date() == [], "run scripts/field-tables"


@pytest.fixture
def copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with copies of the files that have the tables."""
    for name in tables():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.setattr(field_tables, "ROOT", tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("docs/api.md", "| `page` | "),
        ("docs/search.md", "| `creator:` | "),
        ("docs/search.md", "| `message_count[gte]` | "),
        ("service/web/box_fields.js", "  creator: "),
    ],
)
def test_the_command_writes_a_row_that_is_missing_or_wrong(
    name: str, wrong: str, copies: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = (copies / name).read_text("utf-8")
    lines = right.splitlines(keepends=True)
    (row,) = (line for line in lines if line.startswith(wrong))
    for changed in (right.replace(row, ""), right.replace(wrong, f"{wrong}other "), right.replace(row, row + row)):
        (copies / name).write_text(changed, "utf-8")
        monkeypatch.setattr("sys.argv", ["field-tables", "--check"])
        with pytest.raises(SystemExit, match=name):
            main()
        assert (copies / name).read_text("utf-8") == changed
        monkeypatch.setattr("sys.argv", ["field-tables"])
        main()
        assert (copies / name).read_text("utf-8") == right


def test_a_file_without_its_table_is_named(copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (copies / "docs/api.md").write_text("no table\n", "utf-8")
    monkeypatch.setattr("sys.argv", ["field-tables"])
    with pytest.raises(SystemExit, match=r"docs/api\.md: it must have exactly one table"):
        main()
