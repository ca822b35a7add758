"""A plain index in memory for imports, and a comparison of what it holds with one import of everything."""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from service.conversation import Conversation
from service.imports.plan import Change, Missing, Planner
from service.imports.records import Entry
from service.sources import mail
from service.sources.facts import Fact, Hasher, milliseconds
from service.sources.spool import Piece
from service.sources.unite import Kind

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
KIND = mail.Mail(Hasher(ORGANIZATION), mail.Own(frozenset({"own@x"})), mail.Rules())


@dataclass
class Counted:
    new: int = 0
    there: int = 0
    deleted: int = 0
    written: int = 0


@dataclass
class Index:
    """What a cluster holds: entries by uid."""

    kind: Kind[Any] = KIND
    entries: dict[UUID, Entry] = field(default_factory=dict)

    def find(self, keys: Iterable[str]) -> set[UUID]:
        wanted = set(keys)
        return {
            uid
            for uid, entry in self.entries.items()
            if any(key in wanted for fact in entry.facts for key in self.kind.rule.stored_keys(fact))
        }

    def imports(self, pieces: Sequence[Piece[Any]], *, restores: bool = False) -> Counted:
        """Imports the messages, of which several may have one id."""
        asked = {key for piece in pieces for key in self.kind.rule.asked_keys(piece.fact)}
        known = {uid: self.entries[uid] for uid in self.find(asked)}
        looked: set[UUID] = set()
        while gone := [entry for uid, entry in known.items() if entry.is_deleted and uid not in looked]:
            looked |= {entry.uid for entry in gone}
            more = {key for entry in gone for fact in entry.facts for key in self.kind.rule.asked_keys(fact)}
            known |= {uid: self.entries[uid] for uid in self.find(more) if uid not in known}
        planner = Planner(self.kind, ORGANIZATION, pieces, known, restores=restores)
        while True:
            try:
                changes = planner.changes()
                break
            except Missing as missing:
                known |= {uid: self.entries.get(uid, Entry(uid)) for uid in missing.uids}
        counted = Counted()
        for change in changes:
            self._apply(change, counted)
        return counted

    def _apply(self, change: Change[Any], counted: Counted) -> None:
        assert change.problem is None
        entry = self.entries.get(change.uid, Entry(change.uid))
        if change.item is not None:
            version = milliseconds(change.item.updated_on)
            assert version > entry.version
            counted.written += 1
            entry = replace(
                entry, item=change.item, parts=change.parts, version=version, deleted_on=None, moved_to=None
            )
        if change.memory is not None:
            counted.written += 1
            entry = replace(
                entry, facts=change.memory.facts, written=change.memory.written,
                record_version=entry.record_version + 1, moved_to=None,
            )  # fmt: skip
        self.entries[change.uid] = entry
        for merged in change.merged:
            self.entries[merged.uid] = Entry(
                merged.uid, version=merged.version + 1, deleted_on=merged.version + 1, moved_to=change.uid
            )
        counted.new += change.new
        counted.there += change.there
        counted.deleted += change.deleted

    def delete(self, uid: UUID, at: int) -> None:
        entry = self.entries[uid]
        assert at > entry.version
        self.entries[uid] = replace(entry, item=None, parts=(), version=at, deleted_on=at)

    def items(self) -> list[Conversation]:
        return [entry.item for entry in self.entries.values() if entry.item is not None]

    def shown(self) -> list[Conversation]:
        """The conversations without their uids and versions, which depend on the order of imports."""
        return shown(self.items())

    def facts(self) -> set[frozenset[Fact]]:
        return {frozenset(entry.facts) for entry in self.entries.values() if entry.item is not None}


def shown(items: Iterable[Conversation]) -> list[Conversation]:
    same = {"uid": uuid.UUID(int=0)}
    alike = (item.model_copy(update={**same, "updated_on": item.sent_at}) for item in items)
    return sorted(alike, key=lambda item: item.model_dump_json())
