"""Makes one conversation of messages: those of an import, and those that the index knows of earlier imports.

This is a pure function of sets. A field of the first message is taken from that message if it is in this import, and
otherwise from the conversation in the index that begins with it; the snippet of the last message likewise. Counts and
flags come from the facts. What others wrote into a conversation is kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar, cast
from uuid import UUID

import msgspec

from service.conversation import LIMITS, Channel, Conversation, Direction, Metadata, Status
from service.sources.facts import Fact, Hasher, State, chosen, ends, hidden, time_of, together, united
from service.sources.groups import Rule, are_linked, components
from service.sources.shortening import Fit
from service.sources.spool import Piece

Source_contra = TypeVar("Source_contra", contravariant=True)
Source = TypeVar("Source")
Values = dict[str, Any]
"""Values of a conversation's fields, by name; the model checks them."""

KEPT = ("direction", "status", "subject", "categories", "party_uid")
"""Fields that imports write, and that stay as they are once somebody else has changed them."""
FOREIGN = ("agent_uid", "created_by_uid", "parent_conversation_uid")
"""Fields that imports keep as they are."""


class Kind(Protocol[Source_contra]):
    """What makes mail and SMS different."""

    @property
    def channel(self) -> Channel: ...
    @property
    def hasher(self) -> Hasher: ...
    @property
    def rule(self) -> Rule: ...

    def root(self, message: Source_contra) -> str:
        """The text that determines the uid of a conversation that begins with this message."""

    def first(self, message: Source_contra, fact: Fact, fit: Fit) -> First:
        """The fields of a conversation that begins with this message."""

    def snippet(self, message: Source_contra, fit: Fit) -> str | None: ...

    def name(self, message: Source_contra, fit: Fit) -> str | None:
        """The name of the other side, from the first message that has one (Fact.is_named)."""

    def labels(self, message: Source_contra, fit: Fit) -> Mapping[int, str]:
        """The labels by their hashes."""

    def status(self, labels: Sequence[str], *, is_draft: bool) -> Status: ...
    def categories(self, labels: Sequence[str], fit: Fit) -> list[str]: ...
    def has_reply(self, facts: Sequence[Fact]) -> bool: ...


@dataclass(frozen=True, slots=True)
class First:
    """The fields of a conversation that its first message decides. `metadata` holds some of Metadata's."""

    subject: str | None
    party_uid: UUID | None
    metadata: Mapping[str, object]


class Part(msgspec.Struct, frozen=True, array_like=True):
    """What a part of a softly joined conversation shows if it is separated again.

    `begins` and `ends` are the `Fact.copy` of its first and last message.
    """

    begins: tuple[int, int]
    ends: tuple[int, int]
    subject: str | None
    party_uid: UUID | None
    metadata: dict[str, object]
    snippet: str | None


@dataclass(frozen=True, slots=True)
class Known:
    """A conversation as the index has it: its item and what imports remember of it.

    `written` has a hash of what the last import wrote into is_read and each field of KEPT. It is empty if no import has
    written the conversation, or only one of an earlier version of the service. `unseen` is how many of its messages no
    import remembers, such as those of `load`.
    """

    uid: UUID
    item: Conversation
    facts: tuple[Fact, ...] = ()
    written: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    unseen: int = 0


@dataclass(frozen=True, slots=True)
class United:
    """A conversation as it should be, with the facts of all its messages. Its version is that of the last message.

    `hidden` messages are not in it, because others have their ids (facts.hidden).
    """

    item: Conversation
    parts: tuple[Part, ...]
    facts: tuple[Fact, ...]
    written: Mapping[str, int]
    is_shortened: bool
    hidden: int


def with_states(facts: Iterable[Fact], pieces: Iterable[Piece[Source]]) -> list[Fact]:
    """All facts, with the states as this import saw them, also those of copies that it did not see."""
    seen: dict[int, list[State]] = {}
    for piece in pieces:
        seen.setdefault(piece.fact.id, []).append(piece.fact.state)
    states = {name: together(some) for name, some in seen.items()}
    current = {piece.fact.copy: piece.fact for piece in pieces}
    every = united([*facts, *(piece.fact for piece in pieces)])
    return [_seen(fact, states.get(fact.id, fact.state), current.get(fact.copy, fact)) for fact in every.values()]


