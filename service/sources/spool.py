"""Stores messages on disk while their threads are computed, so that a mailbox may be larger than memory."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from service.scratch import Scratch
from service.sources.message import Message

COMMIT_EVERY = 5_000


class Spool(Scratch):
    """Messages by id in a temporary SQLite file. A context manager: leaving it deletes the file."""

    def __init__(self) -> None:
        super().__init__("CREATE TABLE messages (id TEXT PRIMARY KEY, date INTEGER, data BLOB)")
        self.database.execute("BEGIN")
        self._encoder = msgspec.msgpack.Encoder()
        self._decoder = msgspec.msgpack.Decoder(Message)
        self._added = 0

    def add(self, message: Message) -> bool:
        """Adds a message. Returns False for a duplicate: the first message with an id is kept."""
        row = (message.id, int(message.date.timestamp()), self._encoder.encode(message))
        done = self.database.execute("INSERT OR IGNORE INTO messages VALUES (?, ?, ?)", row)
        self._added += 1
        if self._added % COMMIT_EVERY == 0:
            self.database.execute("COMMIT")
            self.database.execute("BEGIN")
        return done.rowcount == 1

    def in_order(self) -> Iterator[tuple[int, Message]]:
        """Every message with its row number, ordered by date, then id."""
        for row, data in self.database.execute("SELECT rowid, data FROM messages ORDER BY date, id"):
            yield row, self._decoder.decode(data)

    def get(self, rows: list[int]) -> list[Message]:
        """The messages with these row numbers, in the given order."""
        find = "SELECT data FROM messages WHERE rowid = ?"
        return [self._decoder.decode(self.database.execute(find, (row,)).fetchone()[0]) for row in rows]
