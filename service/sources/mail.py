"""Mailboxes -> conversations: one a thread. Uids come from message ids, so importing twice changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from uuid import UUID

from pydantic import ValidationError

from service.conversation import Conversation, Direction, Metadata, Status, reason
from service.sources import mailbox
from service.sources.message import Address, Clock, Message, parse
from service.sources.shortening import Fit
from service.sources.threads import Thread, threads
from service.times import MAX_AHEAD

Reject = Callable[[str, int, str, bytes, int], None]
"""(source, number, reason, data, offset): what was no message, and where it stood."""

SHOWN_BYTES = 2000  # of a rejected message, in the rejects file


@dataclass(frozen=True, slots=True)
class Own:
    """The organization's own addresses and domains, in lower case: mail from these is outbound."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def __contains__(self, address: Address) -> bool:
        email = address.email or ""
        return email in self.addresses or email.rpartition("@")[2] in self.domains


@dataclass(frozen=True, slots=True)
class Rules:
    """What a label says of a conversation: its status (the first rule that fits), its categories (all that fit)."""

    statuses: Mapping[str, Status] = field(default_factory=dict)
    categories: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Counts:
    """Of messages: `read` is the sum of the three that follow it.

    `shortened` counts conversations with a cut (shortening.py), `dates_ahead` messages that were dated further
    ahead of the clock than a version may lie, and were given another date.
    """

    read: int = 0
    in_conversations: int = 0
    duplicates: int = 0
    rejected: int = 0
    shortened: int = 0
    dates_ahead: int = 0

    def record(self) -> dict[str, int]:
        return {
            "messages": self.read,
            "in_conversations": self.in_conversations,
            "duplicates": self.duplicates,
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
) -> Iterator[Conversation]:
    """The conversations of all the mailboxes together.

    Every message ends in a conversation, is a duplicate of one that does, or is told to `reject`; `counts` adds up.
    `advance(count)` is told the bytes of the files as they are read. What exceeds the limits of a document is
    shortened. A message that is dated further ahead of the clock than `max_ahead` has the time when it was received,
    else the time of this import.
    """
    now = datetime.now(UTC)
    counts = counts or Counts()

    def rejected(source: str, number: int, reason: str, data: bytes, offset: int) -> None:
        counts.rejected += 1
        reject(source, number, reason, data, offset)

    def duplicate(_message: Message) -> None:
        counts.duplicates += 1

    for thread in threads(_messages(paths, rejected, counts, advance, Clock(now, max_ahead)), duplicate=duplicate):
        try:
            fit = Fit()
            found = _conversation(thread, organization_uid, own, rules=rules or Rules(), fit=fit)
        except ValidationError as error:
            for message in thread.messages:
                rejected(message.source, message.number, f"its thread: {reason(error)}", b"", message.offset)
        else:
            counts.in_conversations += len(thread.messages)
            counts.shortened += fit.shortened
            yield found


def _messages(
    paths: Iterable[str], reject: Reject, counts: Counts, advance: Callable[[int], None], clock: Clock
) -> Iterator[Message]:
    for path in paths:
        for raw in mailbox.read(path, advance=advance):
            counts.read += 1
            try:
                message = parse(raw, clock)
                counts.dates_ahead += message.is_ahead
                yield message
            except ValueError as error:
                reject(raw.source, raw.number, str(error), raw.data[:SHOWN_BYTES], raw.offset)
            except Exception as error:  # people send what the parser's authors did not think of: a message at most
                reject(raw.source, raw.number, f"cannot be read: {error!r}", raw.data[:SHOWN_BYTES], raw.offset)


def _conversation(thread: Thread, organization_uid: UUID, own: Own, *, rules: Rules, fit: Fit) -> Conversation:
    first, last = thread.messages[0], thread.messages[-1]
    labels = list(dict.fromkeys(label for message in thread.messages for label in message.labels))
    is_outbound = first.sender in own or "Sent" in first.labels
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
    """Each once, in the order of the labels."""
    return list(dict.fromkeys(rules.categories[label].strip() for label in labels if label in rules.categories))


def _status(messages: tuple[Message, ...], labels: list[str], rules: Rules) -> Status:
    if all(message.is_draft for message in messages):
        return "draft"
    return next((status for label, status in rules.statuses.items() if label in labels), "active")


def _is_read(messages: tuple[Message, ...]) -> bool | None:
    """Whether all were seen; None where the mailbox tells nothing."""
    read_marks = [message.seen for message in messages if message.seen is not None]
    return all(read_marks) if read_marks else None
