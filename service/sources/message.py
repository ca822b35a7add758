"""Parses a raw message into the fields that a conversation needs.

Malformed input has fallbacks: unknown charsets, raw 8-bit headers and impossible dates are accepted. Only a message
without headers, or without any date, is refused.
"""

from __future__ import annotations

import csv
import hashlib
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message as Parsed
from email.utils import getaddresses, parsedate_to_datetime
from typing import Any

from service.conversation import LIMITS
from service.sources.mailbox import MESSAGE_BYTES, RawMessage
from service.times import MAX_AHEAD

SNIPPET_CHARACTERS = 200
GMAIL_THREAD = "@gmail-thread"  # the end of an id that stands for Gmail's number of a thread
EARLIEST = datetime(1971, 1, 1, tzinfo=UTC)  # older dates are wrong, and would make negative versions
DECODED_CHARACTERS = 200_000  # of a header with encoded words are decoded, because decoding is slow
MOST_TIMES = 10  # a text keeps up to 10 times its limit here; shortening.py cuts it to the limit
_MESSAGE_ID = re.compile(r"<([^<>\s]+)>")
_AT = re.compile(r"^(\S+) at (\S+?)(?:\s+\((.*)\))?$", re.DOTALL)
_SPACE = re.compile(r"\s+")
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")

csv.field_size_limit(MESSAGE_BYTES)  # for labels, and texts in sms.py: long ones are shortened later, not refused


@dataclass(frozen=True, slots=True)
class Address:
    name: str | None
    email: str | None


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message. `references` are message ids, the oldest first, the direct parent last. `date` is in UTC.

    `is_ahead` says that the message's own date was too far in the future and was replaced. `lists` are the ids of the
    mailing lists that it went through.
    """

    id: str
    references: tuple[str, ...]
    subject: str | None
    sender: Address
    to: tuple[str, ...]
    cc: tuple[str, ...]
    date: datetime
    snippet: str | None
    attachments: int
    seen: bool | None
    labels: tuple[str, ...] = ()
    is_answered: bool = False
    is_draft: bool = False
    source: str = ""
    number: int = 0
    offset: int = 0
    is_ahead: bool = False
    lists: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Clock:
    """The time of an import, and how far ahead of it a message's date may lie."""

    now: datetime
    max_ahead: timedelta = MAX_AHEAD

    def believes(self, date: datetime) -> bool:
        return date - self.now <= self.max_ahead


def parse(raw: RawMessage, clock: Clock | None = None) -> Message:
    """Parses a message. Raises ValueError with the reason if it has no headers or no date.

    A date too far ahead of the clock is replaced by the time of receipt, or else by the clock's time. Texts are
    bounded, but not yet to the limits of a document.
    """
    clock = clock or Clock(datetime.now(UTC))
    parsed = message_from_bytes(raw.data)
    headers = _headers(parsed)
    if not headers:
        raise ValueError("has no headers")
    date, is_ahead = _date(headers, raw.separator, clock)
    sender = _addresses(headers.get("from", []))
    text, attachments = _content(parsed)
    state = _state(headers, raw.flags)
    return Message(
        id=_own_id(headers, raw.data),
        references=_references(headers),
        subject=_subject(headers),
        sender=sender[0] if sender else Address(None, None),
        to=tuple(address.email for address in _addresses(headers.get("to", [])) if address.email),
        cc=tuple(address.email for address in _addresses(headers.get("cc", [])) if address.email),
        date=date,
        snippet=_snippet(text),
        attachments=attachments,
        seen=state.seen,
        labels=state.labels,
        is_answered=state.is_answered,
        is_draft=state.is_draft,
        source=raw.source,
        number=raw.number,
        offset=raw.offset,
        is_ahead=is_ahead,
        lists=_lists(headers),
    )


def _lists(headers: dict[str, list[str]]) -> tuple[str, ...]:
    """The ids and addresses of List-Id and List-Post (RFC 2919, RFC 2369), in lower case."""
    values = [value for name in ("list-id", "list-post") for value in headers.get(name, [])[:1]]
    found = (value.rpartition("<")[2].partition(">")[0].lower().removeprefix("mailto:") for value in values)
    return tuple(dict.fromkeys(_bounded("metadata.from_email", name).strip() for name in found if name.strip()))


