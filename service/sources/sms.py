"""Imports SMS: one conversation for each peer number, split at long silences.

Reads CSV files, whose columns are named by options, and the XML of Android's "SMS Backup & Restore".
"""

from __future__ import annotations

import csv
import io
import re
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from uuid import UUID
from xml.etree.ElementTree import Element, ParseError, XMLPullParser, tostring

from service.conversation import Conversation, Direction, Metadata
from service.errors import Misconfigured, SourceUnreadable
from service.scratch import Scratch
from service.sources.containers import streams
from service.sources.mail import Counts, Reject
from service.sources.message import Clock
from service.sources.shortening import ELLIPSIS, Fit, clean
from service.times import EPOCH, MAX_AHEAD, parse_time

COLUMNS = ("peer", "date", "text", "direction", "read", "name")
NEEDED = ("peer", "date", "text")
SUBJECT_CHARACTERS = 200
OUTBOUND = frozenset({"outbound", "out", "sent", "outgoing", "2"})
INBOUND = frozenset({"inbound", "in", "received", "incoming", "1", ""})
READ = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False, "": None}
_SURROGATES = re.compile(rb"&#(5[56]\d{3});&#(5[67]\d{3});")  # the app writes emoji as surrogate pairs: invalid XML
_SHORT_DATE = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True, slots=True)
class Sms:
    """One message. `date` is in UTC, to the millisecond."""

    peer: str
    date: datetime
    text: str
    direction: Direction
    read: bool | None
    name: str | None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A message that cannot be imported: the reason, and its text in the file."""

    reason: str
    text: bytes


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
    file cannot be read or is not valid CSV or XML, and Misconfigured if it lacks a required column.
    """
    clock = Clock(parse_time(datetime.now(UTC)), max_ahead)
    counts = counts or Counts()

    def rejected(source: str, number: int, reason: str, data: bytes, offset: int) -> None:
        counts.rejected += 1
        reject(source, number, reason, data, offset)

    with _Sorted() as messages:
        for path in paths:
            for name, stream in streams(Path(path), advance=advance):
                read = _xml if stream.peek(200)[:200].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") else _csv
                for number, found in read(name, stream, columns or {}):
                    counts.read += 1
                    if isinstance(found, Sms):
                        if not messages.add(found):
                            counts.duplicates += 1
                    else:
                        rejected(name, number, found.reason, found.text, 0)
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


def _sms(values: Mapping[str, str | None]) -> Sms:
    """A message from its fields as text. Raises ValueError with the reason if one is not valid."""
    peer = re.sub(r"[\s().-]", "", clean(values.get("peer") or ""))
    if not peer:
        raise ValueError("has no peer number")
    direction = (values.get("direction") or "").strip().lower()
    if direction not in OUTBOUND | INBOUND:
        raise ValueError(f"direction {direction!r} must be inbound or outbound")
    read = (values.get("read") or "").strip().lower()
    if read not in READ:
        raise ValueError(f"read {read!r} must be true or false")
    text = (values.get("text") or "").replace("\0", " ")
    return Sms(
        peer=peer,
        date=_date((values.get("date") or "").strip()),
        text=text.encode("utf-8", "replace").decode(),
        direction="outbound" if direction in OUTBOUND else "inbound",
        read=READ[read],
        name=clean(values.get("name") or "").strip() or None,
    )


def _date(text: str) -> datetime:
    """Parses milliseconds or seconds since 1970, an RFC 3339 time, or 2024-07-01 12:00:00 (UTC). Raises ValueError."""
    try:
        if text.isdigit():
            number = int(text)
            date = EPOCH + timedelta(milliseconds=number if number > 10**11 else number * 1000)
        elif len(text) == len("2024-07-01 12:00:00"):
            date = datetime.strptime(text.replace("T", " "), _SHORT_DATE).replace(tzinfo=UTC)
        else:
            date = parse_time(text)
    except (ValueError, OverflowError):
        raise ValueError(
            f"date {text[:50]!r} must be an RFC 3339 time, or milliseconds or seconds since 1970"
        ) from None
    if date < EPOCH:
        raise ValueError(f"date {text[:50]!r} must not lie before 1970")
    return date


