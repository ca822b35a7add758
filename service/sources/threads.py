"""Messages -> threads: by References and In-Reply-To, then replies without either by their normalised subject.

After Jamie Zawinski's algorithm (https://www.jwz.org/doc/threading.html), with two changes: only the set of a thread is
needed, not its tree, so a union-find does; and a subject joins a reply only to a thread that was alive shortly before.
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
COMPARED_CHARACTERS = 2_000  # of a subject: each prefix that is taken off copies the rest
_TAG = re.compile(r"^\s*\[[^\[\]]{1,40}\]\s*")


@dataclass(frozen=True, slots=True)
class Thread:
    """`root` is the id of the first message, whether or not it was found; messages by date, then id."""

    root: str
    messages: tuple[Message, ...]


def threads(
    messages: Iterable[Message], *, duplicate: Callable[[Message], None] = lambda _message: None
) -> Iterator[Thread]:
    """Every message in one thread, threads by their first date. Of messages with the same id the first stays.

    The messages are kept on the disk; memory holds about 300 bytes for each.
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
            found = sorted(spool.get(rows), key=lambda message: (message.date, message.id))
            yield Thread(_root(found), tuple(found))


def normalised_subject(subject: str | None) -> tuple[str, bool]:
    """The subject without reply and list prefixes, and whether it had a reply's."""
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
    """Disjoint sets of message ids, which are kept as numbers of 64 bits."""

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

    def join(self, one: str, other: str) -> None:
        into, joined = self.find(one), self.find(other)
        if into != joined:
            self._parent[joined] = into