def _seen(fact: Fact, state: State, current: Fact) -> Fact:
    """The fact with what depends on this import: the state, and which addresses are the organization's."""
    own = {"is_own": current.is_own, "outsider": current.outsider, "lists": current.lists}
    is_same = state == fact.state and (fact.is_own, fact.outsider, fact.lists) == tuple(own.values())
    return fact if is_same else msgspec.structs.replace(fact, state=state, **own)


def unite(
    kind: Kind[Source],
    organization_uid: UUID,
    uid: UUID,
    pieces: Sequence[Piece[Source]],
    known: Sequence[Known] = (),
) -> United:
    """The conversation of these messages and conversations. Of `known`, the one that stays comes first.

    Raises ValidationError if it is not a valid conversation.
    """
    facts = with_states((fact for one in known for fact in one.facts), pieces)
    messages = chosen(facts)
    fit = Fit()
    begins, last = ends(facts)
    content = _Content(kind, known, pieces, messages, fit)
    first = content.first(begins)
    labels = content.labels()
    values: Values = {
        "direction": _direction(begins),
        "status": kind.status(labels, is_draft=all(fact.state.is_draft for fact in messages)),
        "subject": first.subject,
        "categories": kind.categories(labels, fit),
        "party_uid": first.party_uid,
    }
    written = {name: kind.hasher(msgspec.json.encode(values[name])) for name in KEPT}
    values |= _changed_by_others(kind.hasher, known)
    is_read = _is_read(messages)
    written["is_read"] = kind.hasher(msgspec.json.encode(is_read))
    attachments = sum(fact.attachments for fact in messages)
    history = (one.item.metadata.history_id for one in known)
    item = Conversation(
        uid=uid,
        organization_uid=organization_uid,
        channel=kind.channel,
        sent_at=time_of(last.date),
        is_read=_read_since(known, written["is_read"], messages, is_read),
        has_reply=kind.has_reply(messages),
        message_count=len(messages),
        metadata=Metadata(
            **cast(Values, first.metadata),
            snippet=content.snippet(last),
            labels=fit.texts("metadata.labels", labels),
            has_attachments=attachments > 0,
            attachment_count=attachments,
            history_id=next((number for number in history if number is not None), None),
        ),
        **cast(Values, {name: _first_of(known, name) for name in FOREIGN}),
        created_on=time_of(begins.date),
        updated_on=time_of(last.date),
        **values,
    )
    item = _with_unseen(item, known)
    return United(item, content.parts(facts), tuple(facts), written, fit.shortened, hidden(facts, messages))


def _with_unseen(item: Conversation, known: Sequence[Known]) -> Conversation:
    """The item, extended so that it keeps what it has from messages that no import remembers.

    Some messages of this import may be among them, so the number of messages may be too low.
    """
    whole = [one.item for one in known if one.unseen]
    if not whole:
        return item
    every = [item, *whole]
    first = min(every, key=lambda one: one.created_on or one.updated_on)
    last = max(every, key=lambda one: one.sent_at or one.updated_on)
    least = sum(len({fact.id for fact in one.facts}) + one.unseen for one in known)
    values = {
        "direction": first.direction,
        "subject": first.subject,
        "party_uid": first.party_uid,
        "created_on": first.created_on,
        "sent_at": last.sent_at,
        "has_reply": any(one.has_reply for one in every),
        "message_count": max(item.message_count or 0, least),
        "metadata": item.metadata.model_copy(update=_wide_metadata(every, first, last)),
    }
    return Conversation.model_validate(dict(item.model_copy(update=values)))


def _wide_metadata(every: Sequence[Conversation], first: Conversation, last: Conversation) -> Mapping[str, object]:
    labels = dict.fromkeys(label for one in every for label in one.metadata.labels)
    attachments = max(one.metadata.attachment_count or 0 for one in every)
    return {
        **_first_of_item(first).metadata,
        "snippet": last.metadata.snippet,
        "labels": list(labels)[: LIMITS["metadata.labels"].items],
        "has_attachments": attachments > 0,
        "attachment_count": attachments,
    }


