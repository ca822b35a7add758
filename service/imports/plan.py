"""Decides what to do with the messages of an import, given what the index holds. A pure function of both.

Every message is added to a conversation, is there already, or belongs to one that was deleted. The plan says which
conversations and records change, and which conversations are merged into others.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Generic, TypeVar
from uuid import UUID

from pydantic import ValidationError

from service.conversation import Conversation, reason
from service.imports.records import Entry
from service.sources.facts import Fact, Memory, ends, milliseconds, time_of
from service.sources.groups import components
from service.sources.spool import Piece
from service.sources.unite import Kind, Part, unite, with_states
from service.times import LAST, epoch_milliseconds

Source = TypeVar("Source")
_LAST = epoch_milliseconds(LAST)


class Missing(Exception):
    """Raised if the plan must know what the index holds under these uids."""

    def __init__(self, uids: Iterable[UUID]) -> None:
        super().__init__()
        self.uids = frozenset(uids)


@dataclass(frozen=True, slots=True)
class Change(Generic[Source]):
    """What to do with one conversation. `item` is None if it does not change, and `memory` if its record does not.

    `merged` are the conversations that are united with it. `trashed` are those of `there` that were left out when they
    were read. `shrinks` says that messages leave its record. `problem` is the reason why there is no valid
    conversation of these messages.
    """

    uid: UUID
    pieces: Sequence[Piece[Source]]
    item: Conversation | None = None
    parts: tuple[Part, ...] = ()
    memory: Memory | None = None
    merged: Sequence[Entry] = ()
    new: int = 0
    there: int = 0
    trashed: int = 0
    deleted: int = 0
    is_shortened: bool = False
    hidden: int = 0
    shrinks: bool = False
    record_version: int = -1
    problem: str | None = None


@dataclass(slots=True)
class _Group(Generic[Source]):
    """The messages of one conversation: those of the import, and those that the index has."""

    facts: list[Fact]
    pieces: list[Piece[Source]]
    live: list[Entry]
    gone: list[Entry] = field(default_factory=list)

    def copy(self) -> _Group[Source]:
        return _Group(list(self.facts), list(self.pieces), list(self.live), list(self.gone))

    @property
    def first(self) -> Fact:
        return min([*(piece.fact for piece in self.pieces), *self.facts], key=lambda fact: fact.order)


@dataclass(frozen=True, slots=True)
class _Grouped(Generic[Source]):
    """The groups of a plan, with the number of conversations and deletions that were known when it was made."""

    known: int
    groups: list[_Group[Source]]
    deleted: dict[UUID, list[Piece[Source]]]


@dataclass(slots=True)
class Planner(Generic[Source]):
    """Makes the changes. `entries` is what the index holds; `changes` raises Missing until it has all that it needs.

    `now` is the version of conversations that are restored after `prune` removed their deletions: OpenSearch still
    remembers the versions of these.
    """

    kind: Kind[Source]
    organization_uid: UUID
    pieces: Sequence[Piece[Source]]
    entries: Mapping[UUID, Entry]
    restores: bool = False
    now: int = 0
    _grouped: _Grouped[Source] | None = None
    _deleted: dict[UUID, list[Piece[Source]]] = field(default_factory=dict)
    _taken: dict[UUID, _Group[Source]] = field(default_factory=dict)

    def changes(self) -> list[Change[Source]]:
        """The change of each conversation that the messages touch."""
        moved = {entry.moved_to for entry in self.entries.values() if entry.moved_to is not None}
        if unknown := moved - self.entries.keys():
            raise Missing(unknown)
        stays = self._uids([group for group in self._groups_of_known() if group.pieces or group.facts])
        taken: dict[int, list[UUID]] = {}
        for uid, group in self._taken.items():
            taken.setdefault(id(group), []).append(uid)
        made = [self._change(group, uid, taken.get(id(group), [])) for group, uid in stays]
        return [*made, *(self._change_of_deleted(self.entries[uid], some) for uid, some in self._deleted.items())]

    # Which messages are together

    def _groups_of_known(self) -> list[_Group[Source]]:
        """The groups. They are made again only if something that may change them has become known."""
        known = sum(entry.item is not None or entry.is_deleted for entry in self.entries.values())
        if self._grouped is None or self._grouped.known != known:
            self._deleted = {}
            groups = self._groups()
            self._grouped = _Grouped(known, groups, self._deleted)
        self._deleted = {uid: list(pieces) for uid, pieces in self._grouped.deleted.items()}
        return [group.copy() for group in self._grouped.groups]

    def _groups(self) -> list[_Group[Source]]:
        """The messages of each conversation. Messages that are left out only change conversations that have them."""
        live = [entry for entry in self.entries.values() if entry.item is not None]
        gone = [] if self.restores else [entry for entry in self.entries.values() if entry.is_deleted]
        pieces = self._without_deleted(live, gone)
        groups = self._joined(pieces, live)
        if gone:
            groups = self._without_messages_of_deleted(groups, gone)
        places = Counter(entry.uid for group in groups for entry in group.live)
        return [group for group in groups if group.pieces or any(places[entry.uid] > 1 for entry in group.live)]

    def _without_deleted(self, live: list[Entry], gone: list[Entry]) -> list[Piece[Source]]:
        """The messages that are imported: without those of deleted conversations, and those that are left out."""
        alive = {fact.id for entry in live for fact in entry.facts}
        copies = {fact.copy for entry in live for fact in entry.facts}
        deleted = {fact.id: entry.uid for entry in gone for fact in entry.facts if fact.id not in alive}
        left: list[Piece[Source]] = []
        for piece in self.pieces:
            if piece.fact.state.is_left_out and piece.fact.copy not in copies:
                continue
            owner = deleted.get(piece.fact.id)
            if owner is None:
                left.append(piece)
            else:
                self._deleted.setdefault(owner, []).append(piece)
        return left

    def _joined(self, pieces: Sequence[Piece[Source]], live: Sequence[Entry]) -> list[_Group[Source]]:
        whole = [entry.facts for entry in live] if self.kind.rule.keeps_whole else []
        known = [fact for entry in live for fact in entry.facts]
        facts = [*known, *(piece.fact for piece in pieces)]
        place: dict[int, int] = {}
        groups: list[_Group[Source]] = []
        for number, some in enumerate(components(facts, self.kind.rule, whole=whole)):
            place.update((fact.id, number) for fact in some)
            groups.append(_Group([], [], []))
        for piece in pieces:
            groups[place[piece.fact.id]].pieces.append(piece)
        for entry in live:
            for number in {place[fact.id] for fact in entry.facts}:
                groups[number].live.append(entry)
            for fact in entry.facts:
                groups[place[fact.id]].facts.append(fact)
        return groups

    def _without_messages_of_deleted(self, groups: list[_Group[Source]], gone: list[Entry]) -> list[_Group[Source]]:
        """Leaves out messages that belong to a deleted conversation and are not newer than the deletion.

        Newer ones form one new conversation, even if only deleted messages connect them. A conversation that was there
        before the deletion stays as it is.
        """
        whole = [[*group.facts, *(piece.fact for piece in group.pieces)] for group in groups]
        found = components(
            [fact for some in (*whole, *(entry.facts for entry in gone)) for fact in some],
            self.kind.rule,
            whole=[*whole, *(entry.facts for entry in gone)],
        )
        place = {fact.id: number for number, some in enumerate(found) for fact in some}
        touching: dict[int, list[Entry]] = {}
        for entry in gone:
            if entry.facts:
                touching.setdefault(place[entry.facts[0].id], []).append(entry)
        kept: list[_Group[Source]] = []
        later: dict[int, _Group[Source]] = {}
        for group in groups:
            number = place[(group.facts or [piece.fact for piece in group.pieces])[0].id]
            entries = touching.get(number, [])
            if not entries or any(fact.date <= _until(entries) for fact in group.facts):
                kept.append(group)
                continue
            self._leave_out(group, entries)
            known = later.setdefault(number, group)
            if known is not group:
                known.pieces += group.pieces
                known.facts += group.facts
                known.live += [entry for entry in group.live if entry not in known.live]
                known.gone += group.gone
        return [*kept, *later.values()]

    def _leave_out(self, group: _Group[Source], gone: list[Entry]) -> None:
        until = _until(gone)
        owner = max(gone, key=_deleted_at).uid
        for piece in group.pieces:
            if piece.fact.date <= until:
                self._deleted.setdefault(owner, []).append(piece)
        group.pieces = [piece for piece in group.pieces if piece.fact.date > until]
        group.gone += gone

    # Under which uid

    def _uids(self, groups: list[_Group[Source]]) -> list[tuple[_Group[Source], UUID]]:
        self._taken = {}
        owned = self._owned(groups)
        found: list[tuple[_Group[Source], UUID]] = []
        missing: set[UUID] = set()
        for group in sorted(groups, key=lambda group: group.first.order):
            if mine := owned.get(id(group)):
                found.append((group, min(mine, key=lambda entry: ends(entry.facts)[0].order).uid))
                continue
            try:
                uid = self._new_uid(group)
            except Missing as more:
                missing |= more.uids
                continue
            if uid is not None:
                found.append((group, uid))
        if missing:
            raise Missing(missing)
        return found

    def _owned(self, groups: list[_Group[Source]]) -> dict[int, list[Entry]]:
        """The conversations whose uid belongs to a group, because it has their first message.

        A deleted one that is restored belongs to the group with the first of its messages that are imported.
        """
        place = {fact.id: group for group in groups for fact in group.facts}
        place.update({piece.fact.id: group for group in groups for piece in group.pieces})
        owned: dict[int, list[Entry]] = {}
        for entry in self.entries.values():
            if not entry.facts or (entry.item is None and not (self.restores and entry.is_deleted)):
                continue
            messages = sorted(entry.facts, key=lambda fact: fact.order)
            held = messages[:1] if entry.item is not None else messages
            group = next((place[fact.id] for fact in held if fact.id in place), None)
            if group is not None:
                owned.setdefault(id(group), []).append(entry)
                self._taken[entry.uid] = group
        return owned

    def _new_uid(self, group: _Group[Source]) -> UUID | None:
        """A uid for a group that the index does not hold. None if all of its messages were deleted."""
        salt = f":after:{_until(group.gone)}" if group.gone else ""
        while group.pieces or group.facts:
            root = self._root(group)
            uid = uuid.uuid5(self.organization_uid, f"{root}{salt}")
            if uid not in self.entries:
                raise Missing([uid])
            entry = self.entries[uid]
            if uid in self._taken or (entry.item is not None and entry.facts):  # another conversation has it
                salt = f"{salt}:{group.first.id:x}"
                continue
            if entry.is_deleted and not self.restores:
                self._leave_out(group, [entry])
                salt = f":after:{_deleted_at(entry)}"
                continue
            if entry.item is not None:
                group.live.append(entry)
            self._taken[uid] = group
            return uid
        return None

    def _root(self, group: _Group[Source]) -> str:
        first = group.first
        piece = next((piece for piece in group.pieces if piece.fact.copy == first.copy), None)
        return f"{self.kind.channel}:{first.id:016x}" if piece is None else self.kind.root(piece.message)

    # What is written

    def _change(self, group: _Group[Source], uid: UUID, taken: Sequence[UUID]) -> Change[Source]:
        """The change of a group under this uid. `taken` are all uids that belong to it."""
        entry = self.entries.get(uid, Entry(uid))
        merged = [self.entries[one] for one in taken if one != uid]
        others = [one for one in group.live if one.uid != uid]
        sources = [one.known for one in ([entry] if entry.item is not None else []) + others]
        own = {uid, *(one.uid for one in merged), *(one.uid for one in group.live if one.uid not in self._taken)}
        sources = [
            replace(known, facts=_of(known.facts, group.facts), unseen=known.unseen if known.uid in own else 0)
            for known in sources
        ]
        try:
            made = unite(self.kind, self.organization_uid, uid, group.pieces, sources)
        except ValidationError as error:
            return Change(uid, group.pieces, problem=reason(error))
        memory = Memory(made.facts, dict(made.written))
        is_same = entry.item is not None and made.parts == entry.parts and _equal(made.item, entry.item)
        there = {fact.id for fact in group.facts}
        ids = {piece.fact.id for piece in group.pieces}
        return Change(
            uid,
            group.pieces,
            item=None if is_same else _versioned(made.item, entry, self.now),
            parts=made.parts,
            memory=None if memory.packed() == Memory(entry.facts, entry.written).packed() else memory,
            merged=merged,
            new=len(ids - there),
            there=len(ids & there),
            trashed=sum(piece.fact.state.is_left_out for piece in group.pieces),
            is_shortened=made.is_shortened and not is_same,
            hidden=made.hidden,
            record_version=entry.record_version,
            shrinks=not {fact.copy for fact in entry.facts} <= {fact.copy for fact in made.facts},
        )

    def _change_of_deleted(self, entry: Entry, pieces: list[Piece[Source]]) -> Change[Source]:
        """Adds messages to the record of a deleted conversation, so that they do not come back."""
        facts = with_states(entry.facts, pieces)
        memory = Memory(tuple(facts), entry.written)
        is_same = memory.packed() == Memory(entry.facts, entry.written).packed()
        ids = {piece.fact.id for piece in pieces}
        return Change(
            entry.uid, pieces, memory=None if is_same else memory, deleted=len(ids), record_version=entry.record_version
        )


def _of(facts: tuple[Fact, ...], some: Iterable[Fact]) -> tuple[Fact, ...]:
    copies = {fact.copy for fact in some}
    return tuple(fact for fact in facts if fact.copy in copies)


def _deleted_at(entry: Entry) -> int:
    """The time of the deletion. If only the record is left, the date of its last message."""
    if entry.deleted_on is not None:
        return entry.deleted_on
    return max((fact.date for fact in entry.facts), default=0)


def _until(entries: Iterable[Entry]) -> int:
    return max(map(_deleted_at, entries))


def _equal(item: Conversation, other: Conversation) -> bool:
    return item.model_copy(update={"updated_on": other.updated_on}) == other


def _versioned(item: Conversation, entry: Entry, now: int) -> Conversation:
    """The item with a version that wins against what is there."""
    least = now if entry.is_deleted and entry.deleted_on is None else entry.version + 1
    version = min(max(milliseconds(item.updated_on), least), _LAST)
    return item.model_copy(update={"updated_on": time_of(version)})