def _headers(parsed: Parsed[str, str]) -> dict[str, list[str]]:
    """The values of each header by its lower-case name. Raw 8-bit bytes are decoded."""
    headers: dict[str, list[str]] = {}
    for name, value in parsed.raw_items():
        headers.setdefault(name.lower(), []).append(_eight_bit(str(value)))
    return headers


def _eight_bit(value: str) -> str:
    return value if value.isascii() else _decode(value.encode("ascii", "surrogateescape"), "utf-8")


def _decode(data: bytes, charset: str | None) -> str:
    """Decodes with the given charset, or else UTF-8, Windows-1252 or Latin-1, in which every byte is valid."""
    for candidate in (_real_charset(charset), "utf-8", "cp1252"):
        try:
            return data.decode(candidate)
        except (LookupError, UnicodeError, ValueError):
            continue
    return data.decode("latin-1")


def _real_charset(charset: str | None) -> str:
    """The charset that a name means in practice. Mail that names GB2312, for example, uses its superset GB18030."""
    name = (charset or "utf-8").strip().strip("\"'").lower()
    return {
        "gb2312": "gb18030",
        "gbk": "gb18030",
        "iso-8859-1": "cp1252",
        "us-ascii": "utf-8",
        "ks_c_5601-1987": "cp949",
    }.get(name, name)


def decoded(value: str) -> str:
    """A header with encoded words (RFC 2047) decoded, and line folds and control characters replaced by spaces."""
    if "=?" in value:
        value = value[:DECODED_CHARACTERS]
        with suppress(HeaderParseError, ValueError, LookupError):  # broken encoded words are left undecoded
            value = "".join(
                part if isinstance(part, str) else _decode(part, charset) for part, charset in decode_header(value)
            )
    value = value.encode("utf-8", "replace").decode()
    return _SPACE.sub(" ", _UNPRINTABLE.sub(" ", value)).strip()


def _bounded(field: str, text: str) -> str:
    return text[: MOST_TIMES * LIMITS[field].characters]


def _subject(headers: dict[str, list[str]]) -> str | None:
    return _bounded("subject", decoded(headers["subject"][0])) if "subject" in headers else None


def _address(name: str, email: str) -> Address:
    return Address(
        _bounded("metadata.from_name", decoded(name)) or None,
        _bounded("metadata.from_email", decoded(email).lower()) or None,
    )


def _addresses(values: list[str]) -> list[Address]:
    addresses: list[Address] = []
    for value in values:
        mailman = _AT.match(_SPACE.sub(" ", value).strip())
        if mailman and "@" not in mailman[1]:
            addresses.append(_address(mailman[3] or "", f"{mailman[1]}@{mailman[2]}"))
            continue
        for name, email in _split(value):
            if name or email:
                addresses.append(_address(name, email))
    return addresses


def _split(value: str) -> list[tuple[str, str]]:
    try:
        return getaddresses([value])
    except RecursionError:  # thousands of brackets, one inside the other, are no addresses
        return []


def _own_id(headers: dict[str, list[str]], data: bytes) -> str:
    """The Message-ID, or else a hash of the message's bytes, so that importing it again gives the same id."""
    match = _MESSAGE_ID.search(headers.get("message-id", [""])[0])
    return match[1] if match else f"{hashlib.sha256(data).hexdigest()[:32]}@no-message-id"


def _references(headers: dict[str, list[str]]) -> tuple[str, ...]:
    """The ids of Gmail's thread (if given), of References, and the first one of In-Reply-To, without repetition."""
    references = _MESSAGE_ID.findall(" ".join(headers.get("references", [])))
    parents = _MESSAGE_ID.findall(" ".join(headers.get("in-reply-to", [])))[:1]
    gmail = [f"{thread.strip()}{GMAIL_THREAD}" for thread in headers.get("x-gm-thrid", [])[:1] if thread.strip()]
    return tuple(dict.fromkeys([*gmail, *references, *parents]))


def _date(headers: dict[str, list[str]], separator: bytes, clock: Clock) -> tuple[datetime, bool]:
    """The best known time of sending, and whether a better source had a date too far ahead of the clock.

    Raises ValueError if the message has no valid date.
    """
    is_ahead = False
    for date in _dates(headers, separator):
        if clock.believes(date):
            return date, is_ahead
        is_ahead = True
    if is_ahead:
        return clock.now, True
    raise ValueError("has no valid date in Date, Received, or the mailbox's separator line")


