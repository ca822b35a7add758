"""Imports SMS: one conversation for each peer number, split at long silences."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from service.conversation import Conversation, Metadata
from service.scratch import Scratch
from service.sources import sms_files
from service.sources.mail import Counts, Reject
from service.sources.message import Clock
from service.sources.shortening import ELLIPSIS, Fit
from service.sources.sms_files import Sms
from service.times import EPOCH, MAX_AHEAD, parse_time

SUBJECT_CHARACTERS = 200


def conversations(
    paths: list[str],
    organization_uid: UUID,
    *,
    reject: Reject,
    columns: Mapping[str, str] | None = None,
    gap: timedelta | None = None,
    counts: Counts | None = None,
    advance: Callable[[int], None] = lambda _bytes: None,
    max_ahead: timedelta = MAX_AHEAD,
) -> Iterator[Conversation]:
    """Yields the conversations of all files together.

    `columns` maps the names in COLUMNS to those of a CSV file. A new conversation begins after a silence of more than
    `gap`; without `gap`, each peer has one conversation. Texts beyond the limits of a document are shortened. A date
    further ahead of the clock than `max_ahead` is replaced by the time of this import. Raises SourceUnreadable if a
    file cannot be read, is not valid CSV or XML, or lacks a required column.
    """
    clock = Clock(parse_time(datetime.now(UTC)), max_ahead)
    counts = counts or Counts()

    def rejected(source: str, number: int, reason: str, data: bytes, offset: int) -> None:
        counts.rejected += 1
        reject(source, number, reason, data, offset)

    with _Sorted() as messages:
        for path in paths:
            for source, number, found in sms_files.read(path, columns=columns, advance=advance):
                counts.read += 1
                if not isinstance(found, Sms):
                    rejected(source, number, found, b"", 0)
                elif not messages.add(found):
                    counts.duplicates += 1
        for group in messages.grouped(gap):
            fit = Fit()
            conversation = _conversation(group, organization_uid, clock, fit)
            counts.in_conversations += len(group)
            counts.shortened += fit.shortened
            counts.dates_ahead += sum(not clock.believes(message.date) for message in group)
            yield conversation


def _conversation(messages: list[Sms], organization_uid: UUID, clock: Clock, fit: Fit) -> Conversation:
    first, last = messages[0], messages[-1]
    read_marks = [message.read for message in messages if message.read is not None]
    key = f"{first.peer}:{(first.date - EPOCH) // timedelta(milliseconds=1)}"
    return Conversation(
        uid=uuid.uuid5(organization_uid, f"sms:{key}"),
        organization_uid=organization_uid,
        channel="sms",
        direction=first.direction,
        status="active",
        subject=_excerpt(first.text),
        sent_at=_believed(last.date, clock),
        is_read=all(read_marks) if read_marks else None,
        has_reply=any(message.direction != first.direction for message in messages),
        message_count=len(messages),
        metadata=Metadata(
            from_name=fit.text("metadata.from_name", next((one.name for one in messages if one.name), None)),
            snippet=_excerpt(last.text),
            thread_id=fit.text("metadata.thread_id", first.peer),
        ),
        party_uid=uuid.uuid5(organization_uid, f"party:{first.peer}"),
        created_on=_believed(first.date, clock),
        updated_on=_believed(last.date, clock),
    )


def _believed(date: datetime, clock: Clock) -> datetime:
    return date if clock.believes(date) else clock.now


def _excerpt(text: str) -> str | None:
    """The first SUBJECT_CHARACTERS of a text, in one line. An ellipsis shows that it was cut."""
    line = " ".join(text.split())
    return (line if len(line) <= SUBJECT_CHARACTERS else f"{line[: SUBJECT_CHARACTERS - 1]}{ELLIPSIS}") or None


class _Sorted(Scratch):
    """Messages on disk, sorted by peer and date. A repeated message is kept once."""

    def __init__(self) -> None:
        super().__init__(
            "CREATE TABLE sms (peer TEXT, date INTEGER, text TEXT, direction TEXT, read INTEGER, name TEXT, "
            "UNIQUE (peer, date, direction, text))"
        )
        self.database.execute("BEGIN")

    def add(self, message: Sms) -> bool:
        """Adds a message. Returns False for a duplicate."""
        date = (message.date - EPOCH) // timedelta(milliseconds=1)
        row = (message.peer, date, message.text, message.direction, message.read, message.name)
        return self.database.execute("INSERT OR IGNORE INTO sms VALUES (?, ?, ?, ?, ?, ?)", row).rowcount == 1

    def grouped(self, gap: timedelta | None) -> Iterator[list[Sms]]:
        """The messages of each conversation."""
        group: list[Sms] = []
        for row in self.database.execute("SELECT * FROM sms ORDER BY peer, date, rowid"):
            message = _of_row(row)
            if group and (message.peer != group[-1].peer or (gap and message.date - group[-1].date > gap)):
                yield group
                group = []
            group.append(message)
        if group:
            yield group


def _of_row(row: tuple[Any, ...]) -> Sms:
    peer, date, text, direction, read, name = row
    return Sms(peer, EPOCH + timedelta(milliseconds=date), text, direction, None if read is None else bool(read), name)
