"""Imports mailboxes: one conversation for each thread. Uids derive from message ids, so imports can be repeated.

The direction of a conversation follows from `Fact.is_outbound` (facts.py).
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from uuid import UUID

import msgspec
from pydantic import ValidationError

from service import processes
from service.conversation import Channel, Conversation, Status, reason
from service.sources import mailbox
from service.sources.facts import Fact, Hasher, State, ends, milliseconds, of_message
from service.sources.folders import has_role, is_left_out
from service.sources.message import Address, Clock, Message, parse
from service.sources.message_ids import GMAIL_THREAD, is_of_digest
from service.sources.shortening import Fit
from service.sources.spool import Piece, Spool
from service.sources.threads import MOST_PARTICIPANTS, MailRule, is_forwarded, is_specific, normalised_subject
from service.sources.unite import First, Kind, unite, with_states
from service.text import trimmed
from service.times import MAX_AHEAD

Reject = Callable[[str, int, str, bytes, int], None]
"""Called with (source, number, reason, data, offset) for each message that cannot be imported."""

Source = TypeVar("Source")
_ROBOTS = frozenset({"mailerdaemon", "postmaster", "noreply", "donotreply", "notification", "notifications", "bounces"})
TRASH = "Trash"  # the label of messages that their mailbox marks as deleted
BATCH_MESSAGES = 100
BATCH_BYTES = 2_000_000  # of raw messages
MOST_LISTS = 5  # of a message that are compared
SHOWN_BYTES = 2000  # of a rejected message, in the rejects file


@dataclass(frozen=True, slots=True)
class Own:
    """The organization's own addresses and domains, in lower case. Mail from these is outbound."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def __contains__(self, address: Address) -> bool:
        return self.has(address.email or "")

    def has(self, email: str) -> bool:
        return email in self.addresses or email.rpartition("@")[2] in self.domains

    def outsider(self, message: Message) -> str | None:
        """The other side of a message that somebody of the organization sent or received, if it is known."""
        sender, receivers = message.sender.email or "", (*message.to, *message.cc)
        if self.has(sender):
            return next((email for email in receivers if not self.has(email) and not _is_robot(email)), None)
        return sender if sender and not _is_robot(sender) and any(map(self.has, receivers)) else None


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules from labels to a status (the first rule that matches counts) and to categories (all that match count)."""

    statuses: Mapping[str, Status] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """Counts of messages. `read` is the sum of the following fields up to `rejected`.

    `in_conversations` were added to conversations, `there` were already in one. `duplicates` occur more than once in
    this import. `deleted` belong to conversations that were deleted.
    `shortened` counts conversations in which a text or a list was cut (shortening.py). `dates_ahead` counts messages
    whose date was too far in the future and was replaced. `left_out` counts trash and junk that was not asked for.
    `same_ids` counts messages that are not shown, because different ones have the same id.
    """

    read: int = 0
    in_conversations: int = 0
    there: int = 0
    duplicates: int = 0
    left_out: int = 0
    deleted: int = 0
    rejected: int = 0
    shortened: int = 0
    dates_ahead: int = 0
    same_ids: int = 0

    def record(self) -> dict[str, int]:
        return {
            "messages": self.read,
            "in_conversations": self.in_conversations,
            "already_there": self.there,
            "duplicates": self.duplicates,
            "left_out": self.left_out,
            "deleted": self.deleted,
            "rejected_messages": self.rejected,
            "shortened": self.shortened,
            "dates_ahead": self.dates_ahead,
            "same_ids": self.same_ids,
        }


def conversations(
    paths: Iterable[str],
    organization_uid: UUID,
    own: Own,
    *,
    reject: Reject,
    rules: Rules | None = None,
    counts: Counts | None = None,
    advance: Callable[[int], None] = lambda _bytes: None,
    max_ahead: timedelta = MAX_AHEAD,
    asked_for: Collection[str] = (),
) -> Iterator[Conversation]:
    """Yields the conversations of all mailboxes together.

    Every message becomes part of a conversation, is a duplicate, is left out, or is rejected; `counts` counts these.
    Trash and junk are left out, unless `asked_for` has "trash" or "junk". `reject` is called for each message that is
    rejected, and for a file that cannot be read.
    `advance` is called with the number of bytes of each read. Texts and lists beyond the limits of a document are
    shortened. If a message's date lies further ahead of the clock than `max_ahead`, the time when it was received is
    used, or else the time of this import.
    """
    counts = counts or Counts()
    kind = Mail(Hasher(organization_uid), own, rules or Rules())
    with spool(kind) as messages:
        messages.fill(
            *read(paths, kind, reject=reject, counts=counts, advance=advance, max_ahead=max_ahead, asked_for=asked_for)
        )
        yield from made(kind, organization_uid, messages.conversations(), reject=reject, counts=counts)


def made(
    kind: Kind[Source],
    organization_uid: UUID,
    groups: Iterable[list[Piece[Source]]],
    *,
    reject: Reject,
    counts: Counts,
) -> Iterator[Conversation]:
    """The conversations of these messages alone; what an index holds is not considered."""
    for every in groups:
        pieces = [piece for piece in every if not piece.fact.state.is_left_out]
        if not pieces:
            continue
        first, _last = ends(with_states((), pieces))
        root = kind.root(next(piece.message for piece in pieces if piece.fact.copy == first.copy))
        try:
            united = unite(kind, organization_uid, uuid.uuid5(organization_uid, root), pieces)
        except ValidationError as error:
            reject_all(pieces, reason(error), reject, counts)
        else:
            counts.in_conversations += len({piece.fact.id for piece in pieces})
            counts.shortened += united.is_shortened
            counts.same_ids += united.hidden
            yield united.item


def reject_all(pieces: Iterable[Piece[Source]], why: str, reject: Reject, counts: Counts) -> None:
    """Rejects the messages of a conversation that is not valid, or that OpenSearch does not take."""
    for piece in {piece.fact.id: piece for piece in pieces}.values():
        message = piece.message
        counts.rejected += 1
        counts.left_out -= piece.fact.state.is_left_out
        source, number, offset = (getattr(message, name, 0) for name in ("source", "number", "offset"))
        reject(str(source or ""), number, f"its conversation: {why}", b"", offset)


def spool(kind: Mail) -> Spool[Message]:
    return Spool(Message, kind.rule)


def read(
    paths: Iterable[str],
    kind: Mail,
    *,
    reject: Reject,
    counts: Counts,
    advance: Callable[[int], None] = lambda _bytes: None,
    max_ahead: timedelta = MAX_AHEAD,
    asked_for: Collection[str] = (),
    workers: int | None = None,
) -> tuple[Iterator[tuple[Fact, Message]], Callable[[Message], None]]:
    """The messages in the mailboxes, and a function that counts duplicates: the arguments of `Spool.fill`.

    The arguments are those of `conversations`, and `workers`, the number of processes that parse (default: this one).
    """

    def duplicate(message: Message) -> None:
        counts.duplicates += 1
        counts.left_out -= message.is_left_out  # it was counted when it was read

    def found() -> Iterator[tuple[Fact, Message]]:
        parsed = _Parser(kind, Clock(datetime.now(UTC), max_ahead), frozenset(asked_for))
        for batch, results in processes.mapped(parsed, _batches(paths, advance), workers=workers):
            counts.read += len(batch)
            for raw, result in zip(batch, results, strict=True):
                if isinstance(result, str):
                    counts.rejected += 1
                    reject(raw.source, raw.number, result, raw.data[:SHOWN_BYTES], raw.offset)
                else:
                    message = result[1]
                    counts.left_out += message.is_left_out
                    counts.dates_ahead += message.is_ahead and not message.is_left_out
                    yield result

    return found(), duplicate


def _batches(paths: Iterable[str], advance: Callable[[int], None]) -> Iterator[list[mailbox.RawMessage]]:
    """The messages in batches whose data fit into the processor's caches, which saves a sixth of the time."""
    batch: list[mailbox.RawMessage] = []
    size = 0
    for path in paths:
        for raw in mailbox.read(path, advance=advance):
            batch.append(raw)
            size += len(raw.data)
            if len(batch) >= BATCH_MESSAGES or size >= BATCH_BYTES:
                yield batch
                batch, size = [], 0
    yield batch


