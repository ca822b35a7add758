"""Which messages are one thread: by References and In-Reply-To, and replies without these by their subject.

- A message belongs to every id that it refers to. So two messages with the same unknown parent are one thread, unless
  the parent is a mailing list's digest and their subjects differ.
- A reply mark without any reference joins earlier messages with the same subject, at most SUBJECT_DAYS before: those
  that the same two people exchanged, and the original of somebody whom it is sent to. A shared receiver, such as
  support@, is enough only for a specific subject ("Offer 17", but not "Help").
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
from functools import lru_cache
from itertools import groupby
from operator import itemgetter

from service.sources.facts import Fact, combined, key
from service.sources.groups import Row
from service.text import INVISIBLE_CHARACTER, MAIL_FORWARDED, MAIL_REPLY_MARK

SUBJECT_DAYS = timedelta(days=30)
COMPARED_CHARACTERS = 2_000  # of a subject; removing each of its prefixes copies the rest
SPECIFIC_WORDS = 4
MOST_PARTICIPANTS = 50  # of a message are compared, the sender first
NO_SUBJECTS = frozenset({"(no subject)", "no subject", "(kein betreff)", "(sans objet)", "(sin asunto)"})
# What lists and spam filters put in front: [list], *****SPAM***** (SpamAssassin), {Spam?} (MailScanner).
_TAG = re.compile(r"^\s*(?:\[[^\[\]]{1,40}\]|\*{2,10}[^*]{1,40}\*{2,10}|\{[^{}]{1,40}\})\s*")
_WINDOW = SUBJECT_DAYS // timedelta(milliseconds=1)

# The roles of a message among those that share a place: a subject, and what is combined with it.
_EARLIER, _LATER, _SOFT = 1, 2, 4
_ORIGINAL_OF, _SEEN_BY = 1, 2  # combined with a person, they make other places than two people do


def normalised_subject(subject: str | None) -> tuple[str, bool]:
    """The subject without reply marks and tags, and whether it had a reply mark."""
    text, is_reply = (subject or "")[:COMPARED_CHARACTERS], False
    if not text.isascii():
        text = INVISIBLE_CHARACTER.sub("", text)  # marks of direction and the like, also before a reply mark
    while True:
        rest = _without_mark(text)
        if rest != text:
            text, is_reply = rest, True
            continue
        rest = _TAG.sub("", text, count=1)
        if rest == text or not rest:
            base = " ".join(text.casefold().split())
            return "" if base in NO_SUBJECTS else base, is_reply
        text = rest


def _without_mark(text: str) -> str:
    """The subject without its first reply mark. A mark has a colon or "(fwd)"."""
    if not (":" in text or "：" in text or "(" in text):
        return text
    return MAIL_REPLY_MARK.sub("", MAIL_FORWARDED.sub(r"\1\2\3", text), count=1)


def is_specific(subject: str) -> bool:
    """Whether strangers will hardly have this normalised subject by chance: it has a number or many words."""
    return len(subject.split()) >= SPECIFIC_WORDS or any(map(str.isdigit, subject))


class MailRule:
    """What joins messages of mail (a groups.Rule)."""

    keeps_whole = False

    def links(self, fact: Fact) -> Iterable[int]:
        return fact.references

    def rows(self, fact: Fact) -> Iterable[Row]:
        return _rows(fact)

    def awaits(self, fact: Fact) -> Iterable[int]:
        return _awaited(fact)

    def pairs(self, rows: Iterable[Row], settled: Container[int]) -> Iterator[tuple[int, int]]:
        for _shared, alike in groupby(rows, key=itemgetter(0)):
            neighbours = list(alike)
            if len(neighbours) > 1:
                yield from _pairs(neighbours, settled)

    def stored_keys(self, fact: Fact) -> Iterator[str]:
        """The ids, and each place with the month, or two months if the message joins earlier ones."""
        return self._keys(fact, as_earlier=_EARLIER, as_later=_LATER)

    def asked_keys(self, fact: Fact) -> Iterator[str]:
        """The ids; later messages that may join this one; and earlier ones, if this one joins such."""
        return self._keys(fact, as_earlier=_LATER, as_later=_EARLIER)

    def _keys(self, fact: Fact, *, as_earlier: int, as_later: int) -> Iterator[str]:
        yield key(fact.id)
        yield from map(key, fact.references)
        month = fact.date // _WINDOW
        for place, _date, _id, roles in self.rows(fact):
            if roles & _EARLIER:
                yield key(place, month, as_earlier)
            if roles & _LATER:
                yield key(place, month, as_later)
                yield key(place, month - 1, as_later)


def _awaited(fact: Fact) -> Iterable[int]:
    return fact.references if fact.is_reply and fact.subject and not fact.is_marked else ()


@lru_cache(maxsize=2**13)  # an import asks for the places of its messages several times
def _rows(fact: Fact) -> tuple[Row, ...]:
    return tuple(_places(fact))


def _places(fact: Fact) -> Iterator[Row]:
    """The places of a message.

    They are: each pair of its sender and a receiver; its sender, if it is an original, and its receivers, if it is
    a reply that looks for one; and, for soft joins and specific subjects, everybody and every list that saw it.
    """
    if not fact.subject:
        return
    is_reply = fact.is_marked and not fact.references
    others = [person for person in fact.participants if person != fact.sender]
    role = _EARLIER | (_LATER if is_reply else 0)
    for person in others or [fact.sender]:
        pair = sorted((fact.sender, person))
        yield combined(fact.subject, *pair), fact.date, fact.id, role
    if is_reply:
        for person in others:
            yield combined(fact.subject, person, _ORIGINAL_OF), fact.date, fact.id, _LATER
    elif not (fact.is_marked or fact.is_reply):
        yield combined(fact.subject, fact.sender, _ORIGINAL_OF), fact.date, fact.id, _EARLIER
    role = _EARLIER | _SOFT | (_LATER if _awaited(fact) else 0)
    if is_reply and fact.is_specific:
        role = _EARLIER | _LATER
    for place in dict.fromkeys((*fact.participants, *fact.lists)):
        yield combined(fact.subject, place, _SEEN_BY), fact.date, fact.id, role


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
    """The pairs among messages in one place."""
    earlier = _Earlier()
    for _place, date, name, roles in rows:
        if roles & _LATER and not roles & _SOFT:
            yield from earlier.join(date)
            if (last := earlier.last()) is not None:
                yield last, name
        elif roles & _LATER and name not in settled and earlier.places:
            last_date, last_name = earlier.places[-1]
            if date - last_date <= _WINDOW:
                yield last_name, name
        if roles & _EARLIER:
            earlier.places.append((date, name))
