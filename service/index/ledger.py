"""What files say there should be: the newest version of each conversation, on disk, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from service.conversation import LIVE, digest
from service.index.bulk import Write
from service.index.compare import Versions
from service.index.scan import Sums
from service.scratch import Scratch

BATCH = 10_000
_UPSERT = "INSERT INTO ledger VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = max(version, excluded.version)"


class Ledger(Scratch):
    """A temporary SQLite file: id -> version. A context manager; the file goes with it."""

    def __init__(self) -> None:
        super().__init__("CREATE TABLE ledger (id TEXT PRIMARY KEY, range INTEGER, version INTEGER) WITHOUT ROWID")

    def add(self, writes: Iterable[Write]) -> None:
        rows: list[tuple[str, int, int]] = []
        for write in writes:
            rows.append((write.id, range_of(write.id), write.version))
            if len(rows) == BATCH:
                self._insert(rows)
                rows.clear()
        self._insert(rows)
        self.database.execute("CREATE INDEX IF NOT EXISTS by_range ON ledger (range)")

    def _insert(self, rows: list[tuple[str, int, int]]) -> None:
        self.database.execute("BEGIN")
        self.database.executemany(_UPSERT, rows)
        self.database.execute("COMMIT")

    def organizations(self) -> frozenset[UUID]:
        found = self.database.execute("SELECT DISTINCT substr(id, 1, 36) FROM ledger")
        return frozenset(UUID(name) for (name,) in found)

    def newest(self) -> int:
        """The highest version; -1 where there is none."""
        return int(self.database.execute("SELECT coalesce(max(version), -1) FROM ledger").fetchone()[0])

    def sums(self) -> Sums:
        """As scan.sums, over what the files say, which all is live."""
        found: Sums = {}
        for document, number, version in self.database.execute("SELECT id, range, version FROM ledger"):
            one, other = digest(document, version, LIVE)
            count, ones, others = found.get(number, (0, 0, 0))
            found[number] = (count + 1, ones + one, others + other)
        return found

    def versions(self, number: int) -> Versions:
        return dict(self.database.execute("SELECT id, version FROM ledger WHERE range = ?", (number,)))


def range_of(document: str) -> int:
    """The range of scan.py in which a document stands: the first byte of its uid."""
    return int(document.partition(":")[2][:2], 16)
