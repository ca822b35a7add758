"""Finds the messages of one thread: by References and In-Reply-To, and for replies without these by the subject.

- A message belongs to every id that it refers to. So two messages with the same unknown parent are one thread, unless
  the parent is a mailing list's digest and their subjects differ.
- A message with a reply mark (Re:) and no reference joins earlier messages with the same subject, at most SUBJECT_DAYS
  before, if the other side is the same one:
  - what its first receiver wrote to its sender;
  - what its sender wrote to the same first receiver, unless that is such a reply itself: a ticket system writes to
    the help desk in the name of many customers;
  - what anybody of the organization exchanged with the same outsider, if the organization's addresses are known;
  - if the subject is specific ("Offer 17", but not "Help"), what was posted to the same mailing list, unless that is
    such a reply itself: a help desk may receive its customers' mail through a list.
  A common receiver is not enough: all customers write to support@. Forwarded mail joins only by a list.
- Some mailing lists remove the reply mark. So a reply without a mark, none of whose references is known, joins the
  latest earlier message with the same subject, at most SUBJECT_DAYS before, that was posted to the same list, or that
  its first receiver wrote to its sender. This is a soft join: it ends when the message that the reply refers to
  arrives, or a later one with the subject.

The result depends on the set of messages only (docs/decisions/0018). The first rule comes from Jamie Zawinski's
algorithm (https://www.jwz.org/doc/threading.html).
"""

from __future__ import annotations

import re
import unicodedata
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
COMPARED_CHARACTERS = 2_000  # of a subject that are compared; removing a prefix copies the rest
SPECIFIC_WORDS = 4
MOST_PARTICIPANTS = 50  # of a message that are compared, the sender first
NO_SUBJECTS = frozenset({"(no subject)", "no subject", "(kein betreff)", "(sans objet)", "(sin asunto)"})
# What lists and spam filters put before a subject: [list], *****SPAM***** (SpamAssassin), {Spam?} (MailScanner). A tag
# with a number is kept, because it distinguishes mails: [Ticket#4711].
_TAG = re.compile(
    r"^\s*(?:\[(?![^\[\]]{0,40}(?<![^\W_])\d{2})[^\[\]]{1,40}\]|\*{2,10}[^*]{1,40}\*{2,10}|\{[^{}]{1,40}\})\s*"
)
# The reply marks of text.py that mean forwarded mail only.
_FORWARD_WORDS = (
    "fw|fwd|forward|wg|doorst|vb|vl|videresend|rv|tr|i|enc|pd|prosl|edasi|trs|redir|ilt|i\u0307lt|yml|továbbítás|tov"
    "|chuyển tiếp"
    "|пер|пересл|препр|πρθ|προώθ|הועבר|إعادة توجيه|转发|轉寄|轉發|転送|전달|转寄|ส่งต่อ"
)
FORWARD_WORDS = frozenset(_FORWARD_WORDS.split("|"))
_WINDOW = SUBJECT_DAYS // timedelta(milliseconds=1)

# The roles of a message in a bucket. A bucket is a subject, and what is combined with it.
_EARLIER, _LATER, _SOFT = 1, 2, 4
# The kinds of buckets.
_WRITTEN_TO, _WRITTEN_AGAIN, _OUTSIDER, _POSTED = 1, 2, 3, 4


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


def is_forwarded(subject: str | None) -> bool:
    """Whether the outermost mark of the subject says that the message was forwarded. "Re: Fwd: x" is a reply."""
    text = (subject or "")[:COMPARED_CHARACTERS]
    while (rest := _TAG.sub("", text, count=1)) not in (text, ""):
        text = rest
    mark = MAIL_REPLY_MARK.match(text)
    if mark is None:
        return MAIL_FORWARDED.match(text) is not None
    word = unicodedata.normalize("NFC", mark[0]).strip().rstrip(".:：0123456789[]()^*- \t").casefold()
    return word in FORWARD_WORDS


def is_specific(subject: str) -> bool:
    """Whether unrelated messages hardly have this normalised subject by chance: it has a number or many words."""
    return len(subject.split()) >= SPECIFIC_WORDS or any(map(str.isdigit, subject))


