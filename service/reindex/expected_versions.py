"""The newest version of each conversation in files, stored on disk, for comparison with an index."""

from __future__ import annotations

from collections.abc import Iterable
from uuid import UUID

from service.index.writer import Write
from service.reindex.comparison import Versions
from service.reindex.documents import Sums
from service.stored_documents import LIVE, digest
from service.temporary_database import TemporaryDatabase

_UPSERT = "INSERT INTO ledger VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET version = max(version, excluded.version)"


class ExpectedVersions(TemporaryDatabase):
    """Versions by document id in a temporary SQLite file. A context manager: leaving it deletes the file.

    The methods are slow for many documents. Call them in a thread, one at a time.
    """

    def __init__(self) -> None:
        super().__init__("CREATE TABLE ledger (id TEXT PRIMARY KEY, range INTEGER, version INTEGER) WITHOUT ROWID")

    def add(self, writes: Iterable[Write]) -> None:
        rows = [(write.id, range_of(write.id), write.version) for write in writes]
        self.database.execute("BEGIN")
        self.database.executemany(_UPSERT, rows)
        self.database.execute("COMMIT")

    def index(self) -> None:
        """Makes the database index. Call it after the last `add` and before the first query."""
        self.database.execute("CREATE INDEX IF NOT EXISTS by_range ON ledger (range)")

    def organizations(self) -> frozenset[UUID]:
        rows = self.database.execute("SELECT DISTINCT substr(id, 1, 36) FROM ledger")
        return frozenset(UUID(name) for (name,) in rows)

    def newest(self) -> dict[str, int]:
        """The highest version of each organization."""
        return dict(self.database.execute("SELECT substr(id, 1, 36), max(version) FROM ledger GROUP BY 1"))

    def sums(self) -> Sums:
        """What `documents.sums` would return for an index with these documents, if all of them are live."""
        sums: Sums = {}
        for document, number, version in self.database.execute("SELECT id, range, version FROM ledger"):
            digest_1, digest_2 = digest(document, version, LIVE)
            count, sum_1, sum_2 = sums.get(number, (0, 0, 0))
            sums[number] = (count + 1, sum_1 + digest_1, sum_2 + digest_2)
        return sums

    def versions(self, numbers: Iterable[int]) -> Versions:
        """The versions of the documents in these ranges."""
        query = "SELECT id, version FROM ledger WHERE range = ?"
        return {
            document: version for number in numbers for document, version in self.database.execute(query, (number,))
        }


def range_of(document: str) -> int:
    """The number of a document's range (see documents.py): the first byte of its uid."""
    return int(document.partition(":")[2][:2], 16)
