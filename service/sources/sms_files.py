"""Reads SMS files: CSV, whose columns are named by options, and the XML of Android's "SMS Backup & Restore"."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast
from xml.etree.ElementTree import Element, ParseError, XMLPullParser

from service.conversation import Direction
from service.errors import SourceUnreadable
from service.sources.containers import streams
from service.sources.shortening import clean
from service.times import EPOCH, parse_time

COLUMNS = ("peer", "date", "text", "direction", "read", "name")
NEEDED = ("peer", "date", "text")
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


Entry = tuple[str, int, Sms | str]
"""The source, the number of the line or message, and the message or the reason why there is none."""


def read(
    path: str, *, columns: Mapping[str, str] | None = None, advance: Callable[[int], None] = lambda _bytes: None
) -> Iterator[Entry]:
    """Yields every message in the file. `columns` maps the names in COLUMNS to those of a CSV file.

    Raises SourceUnreadable if the file cannot be read, is not valid CSV or XML, or lacks a required column.
    """
    for name, stream in streams(Path(path), advance=advance):
        parse = _xml if stream.peek(200)[:200].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<") else _csv
        for number, found in parse(name, stream, columns or {}):
            yield name, number, found


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


def _csv(name: str, stream: io.BufferedReader, columns: Mapping[str, str]) -> Iterator[tuple[int, Sms | str]]:
    text = io.TextIOWrapper(stream, "utf-8-sig", errors="replace", newline="")
    start = text.buffer.peek(5000)[:5000].partition(b"\n")[0]
    reader = csv.DictReader(
        text, delimiter="\t" if b"\t" in start else ";" if start.count(b";") > start.count(b",") else ","
    )
    named = {column: columns.get(column, column) for column in COLUMNS}
    missing = [named[column] for column in NEEDED if named[column] not in (reader.fieldnames or [])]
    if missing:
        raise SourceUnreadable(
            f"{name} has no column {', '.join(missing)}, it has {', '.join(reader.fieldnames or ['none'])}: "
            "name the columns of the file with --column, such as --column peer=phone"
        )
    try:
        for row in reader:
            try:
                yield reader.line_num, _sms({column: row.get(title) for column, title in named.items()})
            except ValueError as error:
                yield reader.line_num, str(error)
    except csv.Error as error:
        raise SourceUnreadable(f"{name} is not valid CSV from line {reader.line_num} on: {error}") from None
    finally:
        text.detach()


def _xml(name: str, stream: io.BufferedReader, _columns: Mapping[str, str]) -> Iterator[tuple[int, Sms | str]]:
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
                        yield number, str(error)
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