@dataclass(frozen=True, slots=True)
class _Parser:
    """Parses messages. It is immutable, so it can be sent to other processes."""

    kind: Mail
    clock: Clock
    asked_for: frozenset[str]

    def __call__(self, batch: list[mailbox.RawMessage]) -> list[tuple[Fact, Message] | str]:
        """For each message, its fact and what is kept of it, or the reason why it is rejected."""
        messages = [self._message(raw) for raw in batch]
        return [one if isinstance(one, str) else (self.kind.fact(one), one) for one in messages]

    def _message(self, raw: mailbox.RawMessage) -> Message | str:
        if raw.problem is not None:
            return raw.problem
        try:
            return self._placed(parse(raw, self.clock), raw)
        except ValueError as error:
            return str(error)
        except Exception as error:  # malformed mail can make the parser raise anything; only this message is lost
            return f"cannot be read: {error!r}"

    def _placed(self, message: Message, raw: mailbox.RawMessage) -> Message:
        """The message with the marks of its mailbox: deleted, and left out as trash or junk."""
        if raw.is_deleted and not has_role(message.labels, "trash"):
            message = replace(message, labels=(*message.labels, TRASH))
        if message.labels and is_left_out(message.labels, self.asked_for):
            return replace(message, is_left_out=True)
        return message


