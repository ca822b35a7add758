"""A temporary SQLite file for what must not fill memory. It is nobody's only copy, so it is never synced."""

from __future__ import annotations

import sqlite3
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self


class Scratch:
    """A context manager, to be derived from: `database` is open until the block ends, and the file goes with it."""

    def __init__(self, table: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="conversations-")
        self.database = sqlite3.connect(
            Path(self._folder.name) / "scratch", isolation_level=None, check_same_thread=False
        )
        self.database.execute("PRAGMA journal_mode = OFF")
        self.database.execute("PRAGMA synchronous = OFF")
        self.database.execute(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.database.close()
        self._folder.cleanup()