class _Content(Generic[Source]):
    """The data of single messages for their conversation, from this import or from the index."""

    def __init__(
        self,
        kind: Kind[Source],
        known: Sequence[Known],
        pieces: Sequence[Piece[Source]],
        messages: Sequence[Fact],
        fit: Fit,
    ) -> None:
        self._kind, self._known, self._messages, self._fit = kind, known, messages, fit
        self._pieces = {piece.fact.copy: piece for piece in pieces}
        self._holders = {fact.copy: one for one in reversed(known) for fact in one.facts}
        self._begins = {part.begins: part for one in known for part in one.parts}
        self._ends = {part.ends: part for one in known for part in one.parts}

    def first(self, begins: Fact) -> First:
        first = self._first(begins)
        named = next((fact for fact in self._messages if fact.is_named), None)
        if named is not None and (name := self._name(named)) is not None:
            first = First(first.subject, first.party_uid, {**first.metadata, "from_name": name})
        return first

    def _first(self, fact: Fact) -> First:
        if (piece := self._pieces.get(fact.copy)) is not None:
            return self._kind.first(piece.message, fact, self._fit)
        if (part := self._begins.get(fact.copy)) is not None:
            return First(part.subject, part.party_uid, part.metadata)
        return _first_of_item(self._holders[fact.copy].item)

    def _name(self, fact: Fact) -> str | None:
        if (piece := self._pieces.get(fact.copy)) is not None:
            return self._kind.name(piece.message, self._fit)
        return self._holders[fact.copy].item.metadata.from_name

    def snippet(self, fact: Fact) -> str | None:
        if (piece := self._pieces.get(fact.copy)) is not None:
            return self._kind.snippet(piece.message, self._fit)
        if (part := self._ends.get(fact.copy)) is not None:
            return part.snippet
        return self._holders[fact.copy].item.metadata.snippet

    def parts(self, facts: Sequence[Fact]) -> tuple[Part, ...]:
        """The parts that hard joins hold together, if there are several."""
        rule = self._kind.rule
        if are_linked(facts, rule) or not any(rule.awaits(fact) for fact in facts):
            return ()
        found = [ends(some) for some in components(facts, rule, is_hard=True)]
        return tuple(sorted(map(self._part, found), key=lambda part: part.begins)) if len(found) > 1 else ()

    def _part(self, both: tuple[Fact, Fact]) -> Part:
        begins, last = both
        first = self._first(begins)
        snippet = self.snippet(last)
        return Part(begins.copy, last.copy, first.subject, first.party_uid, dict(first.metadata), snippet)

    def labels(self) -> list[str]:
        """The labels of the messages in their order, each once."""
        hashes = dict.fromkeys(label for fact in self._messages for label in fact.state.labels)
        if not hashes:
            return []
        texts = {self._kind.hasher(text): text for one in self._known for text in one.item.metadata.labels}
        for piece in self._pieces.values():
            texts.update(self._kind.labels(piece.message, self._fit))
        return [texts[label] for label in hashes if label in texts]


def _first_of_item(item: Conversation) -> First:
    metadata = {name: getattr(item.metadata, name) for name in OF_FIRST}
    return First(item.subject, item.party_uid, metadata)


OF_FIRST = ("from_email", "from_name", "to_emails", "cc_emails", "provider_message_id", "thread_id")


def _direction(first: Fact) -> Direction:
    return "outbound" if first.is_outbound else "inbound"


def _is_read(messages: Sequence[Fact]) -> bool | None:
    """Whether all messages were read; None if no mailbox recorded it."""
    marks = [fact.state.is_read for fact in messages if fact.state.is_read is not None]
    return all(marks) if marks else None


def _read_since(known: Sequence[Known], written: int, messages: Sequence[Fact], is_read: bool | None) -> bool | None:
    """The stored is_read, which others may have changed, if no message and no read state is new; else `is_read`."""
    if len(known) != 1 or known[0].written.get("is_read") != written:
        return is_read
    return known[0].item.is_read if len(chosen(known[0].facts)) == len(messages) else is_read


def _first_of(known: Sequence[Known], name: str) -> object:
    values = (getattr(one.item, name) for one in known)
    return next((value for value in values if value is not None), None)


def _changed_by_others(hasher: Hasher, known: Sequence[Known]) -> Values:
    """The fields of KEPT that somebody else changed, or whose origin is not known."""
    changed: Values = {}
    for one in known:
        for name in KEPT if one.written else ("status", "categories"):
            value = getattr(one.item, name)
            is_own = hasher(msgspec.json.encode(value)) == one.written.get(name)
            if not is_own and (one.written or value):
                changed.setdefault(name, value)
    return changed