def _csv(name: str, stream: io.BufferedReader, columns: Mapping[str, str]) -> Iterator[tuple[int, Sms | Unusable]]:
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    start = text.buffer.peek(5000)[:5000].partition(b"\n")[0]
    reader = csv.DictReader(
        text, delimiter="\t" if b"\t" in start else ";" if start.count(b";") > start.count(b",") else ","
    )
    named = {column: columns.get(column, column) for column in COLUMNS}
    missing = [named[column] for column in NEEDED if named[column] not in (reader.fieldnames or [])]
    if missing:
        raise Misconfigured(
            f"{name} has the columns {', '.join(reader.fieldnames or ['none'])}, and lacks {', '.join(missing)}: "
            f"say which column that is with --column, such as --column {missing[0]}=NAME"
        )
    try:
        for row in reader:
            try:
                yield reader.line_num, _sms({column: row.get(title) for column, title in named.items()})
            except ValueError as error:
                yield reader.line_num, Unusable(str(error), _line(row, reader))
    except csv.Error as error:
        raise SourceUnreadable(f"{name} is not valid CSV from line {reader.line_num} on: {error}") from None
    finally:
        text.detach()


def _line(row: Mapping[str, object], reader: csv.DictReader[str]) -> bytes:
    """The row as a line of CSV. Fields beyond the named columns follow the others."""
    line = io.StringIO()
    fields = [row.get(name) or "" for name in reader.fieldnames or ()]
    csv.writer(line, delimiter=reader.reader.dialect.delimiter).writerow([*fields, *(row.get(None) or ())])  # type: ignore[call-overload]
    return line.getvalue().strip().encode("utf-8", "replace")


def _xml(name: str, stream: io.BufferedReader, _columns: Mapping[str, str]) -> Iterator[tuple[int, Sms | Unusable]]:
    """Reads a backup element by element, because it may be larger than memory. expat limits entity expansion."""
    parser: XMLPullParser[Element] = XMLPullParser(["start", "end"])
    root: Element | None = None
    number = 0
    try:
        for line in stream:
            parser.feed(_SURROGATES.sub(_character, line))
            for event, element in cast(Iterator[tuple[str, Element]], parser.read_events()):
                if root is None:
                    root = element
                if event == "end" and element.tag in ("sms", "mms"):
                    number += 1
                    try:
                        yield number, _sms(_of_sms(element) if element.tag == "sms" else _of_mms(element))
                    except ValueError as error:
                        yield number, Unusable(str(error), tostring(element).strip())
                    root.clear()
        parser.close()
    except ParseError as error:
        raise SourceUnreadable(f"{name} is not complete, valid XML after message {number}: {error}") from None


def _character(match: re.Match[bytes]) -> bytes:
    pair = int(match[1]).to_bytes(2, "big") + int(match[2]).to_bytes(2, "big")
    return pair.decode("utf-16-be", "replace").encode()


def _of_sms(element: Element) -> dict[str, str | None]:
    """The fields of an <sms> element: https://www.synctech.com.au/sms-backup-restore/fields-in-xml-backup-files/.

    Its type is 1 for a received message and 2 for a sent one.
    """
    return {
        "peer": element.get("address"), "date": element.get("date"), "text": element.get("body"),
        "direction": element.get("type"), "read": element.get("read"), "name": _known(element.get("contact_name")),
    }  # fmt: skip


def _of_mms(element: Element) -> dict[str, str | None]:
    parts = [part.get("text") or "" for part in element.iter("part") if part.get("ct") == "text/plain"]
    return {
        "peer": element.get("address"), "date": element.get("date"), "text": "\n".join(parts),
        "direction": element.get("msg_box"), "read": element.get("read"), "name": _known(element.get("contact_name")),
    }  # fmt: skip


def _known(name: str | None) -> str | None:
    return None if name in ("(Unknown)", "null") else name


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


def _of_row(row: tuple[str, int, str, Direction, int | None, str | None]) -> Sms:
    peer, date, text, direction, read, name = row
    return Sms(peer, EPOCH + timedelta(milliseconds=date), text, direction, None if read is None else bool(read), name)