class MailRule:
    """Says which messages of mail are joined (a groups.Rule)."""

    keeps_whole = False

    def links(self, fact: Fact) -> Iterable[int]:
        return fact.references

    def rows(self, fact: Fact) -> Iterable[Row]:
        return _rows(fact)

    def awaits(self, fact: Fact) -> Iterable[int]:
        return _awaited(fact)

    def pairs(self, rows: Iterable[Row], settled: Container[int]) -> Iterator[tuple[int, int]]:
        for _bucket, alike in groupby(rows, key=itemgetter(0)):
            neighbours = list(alike)
            if len(neighbours) > 1:
                yield from _pairs(neighbours, settled)

    def stored_keys(self, fact: Fact) -> Iterator[str]:
        """The ids, and each bucket with the month, or with two months if the message joins earlier ones."""
        return self._keys(fact, as_earlier=_EARLIER, as_later=_LATER)

    def asked_keys(self, fact: Fact) -> Iterator[str]:
        """The keys of the ids, of later messages that may join this one, and of earlier ones that it may join."""
        return self._keys(fact, as_earlier=_LATER, as_later=_EARLIER)

    def _keys(self, fact: Fact, *, as_earlier: int, as_later: int) -> Iterator[str]:
        yield key(fact.id)
        yield from map(key, fact.references)
        month = fact.date // _WINDOW
        for bucket, _date, _id, roles in self.rows(fact):
            if roles & _EARLIER:
                yield key(bucket, month, as_earlier)
            if roles & _LATER:
                yield key(bucket, month, as_later)
                yield key(bucket, month - 1, as_later)


def _awaited(fact: Fact) -> Iterable[int]:
    return fact.references if fact.is_reply and fact.subject and not fact.is_marked else ()


@lru_cache(maxsize=2**13)  # an import asks for the rows of its messages several times
def _rows(fact: Fact) -> tuple[Row, ...]:
    return tuple(_in_buckets(fact))


def _in_buckets(fact: Fact) -> Iterator[Row]:
    """The rows of a message: in buckets where later messages may join it, and where it may join earlier ones."""
    if not fact.subject:
        return
    looks = _LATER if fact.is_marked and not fact.references else 0
    awaits = _LATER | _SOFT if _awaited(fact) else 0
    for parts, roles in _of_people(fact, 0 if fact.is_forwarded else looks, awaits):
        yield combined(fact.subject, *parts), fact.date, fact.id, roles
    for name in fact.lists:
        roles = looks if looks and fact.is_specific else _EARLIER | awaits
        yield combined(fact.subject, _POSTED, name), fact.date, fact.id, roles


def _of_people(fact: Fact, answers: int, awaits: int) -> Iterator[tuple[tuple[int, ...], int]]:
    """The hashes that identify the buckets of sender and receivers, and the roles of the message in these."""
    if fact.sender not in fact.participants:
        return  # its sender is unknown
    receivers = [person for person in fact.participants if person != fact.sender]
    first = receivers[0] if receivers else fact.sender
    for person in receivers:
        yield (_WRITTEN_TO, fact.sender, person), _EARLIER
    if receivers and (answers or awaits):
        yield (_WRITTEN_TO, first, fact.sender), answers or awaits
    yield (_WRITTEN_AGAIN, fact.sender, first), answers or _EARLIER
    if fact.outsider:
        yield (_OUTSIDER, fact.outsider), answers if fact.is_forwarded else _EARLIER | answers


@dataclass(slots=True)
class _Earlier:
    """Earlier messages as (date, id), in order. `join` joins all within the window; each of them is visited once."""

    messages: list[tuple[int, int]] = field(default_factory=list)
    _start: int = 0
    _joined: int = 0

    def join(self, date: int) -> Iterator[tuple[int, int]]:
        while self._start < len(self.messages) and self.messages[self._start][0] < date - _WINDOW:
            self._start += 1
        begin = max(self._start, self._joined)
        for at in range(begin, len(self.messages) - 1):
            yield self.messages[at][1], self.messages[at + 1][1]
        self._joined = max(len(self.messages) - 1, 0)

    def last(self) -> int | None:
        """The id of the last one within the window."""
        return self.messages[-1][1] if self._start < len(self.messages) else None


def _pairs(rows: list[Row], settled: Container[int]) -> Iterator[tuple[int, int]]:
    """The pairs among messages in one bucket."""
    earlier = _Earlier()
    for _bucket, date, name, roles in rows:
        if roles & _LATER and not roles & _SOFT:
            yield from earlier.join(date)
            if (last := earlier.last()) is not None:
                yield last, name
        elif roles & _LATER and name not in settled and earlier.messages:
            last_date, last_name = earlier.messages[-1]
            if date - last_date <= _WINDOW:
                yield last_name, name
        if roles & _EARLIER:
            earlier.messages.append((date, name))
