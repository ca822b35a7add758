"""A temporary file has no name while it is used, so a process that is killed leaves nothing."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest

from service.temporary_database import TemporaryDatabase


def test_a_temporary_file_holds_much_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with TemporaryDatabase("CREATE TABLE numbers (number INTEGER, text BLOB)") as temporary:
        assert list(tmp_path.iterdir()) == []
        temporary.database.execute("BEGIN")
        rows = ((number, bytes(1_000)) for number in range(10_000))  # more than SQLite keeps in memory
        temporary.database.executemany("INSERT INTO numbers VALUES (?, ?)", rows)
        temporary.database.execute("COMMIT")
        ordered = "SELECT number FROM numbers ORDER BY number DESC, text LIMIT 1"
        assert temporary.database.execute(ordered).fetchone() == (9_999,)
        assert list(tmp_path.iterdir()) == []
