"""A temporary SQLite file for data that is too large for memory. It is never synced, because it can be recreated."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self


class TemporaryDatabase:
    """A base class. As a context manager, it closes `database` when the block ends.

    The file is unlinked as soon as it is open, so it disappears with the process, even if that is killed.
    """

    def __init__(self, table: str) -> None:
        with tempfile.TemporaryDirectory(prefix="conversations-") as folder:
            self.database = sqlite3.connect(Path(folder) / "scratch", isolation_level=None, check_same_thread=False)
            self.database.execute("PRAGMA journal_mode = OFF")
            self.database.execute("PRAGMA synchronous = OFF")
            self.database.execute(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()
