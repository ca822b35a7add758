"""Messages -> threads: by References and In-Reply-To, then replies without either by their normalised subject.

After Jamie Zawinski's algorithm (https://www.jwz.org/doc/threading.html), with two changes: only the set of a thread is
needed, not its tree, so a union-find does; and a subject joins a reply only to a thread that was alive shortly before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from service.sources.message import Message

SUBJECT_DAYS = timedelta(days=30)
_REPLY = re.compile(r"^\s*(?:re|aw|sv|antw|vs|odp|回复|答复|fwd?|wg|转发)\s*(?:\[\d+\])?\s*[:：]\s*", re.IGNORECASE)
_TAG = re.compile(r"^\s*\[[^\[\]]{1,40}\]\s*")


@dataclass(frozen=True, slots=True)
class Thread:
    """`root` is the id of the first message, whether or not it was found; messages by date, then id."""

    root: str
    messages: tuple[Message, ...]


def threads(messages: Iterable[Message]) -> list[Thread]:
    """Every message in one thread, duplicates (the same id) merged; threads by their first date, then root."""
    by_id: dict[str, Message] = {}
    for message in messages:
        by_id.setdefault(message.id, message)
    groups = _Groups()
    for message in by_id.values():
        groups.add(message.id)
        for reference in message.references:
            groups.join(message.id, reference)
    ordered = sorted(by_id.values(), key=lambda message: (message.date, message.id))
    _join_by_subject(ordered, groups)
    members: dict[str, list[Message]] = {}
    for message in ordered:
        members.setdefault(groups.find(message.id), []).append(message)
    return [Thread(_root(found), tuple(found)) for found in members.values()]


def normalised_subject(subject: str | None) -> tuple[str, bool]:
    """The subject without reply and list prefixes, and whether it had a reply's."""
    text, is_reply = subject or "", False
    while True:
        rest = _REPLY.sub("", text, count=1)
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


def _join_by_subject(ordered: list[Message], groups: _Groups) -> None:
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
    """Disjoint sets of message ids."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def add(self, name: str) -> None:
        self._parent.setdefault(name, name)

    def find(self, name: str) -> str:
        self.add(name)
        root = name
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[name] != root:
            self._parent[name], name = root, self._parent[name]
        return root

    def join(self, one: str, other: str) -> None:
        self._parent[self.find(other)] = self.find(one)