@dataclass(frozen=True, slots=True)
class Mail:
    """Mail as a unite.Kind."""

    hasher: Hasher
    own: Own
    rules: Rules
    rule: MailRule = field(default_factory=MailRule)
    channel: Channel = "email"

    def fact(self, message: Message) -> Fact:
        base, is_marked = normalised_subject(message.subject)
        people = [email for email in (message.sender.email, *message.to, *message.cc) if email]
        participants = dict.fromkeys(people[:MOST_PARTICIPANTS])
        # Replies to a digest belong together only if they have the same subject.
        references = dict.fromkeys(f"{one} {base}" if is_of_digest(one) else one for one in message.references)
        return Fact(
            id=of_message(message.id),
            digest=of_message(_content(message)),
            date=milliseconds(message.date),
            sender=self.hasher(message.sender.email or ""),
            references=tuple(map(of_message, references)),
            subject=self.hasher(base) if base else 0,
            is_marked=is_marked,
            is_reply=any(not reference.endswith(GMAIL_THREAD) for reference in message.references),
            participants=tuple(map(self.hasher, participants)),
            lists=tuple(map(self.hasher, self._lists(message))),
            attachments=message.attachments,
            is_own=message.sender in self.own,
            state=State(
                is_sent=has_role(message.labels, "sent"),
                is_read=message.seen,
                is_answered=message.is_answered,
                is_draft=message.is_draft,
                labels=tuple(self.labels(message, Fit())),
                is_left_out=message.is_left_out,
            ),
            is_specific=is_specific(base),
            is_forwarded=is_marked and is_forwarded(message.subject),
            outsider=self.hasher(outsider) if (outsider := self.own.outsider(message)) else 0,
        )

    def _lists(self, message: Message) -> Iterator[str]:
        """The mailing lists that the message was posted to, as addresses.

        A newsletter that names its list, but is sent to persons, does not count. Mail from outside to a list of the
        organization does not count either: its senders write to the organization, and not to each other.
        """
        receivers = {*message.to, *message.cc}
        is_from_outside = message.sender not in self.own
        for name in dict.fromkeys(map(_list_address, message.lists[:MOST_LISTS])):
            if (name in receivers or not receivers) and not (is_from_outside and self.own.has(name)):
                yield name

    def root(self, message: Message) -> str:
        return f"mail:{_root(message)}"

    def first(self, message: Message, fact: Fact, fit: Fit) -> First:
        party = next(iter(message.to), None) if fact.is_outbound else message.sender.email
        return First(
            subject=fit.text("subject", message.subject),
            party_uid=uuid.uuid5(self.hasher.organization_uid, f"party:{party}") if party else None,
            metadata={
                "from_email": fit.text("metadata.from_email", message.sender.email),
                "from_name": fit.text("metadata.from_name", message.sender.name),
                "to_emails": fit.texts("metadata.to_emails", message.to),
                "cc_emails": fit.texts("metadata.cc_emails", message.cc),
                "provider_message_id": fit.text("metadata.provider_message_id", f"<{message.id}>"),
                "thread_id": fit.text("metadata.thread_id", f"<{_root(message)}>"),
            },
        )

    def snippet(self, message: Message, fit: Fit) -> str | None:
        return fit.text("metadata.snippet", message.snippet)

    def name(self, message: Message, fit: Fit) -> str | None:
        return None

    def labels(self, message: Message, fit: Fit) -> dict[int, str]:
        short = fit.texts("metadata.labels", message.labels) if message.labels else []
        return {self.hasher(label): label for label in short}

    def status(self, labels: Sequence[str], *, is_draft: bool) -> Status:
        if is_draft:
            return "draft"
        return next((status for label, status in self.rules.statuses.items() if label in labels), "active")

    def categories(self, labels: Sequence[str], fit: Fit) -> list[str]:
        return fit.texts("categories", _categories(labels, self.rules))

    def has_reply(self, facts: Sequence[Fact]) -> bool:
        return any(fact.sender != facts[0].sender or fact.state.is_answered for fact in facts)


def _content(message: Message) -> bytes:
    """The content that distinguishes messages with the same id: without flags, and without a replacement date."""
    date = None if message.is_ahead else message.date
    return msgspec.json.encode(
        (
            *(date, message.sender, message.subject, message.to, message.cc),
            *(message.references, message.lists, message.snippet, message.attachments),
        )
    )


def _is_robot(email: str) -> bool:
    """Whether the address is that of a program, which writes on behalf of many people."""
    return email.partition("@")[0].replace("-", "").replace("_", "") in _ROBOTS


def _list_address(name: str) -> str:
    """The address of a list with this id: dev@x.org for dev.x.org."""
    return name if "@" in name else name.replace(".", "@", 1)


def _root(message: Message) -> str:
    """The id of the message that began the thread, which may be missing from the mailbox."""
    return next((one for one in message.references if not is_of_digest(one)), message.id)


def _categories(labels: Sequence[str], rules: Rules) -> list[str]:
    """The categories of these labels, in their order, without repetition."""
    return list(dict.fromkeys(trimmed(rules.categories[label]) for label in labels if label in rules.categories))
