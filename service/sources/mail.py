"""Mailboxes -> conversations: one a thread. Uids come from message ids, so importing twice changes nothing."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from pydantic import ValidationError

from service.conversation import Conversation, Direction, Metadata
from service.sources import mailbox
from service.sources.message import Address, Message, parse
from service.sources.threads import Thread, threads

Reject = Callable[[str, int, str, bytes], None]
SHOWN_BYTES = 2000  # of a rejected message, in the rejects file
MOST_ADDRESSES = 1000


@dataclass(frozen=True, slots=True)
class Own:
    """The organization's own addresses and domains, in lower case: mail from these is outbound."""

    addresses: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()

    def __contains__(self, address: Address) -> bool:
        email = address.email or ""
        return email in self.addresses or email.rpartition("@")[2] in self.domains


def conversations(
    paths: Iterable[str],
    organization_uid: UUID,
    own: Own,
    *,
    reject: Reject,
    advance: Callable[[int], None] = lambda _count: None,
) -> Iterator[Conversation]:
    """The conversations of all the mailboxes together. `reject(source, number, reason, data)` for what is none."""
    for thread in threads(_messages(paths, reject, advance)):
        try:
            yield _conversation(thread, organization_uid, own)
        except ValidationError as error:
            reject(thread.root, 0, str(error), b"")


def _messages(paths: Iterable[str], reject: Reject, advance: Callable[[int], None]) -> Iterator[Message]:
    for path in paths:
        for raw in mailbox.read(path):
            advance(1)
            try:
                yield parse(raw)
            except ValueError as error:
                reject(raw.source, raw.number, str(error), raw.data[:SHOWN_BYTES])


def _conversation(thread: Thread, organization_uid: UUID, own: Own) -> Conversation:
    first, last = thread.messages[0], thread.messages[-1]
    direction: Direction = "outbound" if first.sender in own else "inbound"
    attachments = sum(message.attachments for message in thread.messages)
    party = first.sender.email if direction == "inbound" else next(iter(first.to), None)
    return Conversation(
        uid=uuid.uuid5(organization_uid, f"mail:{thread.root}"),
        organization_uid=organization_uid,
        channel="email",
        direction=direction,
        status="active",
        subject=first.subject,
        categories=[],
        sent_at=last.date,
        is_read=_is_read(thread.messages),
        has_reply=any(message.sender.email != first.sender.email for message in thread.messages),
        message_count=len(thread.messages),
        metadata=Metadata(
            from_email=first.sender.email,
            from_name=first.sender.name,
            to_emails=list(first.to[:MOST_ADDRESSES]),
            cc_emails=list(first.cc[:MOST_ADDRESSES]),
            snippet=last.snippet,
            labels=[],
            provider_message_id=f"<{first.id}>",
            thread_id=f"<{thread.root}>",
            has_attachments=attachments > 0,
            attachment_count=attachments,
        ),
        party_uid=uuid.uuid5(organization_uid, f"party:{party}") if party else None,
        created_on=first.date,
        updated_on=last.date,
    )


def _is_read(messages: tuple[Message, ...]) -> bool | None:
    """Whether all were seen; None where the mailbox tells nothing."""
    told = [message.seen for message in messages if message.seen is not None]
    return all(told) if told else None
