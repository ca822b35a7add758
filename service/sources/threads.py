"""Which messages are one thread: by References and In-Reply-To, and replies without these by their subject.

- A message belongs to every id that it refers to. So two messages with the same unknown parent are one thread.
- A reply mark without any reference joins an earlier message with the same subject, at most SUBJECT_DAYS before, if the
  sender of one of the two takes part in the other. A shared receiver, such as support@, is not enough.
- Some mailing lists take the reply mark off. So a reply without a mark, none of whose references is known, joins the
  latest earlier message with the same subject, at most SUBJECT_DAYS before; there, a shared receiver or list is enough.
  This is a soft join: it ends when the message that the reply refers to arrives, or a later one with the subject.

The result depends on the set of messages only (docs/decisions/0018). The first two rules come from Jamie Zawinski's
algorithm (https://www.jwz.org/doc/threading.html).
"""

from __future__ import annotations

import re
from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from operator import itemgetter

from service.sources.facts import Fact, combined, key
from service.sources.groups import Row
from service.text import MAIL_REPLY_MARK

SUBJECT_DAYS = timedelta(days=30)
COMPARED_CHARACTERS = 2_000  # of a subject; removing each of its prefixes copies the rest
MOST_PARTICIPANTS = 50  # of a message are compared, the sender first
NO_SUBJECTS = frozenset({"(no subject)", "no subject", "(kein betreff)", "(sans objet)", "(sin asunto)"})
_TAG = re.compile(r"^\s*\[[^\[\]]{1,40}\]\s*")
_WINDOW = SUBJECT_DAYS // timedelta(milliseconds=1)

# The roles of a message among those with its subject that share a person or a list.
_SENDER, _PARTICIPANT, _REPLY, _UNMARKED_REPLY = 1, 2, 4, 8


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
            base = " ".join(text.casefold().split())
            return "" if base in NO_SUBJECTS else base, is_reply
        text = rest


class MailRule:
    """What joins messages of mail (a groups.Rule)."""

    keeps_whole = False

    def links(self, fact: Fact) -> Iterable[int]:
        return fact.references

    def rows(self, fact: Fact) -> Iterator[Row]:
        if not fact.subject:
            return
        later = _later(fact)
        for person in fact.participants:
            roles = later | _PARTICIPANT | (_SENDER if person == fact.sender else 0)
            yield combined(fact.subject, person), fact.date, fact.id, roles
        for place in fact.lists:
            if place not in fact.participants:
                yield combined(fact.subject, place), fact.date, fact.id, later

    def awaits(self, fact: Fact) -> Iterable[int]:
        return fact.references if _later(fact) == _UNMARKED_REPLY else ()

    def pairs(self, rows: Iterable[Row], settled: Container[int]) -> Iterator[tuple[int, int]]:
        for _shared, alike in groupby(rows, key=itemgetter(0)):
            neighbours = list(alike)
            if len(neighbours) > 1:
                yield from _pairs(neighbours, settled)

    def stored_keys(self, fact: Fact) -> Iterator[str]:
        """The ids, and for each person or list the subject with the month, or two months if it is a reply."""
        yield key(fact.id)
        yield from map(key, fact.references)
        month = fact.date // _WINDOW
        for shared, *_rest in self.rows(fact):
            yield key(shared, month, 0)
            if _later(fact):
                yield key(shared, month, 1)
                yield key(shared, month - 1, 1)

    def asked_keys(self, fact: Fact) -> Iterator[str]:
        """The ids; replies by subject, that may join this message; and earlier messages, if it is such a reply."""
        yield key(fact.id)
        yield from map(key, fact.references)
        month = fact.date // _WINDOW
        for shared, *_rest in self.rows(fact):
            yield key(shared, month, 1)
            if _later(fact):
                yield key(shared, month, 0)
                yield key(shared, month - 1, 0)


def _later(fact: Fact) -> int:
    """The role in which the message joins earlier ones by its subject, or 0."""
    if fact.is_marked:
        return 0 if fact.references else _REPLY
    return _UNMARKED_REPLY if fact.is_reply else 0


@dataclass(slots=True)
class _Earlier:
    """Earlier messages in order. `join` joins all within the window; each of them is visited once."""

    places: list[tuple[int, int]] = field(default_factory=list)
    _start: int = 0
    _joined: int = 0

    def join(self, date: int) -> Iterator[tuple[int, int]]:
        while self._start < len(self.places) and self.places[self._start][0] < date - _WINDOW:
            self._start += 1
        begin = max(self._start, self._joined)
        for at in range(begin, len(self.places) - 1):
            yield self.places[at][1], self.places[at + 1][1]
        self._joined = max(len(self.places) - 1, 0)

    def last(self) -> int | None:
        """The id of the last one within the window."""
        return self.places[-1][1] if self._start < len(self.places) else None


def _pairs(rows: list[Row], settled: Container[int]) -> Iterator[tuple[int, int]]:
    """The pairs among messages with one subject that share one person or list."""
    participants, senders = _Earlier(), _Earlier()
    latest = (-2 * _WINDOW, 0)
    for _shared, date, name, roles in rows:
        if roles & _REPLY and roles & _PARTICIPANT:
            earlier = participants if roles & _SENDER else senders
            yield from earlier.join(date)
            if (last := earlier.last()) is not None:
                yield last, name
        elif roles & _UNMARKED_REPLY and name not in settled:
            last_date, last_name = latest
            if date - last_date <= _WINDOW:
                yield last_name, name
        latest = (date, name)
        if roles & _PARTICIPANT:
            participants.places.append((date, name))
        if roles & _SENDER:
            senders.places.append((date, name))
