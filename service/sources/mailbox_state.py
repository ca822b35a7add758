"""What a mailbox records about a message: whether it was read, answered or is a draft, and its labels."""

from __future__ import annotations

import csv
from dataclasses import dataclass

from service.conversation import LIMITS
from service.sources.addresses import MOST_TIMES
from service.sources.encoded_words import decoded
from service.sources.folders import has_role
from service.sources.headers import Headers
from service.sources.mailbox import MESSAGE_BYTES

csv.field_size_limit(MESSAGE_BYTES)  # for labels; long ones are shortened later, not refused

_STATES = ("status", "x-status", "x-keywords", "keywords", "x-gmail-labels", "x-mozilla-keys")
_LABEL_CHARACTERS = MOST_TIMES * LIMITS["metadata.labels"].characters


@dataclass(frozen=True, slots=True)
class State:
    seen: bool | None = None
    labels: tuple[str, ...] = ()
    is_answered: bool = False
    is_draft: bool = False


_NONE = State()


def state(headers: Headers, flags: str | None, folders: tuple[str, ...] = ()) -> State:
    """The state that a mailbox records for a message. `folders` are the labels of its folder.

    Maildir records it in the file's name, mbox in Status, X-Status and X-Keywords, Google Takeout in X-Gmail-Labels.
    `flags` are Maildir's, or those that mailbox.py read from Thunderbird's X-Mozilla-Status or Apple's property list.
    """
    if flags is None and not folders and not any(name in headers for name in _STATES):
        return _NONE
    gmail = _gmail_labels(headers)
    words = [word for name in ("x-keywords", "keywords", "x-mozilla-keys") for word in _words(headers.get(name, []))]
    own = "".join(headers.get("x-status", []))
    status = "".join([*headers.get("status", []), own])
    seen: bool | None = None
    if flags is not None:
        seen = "S" in flags
    elif "status" in headers:
        seen = "R" in status
    elif gmail:
        seen = not has_role(gmail, "unread")
    is_flagged = "F" in (flags or "") or "F" in own
    labels = [*folders, *gmail, *words, *(["Flagged"] if is_flagged else [])]
    return State(
        seen=seen,
        labels=tuple(dict.fromkeys(label[:_LABEL_CHARACTERS] for label in labels)),
        is_answered="R" in flags if flags is not None else "A" in status,
        is_draft="D" in (flags or "") or "T" in own or has_role((*gmail, *folders), "drafts"),
    )


def _words(values: list[str]) -> list[str]:
    plain = (value if value.isascii() and "=?" not in value else decoded(value) for value in values)
    return [word for value in plain for word in value.split()]


def _gmail_labels(headers: Headers) -> list[str]:
    """The labels of X-Gmail-Labels, separated by commas. A label that contains a comma is in double quotes."""
    if "x-gmail-labels" not in headers:
        return []
    text = decoded(",".join(headers["x-gmail-labels"]))
    rows = list(csv.reader([text], skipinitialspace=True))
    return [label.strip() for row in rows for label in row if label.strip()]
