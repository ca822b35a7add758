"""What a mailbox records about a message: whether it was read, answered or is a draft, and its labels."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from service.conversation import LIMITS
from service.sources.addresses import MOST_TIMES
from service.sources.encoded_words import decoded
from service.sources.headers import Headers
from service.sources.mailbox import MESSAGE_BYTES

csv.field_size_limit(MESSAGE_BYTES)  # for labels, and texts in sms.py: long ones are shortened later, not refused

_STATES = ("status", "x-status", "x-keywords", "keywords", "x-gmail-labels", "x-mozilla-status", "x-mozilla-keys")
_LABEL_CHARACTERS = MOST_TIMES * LIMITS["metadata.labels"].characters
# Bits of X-Mozilla-Status.
_READ, _REPLIED, _MARKED, _EXPUNGED = 0x1, 0x2, 0x4, 0x8


@dataclass(frozen=True, slots=True)
class State:
    seen: bool | None = None
    labels: tuple[str, ...] = ()
    is_answered: bool = False
    is_draft: bool = False
    is_trashed: bool = False


_NONE = State()


def state(headers: Headers, flags: str | None) -> State:
    """The state that a mailbox records for a message.

    Maildir records it in the file's name, mbox in Status, X-Status and X-Keywords, Thunderbird in X-Mozilla-Status,
    Google Takeout in X-Gmail-Labels.
    """
    if flags is None and not any(name in headers for name in _STATES):
        return _NONE
    gmail = _gmail_labels(headers)
    words = [word for name in ("x-keywords", "keywords", "x-mozilla-keys") for word in _words(headers.get(name, []))]
    own = "".join(headers.get("x-status", []))
    status = "".join([*headers.get("status", []), own])
    mozilla = _mozilla(headers)
    seen: bool | None = None
    if flags is not None:
        seen = "S" in flags
    elif "status" in headers:
        seen = "R" in status
    elif mozilla is not None:
        seen = bool(mozilla & _READ)
    elif gmail:
        seen = "Unread" not in gmail
    bits = mozilla or 0
    is_flagged = "F" in (flags or "") or "F" in own or bool(bits & _MARKED)
    labels = [*gmail, *words, *(["Flagged"] if is_flagged else [])]
    return State(
        seen=seen,
        labels=tuple(dict.fromkeys(label[:_LABEL_CHARACTERS] for label in labels)),
        is_answered="R" in flags if flags is not None else "A" in status or bool(bits & _REPLIED),
        is_draft="D" in (flags or "") or "T" in own or "Drafts" in gmail,
        is_trashed="T" in (flags or "") or "D" in status or bool(bits & _EXPUNGED) or "Trash" in gmail,
    )


def _words(values: list[str]) -> list[str]:
    plain = (value if value.isascii() and "=?" not in value else decoded(value) for value in values)
    return [word for value in plain for word in value.split()]


def _mozilla(headers: Headers) -> int | None:
    for value in headers.get("x-mozilla-status", [])[:1]:
        try:
            return int(value.strip(), 16)
        except ValueError:
            return None
    return None


def _gmail_labels(headers: Headers) -> list[str]:
    """The labels of X-Gmail-Labels, separated by commas. A label that contains a comma is in double quotes."""
    if "x-gmail-labels" not in headers:
        return []
    text = decoded(",".join(headers["x-gmail-labels"]))
    rows = list(csv.reader([text], skipinitialspace=True))
    return [label.strip() for row in rows for label in row if label.strip()]
