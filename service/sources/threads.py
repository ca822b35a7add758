"""Groups messages into threads by References and In-Reply-To, and replies without these by their normalised subject.

This is Jamie Zawinski's algorithm (https://www.jwz.org/doc/threading.html) with two changes. It needs only the set of a
thread's messages, not its tree, so it uses union-find. And a subject joins a reply only to a thread whose last message
is at most SUBJECT_DAYS older.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.sources.message import Message
from service.sources.spool import Spool
from service.text import MAIL_REPLY_MARK

SUBJECT_DAYS = timedelta(days=30)
COMPARED_CHARACTERS = 2_000  # of a subject; removing each of its prefixes copies the rest
_TAG = re.compile(r"^\s*\[[^\[\]]{1,40}\]\s*")


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread. `messages` are ordered by date, then id.

    `root` is the id of the message that began the thread, which may be missing from the mailbox.
    """

    root: str
    messages: tuple[Message, ...]


def threads(
    messages: Iterable[Message], *, duplicate: Callable[[Message], None] = lambda _message: None
) -> Iterator[Thread]:
    """Yields the threads, ordered by the date of their first message. Each message is in one thread.

    `duplicate` is called with each message whose id occurred before. The messages are stored on disk; each takes about
    300 bytes of memory.
    """
    groups = _Groups()
    with Spool() as spool:
        for message in messages:
            if not spool.add(message):
                duplicate(message)
            for reference in message.references:
                groups.join(message.id, reference)
        _join_by_subject((message for _row, message in spool.in_order()), groups)
        members: dict[int, list[int]] = {}
        for row, message in spool.in_order():
            members.setdefault(groups.find(message.id), []).append(row)
        for rows in members.values():
            ordered = sorted(spool.get(rows), key=lambda message: (message.date, message.id))
            yield Thread(_root(ordered), tuple(ordered))


def normalised_subject(subject: str | None) -> tuple[str, bool]:
    """The subject without reply marks and list tags, and whether it had a reply mark."""
    text, is_reply = (subject or "")[:COMPARED_CHARACTERS], False
    while True:
        rest = MAIL_REPLY_MARK.sub("", text, count=1)
        if rest != text:
            text, is_reply = rest, True
            continue
        rest = _TAG.sub("", text, count=1)
        if rest == text or not rest:
            return " ".join(text.casefold().split()), is_reply
        text = rest


def _root(messages: list[Message]) -> str:
    first = messages[0]
    return first.references[0] if first.references else first.id


def _join_by_subject(ordered: Iterable[Message], groups: _Groups) -> None:
    latest: dict[str, tuple[datetime, str]] = {}
    for message in ordered:
        subject, is_reply = normalised_subject(message.subject)
        if not subject:
            continue
        known = latest.get(subject)
        if is_reply and not message.references and known is not None and message.date - known[0] <= SUBJECT_DAYS:
            groups.join(known[1], message.id)
        latest[subject] = (message.date, message.id)


class _Groups:
    """Disjoint sets (union-find) of message ids. An id is stored as a 64-bit hash."""

    def __init__(self) -> None:
        self._parent: dict[int, int] = {}

    def find(self, name: str) -> int:
        return self._find(int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big"))

    def _find(self, node: int) -> int:
        root = node
        while (parent := self._parent.get(root, root)) != root:
            root = parent
        while (parent := self._parent.get(node, node)) != root:
            self._parent[node], node = root, parent
        return root

    def join(self, first: str, second: str) -> None:
        first_root, second_root = self.find(first), self.find(second)
        if first_root != second_root:
            self._parent[second_root] = first_root