def _dates(headers: dict[str, list[str]], separator: bytes) -> Iterator[datetime]:
    """The valid dates, the best first: Date, then Received (the last server first), then the separator line."""
    received = (value.rpartition(";")[2] for value in headers.get("received", []))
    for text in (*headers.get("date", [])[:1], *received):
        if (date := _plausible(text)) is not None:
            yield date
    if (date := _separated(separator)) is not None:
        yield date


def _separated(separator: bytes) -> datetime | None:
    """The date in a separator line, in asctime(3)'s format after the sender, such as Wed Jul 30 21:49:08 1993."""
    words = separator.decode("ascii", "replace").split()
    for start in range(len(words)):
        try:
            date = datetime.strptime(" ".join(words[start : start + 5]), "%a %b %d %H:%M:%S %Y")
        except ValueError:
            continue
        return date.replace(tzinfo=UTC)
    return None


def _plausible(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text.strip())
        date = date.replace(tzinfo=UTC) if date.tzinfo is None else date.astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError, AttributeError):
        return None
    return date if date >= EARLIEST else None


def _content(parsed: Parsed[str, str]) -> tuple[str, int]:
    """The first plain text, and the number of attachments."""
    text: str | None = None
    attachments = 0
    for part in parsed.walk():
        if part.is_multipart():
            continue
        if _is_attachment(part):
            attachments += 1
        elif text is None and part.get_content_type() == "text/plain":
            text = _body(part)
    return text or "", attachments


def _is_attachment(part: Parsed[str, str]) -> bool:
    disposition = str(part.get("content-disposition", "")).lower()
    return disposition.startswith("attachment") or bool(part.get_param("name")) or "filename" in disposition


def _body(part: Parsed[str, str]) -> str:
    try:
        payload: Any = part.get_payload(decode=True)
    except (ValueError, LookupError, AssertionError):
        payload = None
    if not isinstance(payload, bytes):
        return ""
    charset = part.get_param("charset")
    return _decode(payload, charset if isinstance(charset, str) else None)


def _snippet(text: str) -> str | None:
    """The first SNIPPET_CHARACTERS of the writer's own text, without quotes, attribution lines and the signature."""
    own: list[str] = []
    for line in text.splitlines():
        if line.rstrip() == "--":
            break
        if not line.startswith(">") and not line.rstrip().endswith(("wrote:", "writes:")):
            own.append(line)
        if len(own) > 100:
            break
    words = _SPACE.sub(" ", _UNPRINTABLE.sub(" ", " ".join(own))).strip()
    return words.encode("utf-8", "replace").decode()[:SNIPPET_CHARACTERS].rstrip() or None


@dataclass(frozen=True, slots=True)
class _State:
    seen: bool | None
    labels: tuple[str, ...]
    is_answered: bool
    is_draft: bool


def _state(headers: dict[str, list[str]], flags: str | None) -> _State:
    """The state that a mailbox records for a message.

    Maildir records it in the file's name, mbox in Status, X-Status and X-Keywords, Google Takeout in X-Gmail-Labels.
    """
    gmail = _gmail_labels(headers)
    words = [word for name in ("x-keywords", "keywords") for value in headers.get(name, []) for word in value.split()]
    status = "".join([*headers.get("status", []), *headers.get("x-status", [])])
    flagged = "F" in (flags or "") or "F" in "".join(headers.get("x-status", []))
    seen: bool | None = None
    if flags is not None:
        seen = "S" in flags
    elif "status" in headers:
        seen = "R" in status
    elif gmail:
        seen = "Unread" not in gmail
    labels = [*gmail, *words, *(["Flagged"] if flagged else [])]
    return _State(
        seen=seen,
        labels=tuple(dict.fromkeys(_bounded("metadata.labels", label) for label in labels)),
        is_answered="R" in flags if flags is not None else "A" in status,
        is_draft="D" in (flags or "") or "T" in "".join(headers.get("x-status", [])) or "Drafts" in gmail,
    )


def _gmail_labels(headers: dict[str, list[str]]) -> list[str]:
    """The labels of X-Gmail-Labels, separated by commas. A label that contains a comma is in double quotes."""
    text = decoded(",".join(headers.get("x-gmail-labels", [])))
    rows = list(csv.reader([text], skipinitialspace=True))
    return [label.strip() for row in rows for label in row if label.strip()]
