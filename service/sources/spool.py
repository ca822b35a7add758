"""Stores messages on disk while their conversations are computed, so that a mailbox may be larger than memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

import msgspec

from service.sources.facts import Fact, together
from service.sources.groups import Groups, Rule
from service.temporary_database import TemporaryDatabase

COMMIT_EVERY = 5_000
Source = TypeVar("Source")


@dataclass(frozen=True, slots=True)
class Piece(Generic[Source]):
    """A message of an import: what is remembered of it, and the message itself."""

    fact: Fact
    message: Source


class Spool(TemporaryDatabase, Generic[Source]):
    """Messages in a temporary SQLite file. A context manager: leaving it deletes the file.

    Copies of one message with different content are all kept, and `facts.chosen` decides which one counts. The groups
    take about 300 bytes of memory for each message.
    """

    def __init__(self, kind: type[Source], rule: Rule, sort: Callable[[Source], str] = lambda _message: "") -> None:
        """`sort` returns the first sort key of conversations; the second is the date of their first message."""
        super().__init__(
            "CREATE TABLE messages (id INTEGER, digest INTEGER, date INTEGER, sort TEXT, fact BLOB, message BLOB, "
            "PRIMARY KEY (id, digest))"
        )
        self.database.execute("CREATE TABLE rows_of_buckets (bucket INTEGER, date INTEGER, id INTEGER, roles INTEGER)")
        self.database.execute("CREATE TABLE awaited (id INTEGER, reference INTEGER)")
        self.database.execute("CREATE TABLE aside (id INTEGER PRIMARY KEY, fact BLOB, message BLOB)")
        self.database.execute("BEGIN")
        self._rule = rule
        self._sort = sort
        self._groups = Groups()
        self._encoder = msgspec.msgpack.Encoder()
        self._facts = msgspec.msgpack.Decoder(Fact)
        self._messages = msgspec.msgpack.Decoder(kind)
        self._added = 0

    def add(self, fact: Fact, message: Source) -> bool:
        """Adds a message. Returns False if a message with this id was added before.

        A message that is left out (facts.State) joins no others, and is a copy only of one that is left out, too.
        """
        if fact.state.is_left_out:
            came_before = self.database.execute("SELECT 1 FROM aside WHERE id = ?", (fact.id,)).fetchone() is not None
            aside = (fact.id, self._encoder.encode(fact), self._encoder.encode(message))
            self.database.execute("INSERT OR REPLACE INTO aside VALUES (?, ?, ?)", aside)
            return not came_before
        find = "SELECT digest, fact FROM messages WHERE id = ?"
        known = self.database.execute(find, (fact.id,)).fetchall()
        equal = next((self._facts.decode(data) for digest, data in known if digest == fact.digest), None)
        if equal is None:
            encoded = (self._encoder.encode(fact), self._encoder.encode(message))
            row = (fact.id, fact.digest, fact.date, self._sort(message), *encoded)
            self.database.execute("INSERT INTO messages VALUES (?, ?, ?, ?, ?, ?)", row)
            self._add_to_buckets(fact)
        elif equal != fact:
            self._unite_states(equal, fact)
        self._added += 1
        if self._added % COMMIT_EVERY == 0:
            self.database.execute("COMMIT")
            self.database.execute("BEGIN")
        return not known

    def fill(self, messages: Iterable[tuple[Fact, Source]], duplicate: Callable[[Source], None]) -> None:
        """Adds the messages. `duplicate` is called with each one for which `add` returns False."""
        for fact, message in messages:
            if not self.add(fact, message):
                duplicate(message)

    def _add_to_buckets(self, fact: Fact) -> None:
        for link in self._rule.links(fact):
            self._groups.join(fact.id, link)
        self.database.executemany("INSERT INTO rows_of_buckets VALUES (?, ?, ?, ?)", self._rule.rows(fact))
        awaited = [(fact.id, reference) for reference in self._rule.awaits(fact)]
        if awaited:
            self.database.executemany("INSERT INTO awaited VALUES (?, ?)", awaited)

    def _unite_states(self, known: Fact, fact: Fact) -> None:
        """Unites the states of two copies with the same content."""
        state = together([known.state, fact.state])
        fact = msgspec.structs.replace(known, date=min(known.date, fact.date), state=state)
        change = "UPDATE messages SET date = ?, fact = ? WHERE id = ? AND digest = ?"
        self.database.execute(change, (fact.date, self._encoder.encode(fact), fact.id, fact.digest))

    def conversations(self) -> Iterator[list[Piece[Source]]]:
        """Yields the messages of each conversation. The conversations are in the order of their first messages.

        After these, yields each message that is left out, alone, unless a copy of it is not left out.
        """
        rows = self.database.execute("SELECT bucket, date, id, roles FROM rows_of_buckets ORDER BY bucket, date, id")
        for first, second in self._rule.pairs(rows, self._settled()):
            self._groups.join(first, second)
        members: dict[int, list[int]] = {}
        for row, name in self.database.execute("SELECT rowid, id FROM messages ORDER BY sort, date, id, digest"):
            members.setdefault(self._groups.find(name), []).append(row)
        for group in members.values():
            yield [self._get(row) for row in group]
        find = "SELECT fact, message FROM aside WHERE id NOT IN (SELECT id FROM messages)"
        for fact, message in self.database.execute(find):
            yield [Piece(self._facts.decode(fact), self._messages.decode(message))]

    def _settled(self) -> set[int]:
        """Like groups.settled."""
        find = "SELECT DISTINCT awaited.id FROM awaited JOIN messages ON messages.id = awaited.reference"
        return {name for (name,) in self.database.execute(find)}

    def _get(self, row: int) -> Piece[Source]:
        find = "SELECT fact, message FROM messages WHERE rowid = ?"
        fact, message = self.database.execute(find, (row,)).fetchone()
        return Piece(self._facts.decode(fact), self._messages.decode(message))
