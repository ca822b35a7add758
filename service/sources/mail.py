"""Imports mailboxes: one conversation for each thread. Uids derive from message ids, so imports can be repeated."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import ValidationError

from service.conversation import Conversation, Direction, Metadata, Status, reason
from service.sources import mailbox
from service.sources.folders import has_role, is_left_out
from service.sources.message import Address, Clock, Message, parse
from service.sources.shortening import Fit
from service.sources.threads import Thread, threads
from service.times import MAX_AHEAD

Reject = Callable[[str, int, str, bytes, int], None]
"""Called with (source, number, reason, data, offset) for each message that cannot be imported."""

SHOWN_BYTES = 2000  # of a rejected message, in the rejects file


@dataclass(frozen=True, slots=True)
class Own:
    """The organization's own addresses and domains, in lower case. Mail from these is outbound."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def __contains__(self, address: Address) -> bool:
        email = address.email or ""
        return email in self.addresses or email.rpartition("@")[2] in self.domains


@dataclass(frozen=True, slots=True)
class Rules:
    """Rules from labels to a status (the first rule that matches counts) and to categories (all that match count)."""

    statuses: Mapping[str, Status] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """Counts of messages. `read` is the sum of `in_conversations`, `duplicates`, `left_out` and `rejected`.

    `shortened` counts conversations in which a text or a list was cut (shortening.py). `dates_ahead` counts messages
    whose date was too far in the future and was replaced. `left_out` counts trash and junk that was not asked for.
    """

    read: int = 0
    in_conversations: int = 0
    duplicates: int = 0
    rejected: int = 0
    shortened: int = 0
    dates_ahead: int = 0
    left_out: int = 0

    def record(self) -> dict[str, int]:
        return {
            "messages": self.read,
            "in_conversations": self.in_conversations,
            "duplicates": self.duplicates,
            "left_out": self.left_out,
            "rejected_messages": self.rejected,
            "shortened": self.shortened,
            "dates_ahead": self.dates_ahead,
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

    Every message becomes part of a conversation, is a duplicate, is left out as trash or junk unless `asked_for` has
    "trash" or "junk", or is passed to `reject`, as is a file that cannot be read; `counts` counts these.
    `advance` is called with the number of bytes of each read. Texts and lists beyond the limits of a document are
    shortened. If a message's date lies further ahead of the clock than `max_ahead`, the time when it was received is
    used, or else the time of this import.
    """
    now = datetime.now(UTC)
    counts = counts or Counts()

    def rejected(source: str, number: int, reason: str, data: bytes, offset: int) -> None:
        counts.rejected += 1
        reject(source, number, reason, data, offset)

    def duplicate(_message: Message) -> None:
        counts.duplicates += 1

    for thread in threads(
        _messages(paths, rejected, counts, advance, Clock(now, max_ahead), asked_for), duplicate=duplicate
    ):
        try:
            fit = Fit()
            conversation = _conversation(thread, organization_uid, own, rules=rules or Rules(), fit=fit)
        except ValidationError as error:
            for message in thread.messages:
                rejected(message.source, message.number, f"its thread: {reason(error)}", b"", message.offset)
        else:
            counts.in_conversations += len(thread.messages)
            counts.shortened += fit.shortened
            yield conversation


def _messages(
    paths: Iterable[str],
    reject: Reject,
    counts: Counts,
    advance: Callable[[int], None],
    clock: Clock,
    asked_for: Collection[str],
) -> Iterator[Message]:
    for path in paths:
        for raw in mailbox.read(path, advance=advance):
            counts.read += 1
            try:
                if raw.problem is not None:
                    raise ValueError(raw.problem)
                message = parse(raw, clock)
                if is_left_out((*message.labels, *(["trash"] if raw.is_deleted else [])), asked_for):
                    counts.left_out += 1
                    continue
                counts.dates_ahead += message.is_ahead
                yield message
            except ValueError as error:
                reject(raw.source, raw.number, str(error), raw.data[:SHOWN_BYTES], raw.offset)
            except Exception as error:  # malformed mail can make the parser raise anything; only this message is lost
                reject(raw.source, raw.number, f"cannot be read: {error!r}", raw.data[:SHOWN_BYTES], raw.offset)


def _conversation(thread: Thread, organization_uid: UUID, own: Own, *, rules: Rules, fit: Fit) -> Conversation:
    first, last = thread.messages[0], thread.messages[-1]
    labels = list(dict.fromkeys(label for message in thread.messages for label in message.labels))
    is_outbound = first.sender in own or has_role(first.labels, "sent")
    direction: Direction = "outbound" if is_outbound else "inbound"
    attachments = sum(message.attachments for message in thread.messages)
    party = next(iter(first.to), None) if is_outbound else first.sender.email
    return Conversation(
        uid=uuid.uuid5(organization_uid, f"mail:{thread.root}"),
        organization_uid=organization_uid,
        channel="email",
        direction=direction,
        status=_status(thread.messages, labels, rules),
        subject=fit.text("subject", first.subject),
        categories=fit.texts("categories", _categories(labels, rules)),
        sent_at=last.date,
        is_read=_is_read(thread.messages),
        has_reply=any(message.sender.email != first.sender.email or message.is_answered for message in thread.messages),
        message_count=len(thread.messages),
        metadata=Metadata(
            from_email=fit.text("metadata.from_email", first.sender.email),
            from_name=fit.text("metadata.from_name", first.sender.name),
            to_emails=fit.texts("metadata.to_emails", first.to),
            cc_emails=fit.texts("metadata.cc_emails", first.cc),
            snippet=fit.text("metadata.snippet", last.snippet),
            labels=fit.texts("metadata.labels", labels),
            provider_message_id=fit.text("metadata.provider_message_id", f"<{first.id}>"),
            thread_id=fit.text("metadata.thread_id", f"<{thread.root}>"),
            has_attachments=attachments > 0,
            attachment_count=attachments,
        ),
        party_uid=uuid.uuid5(organization_uid, f"party:{party}") if party else None,
        created_on=first.date,
        updated_on=last.date,
    )


def _categories(labels: list[str], rules: Rules) -> list[str]:
    """The categories of these labels, in their order, without repetition."""
    return list(dict.fromkeys(rules.categories[label].strip() for label in labels if label in rules.categories))


def _status(messages: tuple[Message, ...], labels: list[str], rules: Rules) -> Status:
    if all(message.is_draft for message in messages):
        return "draft"
    return next((status for label, status in rules.statuses.items() if label in labels), "active")


def _is_read(messages: tuple[Message, ...]) -> bool | None:
    """Whether all messages were seen; None if the mailbox does not record it."""
    read_marks = [message.seen for message in messages if message.seen is not None]
    return all(read_marks) if read_marks else None
