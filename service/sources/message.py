"""Parses a raw message into the fields that a conversation needs.

Malformed input has fallbacks: unknown charsets, raw 8-bit headers and impossible dates are accepted. Only a message
without headers, or without any date, is refused.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from service.conversation import LIMITS
from service.sources import bodies, snippets
from service.sources.addresses import MOST_TIMES, Address, addresses
from service.sources.dates import Clock, sent
from service.sources.encoded_words import decoded
from service.sources.headers import Headers, split
from service.sources.html_text import text_of_html
from service.sources.mailbox import RawMessage
from service.sources.mailbox_state import state
from service.sources.message_ids import own_id, references

__all__ = ["Address", "Clock", "Message", "parse"]

HINTED_BYTES = 50_000  # of a message that are searched for the name of its charset
_LIST_CHARACTERS = 1_000  # of a list's id or address that are compared
_SUBJECT_CHARACTERS = MOST_TIMES * LIMITS["subject"].characters
_CHARSET = re.compile(rb"charset\*?\s*=\s*[\"']?([\w.:-]{2,40})|=\?([\w.:-]{2,40})[?*]", re.IGNORECASE)
ARCHIVE = ""  # the mailing list of messages in an archive that names none
_OF_DELIVERY = frozenset(  # Mailman's archives keep none of these
    ("to", "cc", "bcc", "received", "return-path", "delivered-to", "envelope-to", "x-original-to", "x-gmail-labels")
)
_UTF8 = frozenset({"utf-8", "utf8", "us-ascii"})


@dataclass(frozen=True, slots=True)
class Message:
    """A parsed message. `references` are message ids, the oldest first, the direct parent last. `date` is in UTC.

    `is_ahead` says that the message's own date was too far in the future and was replaced. `lists` are the ids and
    addresses of its mailing lists. `is_left_out` says that it is trash or junk that was not asked for.
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
    is_left_out: bool = False


def parse(raw: RawMessage, clock: Clock | None = None) -> Message:
    """Parses a message. Raises ValueError with the reason if it has no headers or no date.

    A date too far ahead of the clock is replaced by the time of receipt, or else by the clock's time. Texts are
    bounded, but not yet to the limits of a document.
    """
    clock = clock or Clock(datetime.now(UTC))
    data, headers, body = split(raw.data)
    hint = _hint(data)
    date, is_ahead = sent(headers, raw.separator, clock)
    sender = _sender(headers, hint)
    to = _emails(headers, "to", hint)
    cc = _emails(headers, "cc", hint)
    people = {*to, *cc, *([sender.email] if sender.email else [])}
    found = bodies.parts(data, headers, body, hint)
    recorded = state(headers, raw.flags, raw.labels)
    return Message(
        id=own_id(headers, people) or _made_id(raw),
        references=references(headers, people),
        subject=_subject(headers, hint),
        sender=sender,
        to=to,
        cc=cc,
        date=date,
        snippet=_snippet(found.texts),
        attachments=found.attachments,
        seen=recorded.seen,
        labels=recorded.labels,
        is_answered=recorded.is_answered,
        is_draft=recorded.is_draft,
        source=raw.source,
        number=raw.number,
        offset=raw.offset,
        is_ahead=is_ahead,
        lists=_lists(headers),
    )


def _lists(headers: Headers) -> tuple[str, ...]:
    """The ids and addresses of List-Id and List-Post (RFC 2919, RFC 2369), in lower case, or ARCHIVE."""
    if _OF_DELIVERY.isdisjoint(headers) and not ("list-id" in headers or "list-post" in headers):
        return (ARCHIVE,)
    values = [value for name in ("list-id", "list-post") for value in headers.get(name, [])[:1]]
    found = (value.rpartition("<")[2].partition(">")[0].lower().removeprefix("mailto:") for value in values)
    return tuple(dict.fromkeys(name.strip()[:_LIST_CHARACTERS] for name in found if name.strip()))


def _hint(data: bytes) -> str | None:
    """The charset that the message names somewhere, for text in it that names none and is not UTF-8."""
    begin = data[:HINTED_BYTES]
    if begin.isascii():
        return None
    for match in _CHARSET.finditer(begin):
        name = (match[1] or match[2]).decode("latin-1")
        if name.lower() not in _UTF8:
            return name
    return None


def _sender(headers: Headers, hint: str | None) -> Address:
    """The first address of From, or else of the headers that replace it."""
    for name in ("from", "sender", "reply-to", "return-path"):
        for address in addresses(headers.get(name, []), hint) if name in headers else ():
            return address
    return Address(None, None)


def _emails(headers: Headers, name: str, hint: str | None) -> tuple[str, ...]:
    if name not in headers:
        return ()
    return tuple(dict.fromkeys(address.email for address in addresses(headers[name], hint) if address.email))


def _subject(headers: Headers, hint: str | None) -> str | None:
    if "subject" not in headers:
        return None
    return decoded(headers["subject"][0][: 100 * _SUBJECT_CHARACTERS], hint)[:_SUBJECT_CHARACTERS]


def _made_id(raw: RawMessage) -> str:
    """A hash of the message's bytes, so that importing it again gives the same id."""
    digest = raw.digest or hashlib.sha256(raw.data).hexdigest()
    return f"{digest[:32]}@no-message-id"


def _snippet(texts: list[bodies.Text]) -> str | None:
    """The snippet of the first text that is not blank."""
    for part in texts:
        text = part.decoded()
        if part.is_html:
            text = text_of_html(text)
        elif (part.kind.first("delsp") or "").lower() == "yes":
            text = snippets.joined(text)
        if text and not text.isspace():
            return snippets.snippet(text)
    return None
