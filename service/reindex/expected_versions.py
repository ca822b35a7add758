"""What an index should hold according to files: the newest version of each conversation, on disk."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from service.conversation import LIVE, digest
from service.index.writer import Write
from service.reindex.comparison import Versions
from service.reindex.documents import Sums
from service.scratch import Scratch

_UPSERT = "INSERT INTO ledger VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = max(version, excluded.version)"


class ExpectedVersions(Scratch):
    """A temporary SQLite file: id -> version. A context manager; the file goes with it.

    Its methods take long where there is much: call them in a thread, one at a time.
    """

    def __init__(self) -> None:
        super().__init__("CREATE TABLE ledger (id TEXT PRIMARY KEY, range INTEGER, version INTEGER) WITHOUT ROWID")

    def add(self, writes: Iterable[Write]) -> None:
        rows = [(write.id, range_of(write.id), write.version) for write in writes]
        self.database.execute("BEGIN")
        self.database.executemany(_UPSERT, rows)
        self.database.execute("COMMIT")

    def index(self) -> None:
        """To be called when everything is in, before anything is asked."""
        self.database.execute("CREATE INDEX IF NOT EXISTS by_range ON ledger (range)")

    def organizations(self) -> frozenset[UUID]:
        found = self.database.execute("SELECT DISTINCT substr(id, 1, 36) FROM ledger")
        return frozenset(UUID(name) for (name,) in found)

    def newest(self) -> dict[str, int]:
        """The highest version of each organization."""
        return dict(self.database.execute("SELECT substr(id, 1, 36), max(version) FROM ledger GROUP BY 1"))

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
    """The range of documents.py in which a document stands: the first byte of its uid."""
    return int(document.partition(":")[2][:2], 16)
