"""Imports SMS: one conversation for each peer number, split at long silences."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import groupby
from operator import itemgetter
from uuid import UUID

from service.conversation import Channel, Conversation, Status
from service.sources import sms_files
from service.sources.facts import Fact, Hasher, State, key, milliseconds, of_message
from service.sources.groups import Row
from service.sources.mail import Counts, Reject, made
from service.sources.message import Clock
from service.sources.phone_numbers import compared, is_international, without_country
from service.sources.shortening import ELLIPSIS, Fit
from service.sources.sms_files import Sms, Unusable
from service.sources.spool import Spool
from service.sources.unite import First
from service.times import MAX_AHEAD, parse_time

SUBJECT_CHARACTERS = 200
_OTHER_FORM = 1  # the role of a message in the bucket of another way to write its peer


def conversations(
    paths: list[str],
    organization_uid: UUID,
    *,
    reject: Reject,
    columns: Mapping[str, str] | None = None,
    gap: timedelta | None = None,
    region: str | None = None,
    counts: Counts | None = None,
    advance: Callable[[int], None] = lambda _bytes: None,
    max_ahead: timedelta = MAX_AHEAD,
) -> Iterator[Conversation]:
    """Yields the conversations of all files together.

    `columns` maps the names in COLUMNS to those of a CSV file. A new conversation begins after a silence of more than
    `gap`; without `gap`, each peer has one conversation. Texts beyond the limits of a document are shortened. A date
    further ahead of the clock than `max_ahead` is replaced by the time of this import. Numbers without a country code
    are of `region`. A file that cannot be read is rejected. Raises Misconfigured if a CSV file lacks a required column.
    """
    counts = counts or Counts()
    kind = Texts(Hasher(organization_uid), SmsRule(gap))
    with spool(kind) as messages:
        messages.fill(
            *read(
                paths, kind, reject=reject, columns=columns, region=region, counts=counts, advance=advance,
                max_ahead=max_ahead,
            )
        )  # fmt: skip
        yield from made(kind, organization_uid, messages.conversations(), reject=reject, counts=counts)


def spool(kind: Texts) -> Spool[Sms]:
    return Spool(Sms, kind.rule, lambda message: message.peer)


def read(
    paths: Iterable[str],
    kind: Texts,
    *,
    reject: Reject,
    counts: Counts,
    columns: Mapping[str, str] | None = None,
    region: str | None = None,
    advance: Callable[[int], None] = lambda _bytes: None,
    max_ahead: timedelta = MAX_AHEAD,
) -> tuple[Iterator[tuple[Fact, Sms]], Callable[[Sms], None]]:
    """The messages in the files, and a function that counts duplicates: the arguments of `Spool.fill`."""
    clock = Clock(parse_time(datetime.now(UTC)), max_ahead)

    def found() -> Iterator[tuple[Fact, Sms]]:
        for path in paths:
            for source, number, message in sms_files.read(path, columns=columns, region=region, advance=advance):
                counts.read += 1
                if isinstance(message, Sms):
                    counts.dates_ahead += not clock.believes(message.date)
                    yield kind.fact(message, clock), message
                else:
                    counts.rejected += 1
                    reject(source, number, message, message.text if isinstance(message, Unusable) else b"", 0)

    def duplicate(_message: Sms) -> None:
        counts.duplicates += 1

    return found(), duplicate


@dataclass(frozen=True, slots=True)
class SmsRule:
    """What joins SMS (a groups.Rule): the same peer, and no silence of more than `gap` between them.

    A number with a country is the same peer as the same number written without it. Numbers of two countries are never
    joined directly.
    """

    gap: timedelta | None = None
    keeps_whole: bool = True

    def links(self, fact: Fact) -> Iterable[int]:
        return ()

    def awaits(self, fact: Fact) -> Iterable[int]:
        return ()

    def rows(self, fact: Fact) -> Iterable[Row]:
        others = ((other, fact.date, fact.id, _OTHER_FORM) for other in fact.participants)
        return ((fact.subject, fact.date, fact.id, 0), *others)

    def pairs(self, rows: Iterable[Row], settled: Container[int]) -> Iterator[tuple[int, int]]:
        most = None if self.gap is None else self.gap // timedelta(milliseconds=1)
        for _peer, alike in groupby(rows, key=itemgetter(0)):
            for (_, before, first, _), (_, after, second, _) in _neighbours(alike):
                if most is None or after - before <= most:
                    yield first, second

    def stored_keys(self, fact: Fact) -> Iterable[str]:
        return map(key, (fact.subject, *fact.participants))

    def asked_keys(self, fact: Fact) -> Iterable[str]:
        return map(key, (fact.subject, *fact.participants))


def _neighbours(rows: Iterable[Row]) -> Iterator[tuple[Row, Row]]:
    """The pairs of neighbouring messages in a bucket. At least one of each pair writes its peer as the bucket does."""
    own: Row | None = None
    others: list[Row] = []  # since the last message that writes its peer as the bucket does
    for row in rows:
        if own is not None:
            yield own, row
        if row[3] == _OTHER_FORM:
            others.append(row)
            continue
        yield from ((other, row) for other in others)
        others.clear()
        own = row


@dataclass(frozen=True, slots=True)
class Texts:
    """SMS as a unite.Kind. In a Fact, `subject` is the hash of the peer, and `participants` hash its other forms.

    So it does not matter whether a message is imported with `--region` or without it, or both.
    """

    hasher: Hasher
    rule: SmsRule
    channel: Channel = "sms"

    def fact(self, message: Sms, clock: Clock) -> Fact:
        date = milliseconds(message.date)
        attached = f":{message.attachments}" if message.attachments else ""
        name = of_message(f"sms:{compared(message.peer)}:{date}:{message.direction}:{message.text}{attached}")
        peer = self.hasher(f"sms:{message.peer}")
        return Fact(
            id=name,
            digest=0 if is_international(message.peer) else 1,
            date=date if clock.believes(message.date) else milliseconds(clock.now),
            sender=0 if message.direction == "outbound" else peer,
            subject=peer,
            participants=tuple(self.hasher(f"sms:{other}") for other in without_country(message.peer)),
            is_named=message.name is not None,
            is_own=message.direction == "outbound",
            attachments=message.attachments,
            state=State(is_read=message.read, is_draft=message.is_draft),
        )

    def root(self, message: Sms) -> str:
        return f"sms:{message.peer}:{milliseconds(message.date)}"

    def first(self, message: Sms, fact: Fact, fit: Fit) -> First:
        return First(
            subject=_excerpt(message.text),
            party_uid=uuid.uuid5(self.hasher.organization_uid, f"party:{message.peer}"),
            metadata={"thread_id": fit.text("metadata.thread_id", message.peer)},
        )

    def snippet(self, message: Sms, fit: Fit) -> str | None:
        return _excerpt(message.text)

    def name(self, message: Sms, fit: Fit) -> str | None:
        return fit.text("metadata.from_name", message.name)

    def labels(self, message: Sms, fit: Fit) -> Mapping[int, str]:
        return {}

    def status(self, labels: Sequence[str], *, is_draft: bool) -> Status:
        return "draft" if is_draft else "active"

    def categories(self, labels: Sequence[str], fit: Fit) -> list[str]:
        return []

    def has_reply(self, facts: Sequence[Fact]) -> bool:
        return any(fact.is_outbound != facts[0].is_outbound for fact in facts)


def _excerpt(text: str) -> str | None:
    """The first SUBJECT_CHARACTERS of a text, in one line. An ellipsis shows that it was cut."""
    line = " ".join(text.split())
    return (line if len(line) <= SUBJECT_CHARACTERS else f"{line[: SUBJECT_CHARACTERS - 1]}{ELLIPSIS}") or None
