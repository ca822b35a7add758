"""Tables that follow from the registry of fields: they are up to date, and one command brings them up to date."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from service.query.parameters import PARAMETERS
from tests import field_tables
from tests.field_tables import ROOT, described, main, out_of_date, tables


def test_the_tables_follow_from_the_registry() -> None:
    assert list(out_of_date()) == [], "run scripts/field-tables"


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


def test_nothing_but_rows_is_replaced(copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["field-tables"])
    header = "| parameter | meaning |\n|---|---|\n"
    for text in (f"before\n{header}after\n", f"{header}| `old` | row |\nafter\n", header):
        (copies / "docs/api.md").write_text(text, "utf-8")
        main()
        found = (copies / "docs/api.md").read_text("utf-8")
        assert found.replace("".join(described(PARAMETERS)), "") == text.replace("| `old` | row |\n", "")
        main()
        assert (copies / "docs/api.md").read_text("utf-8") == found


def test_a_description_is_one_cell() -> None:
    assert field_tables.cells("name", "one | two\n\n three") == "| `name` | one \\| two three |\n"


@pytest.mark.parametrize("times", [0, 2])
def test_a_file_that_cannot_be_written_is_named(times: int, copies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this file nor another is changed."""
    (copies / "docs/search.md").write_text("| field | value |\n|---|---|\n" * times, "utf-8")
    (copies / "docs/api.md").write_text("| parameter | meaning |\n|---|---|\n", "utf-8")
    monkeypatch.setattr("sys.argv", ["field-tables"])
    with pytest.raises(SystemExit, match=rf"docs/search\.md must have the line .* once, and has it {times} times"):
        main()
    assert (copies / "docs/api.md").read_text("utf-8") == "| parameter | meaning |\n|---|---|\n"
    (copies / "docs/search.md").unlink()
    with pytest.raises(SystemExit, match=r"No such file or directory: .*docs/search\.md"):
        main()
    monkeypatch.setattr("sys.argv", ["field-tables", "--help"])
    with pytest.raises(SystemExit, match="0"):
        main()
