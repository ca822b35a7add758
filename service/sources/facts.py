"""What an import remembers of each message: enough to unite conversations later, and nothing that a person could read.

A `Fact` holds hashes instead of ids, addresses, subjects and labels. Those of people, subjects and labels are keyed by
the organization, so that equal addresses of two organizations have different hashes. Threads and conversations are
computed from facts alone, so the result is the same whether a message comes now or came with an earlier import.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from binascii import b2a_base64
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from operator import attrgetter
from uuid import UUID

import msgspec

from service.errors import IndexUnusable
from service.times import EPOCH

_HASH_BYTES = 8
_KEY_CHARACTERS = 11  # of base64, without the padding
_IN_URLS = bytes.maketrans(b"+/", b"-_")  # base64 as in base64.urlsafe_b64encode, which takes twice the time
_MILLISECOND = timedelta(milliseconds=1)


class State(msgspec.Struct, frozen=True, array_like=True):
    """What a mailbox records about a message, which may be different at the next import.

    `is_left_out` says that the message is in the trash or in junk, and that this import was not asked for these.
    """

    is_sent: bool = False
    is_read: bool | None = None
    is_answered: bool = False
    is_draft: bool = False
    labels: tuple[int, ...] = ()
    is_left_out: bool = False


class Fact(msgspec.Struct, frozen=True, array_like=True):
    """One message as an import remembers it. `date` is in milliseconds since 1970.

    Messages with the same `id` are copies of one message; their `digest` differs if their content does. `participants`
    are the hashes of the sender and the receivers, and `lists` those of the mailing lists that the message was posted
    to. `outsider` is the hash of the other side of an exchange with the organization, or 0 if it is not known.
    `subject` is the hash of the subject without reply marks such as "Re:", or 0. `references` also contain the
    provider's id of the thread, if there is one. `is_marked`: the subject had a reply mark. `is_forwarded`: its first
    mark was that of forwarded mail. `is_reply`: the message refers to another one. `is_named`: an SMS names its sender.
    `is_own`: the sender belongs to the organization. `is_specific`: unrelated mail is unlikely to
    have the same subject.
    """

    id: int
    digest: int
    date: int
    sender: int
    references: tuple[int, ...] = ()
    subject: int = 0
    is_marked: bool = False
    is_reply: bool = False
    participants: tuple[int, ...] = ()
    lists: tuple[int, ...] = ()
    attachments: int = 0
    is_named: bool = False
    is_own: bool = False
    state: State = State()
    is_specific: bool = False
    is_forwarded: bool = False
    outsider: int = 0

    @property
    def is_outbound(self) -> bool:
        """Whether the organization sent or drafted it, according to its sender or its folder."""
        return self.is_own or self.state.is_sent or self.state.is_draft

    @property
    def copy(self) -> tuple[int, int]:
        """Identifies copies with the same content."""
        return self.id, self.digest

    @property
    def order(self) -> tuple[int, int, int, int]:
        """The order of messages in a conversation: by date; at the same time, replies come last."""
        return self.date, len(self.references), self.id, self.digest


_order = attrgetter("order")


@dataclass(frozen=True, slots=True)
class Hasher:
    """Hashes of 63 bits (what SQLite's integers hold), which differ between organizations."""

    organization_uid: UUID
    _key: bytes = field(init=False, repr=False, default=b"")

    def __post_init__(self) -> None:
        object.__setattr__(self, "_key", self.organization_uid.bytes)

    def __call__(self, text: str | bytes) -> int:
        data = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
        return int.from_bytes(hashlib.blake2b(data, digest_size=_HASH_BYTES, key=self._key).digest(), "big") >> 1


of_message = Hasher(UUID(int=0))
"""Hashes message ids. These hashes order messages of the same time, so they must be equal in every organization."""


def milliseconds(date: datetime) -> int:
    return (date - EPOCH) // _MILLISECOND


def time_of(date: int) -> datetime:
    """The inverse of `milliseconds`."""
    return EPOCH + timedelta(milliseconds=date)


@lru_cache(maxsize=2**15)  # the buckets of a batch of messages are computed several times
def combined(*hashes: int) -> int:
    """One hash of several, which depends on their order."""
    data = struct.pack(f">{len(hashes)}Q", *hashes)
    return int.from_bytes(hashlib.blake2b(data, digest_size=_HASH_BYTES).digest(), "big") >> 1


def chosen(facts: Iterable[Fact]) -> list[Fact]:
    """One fact for each message, in the order of the messages. Of copies that differ, the first in `order` counts."""
    first: dict[int, Fact] = {}
    for fact in facts:
        known = first.get(fact.id)
        if known is None or (fact.date, fact.digest) < (known.date, known.digest):
            first[fact.id] = fact
    return sorted(first.values(), key=_order)


def hidden(facts: Collection[Fact], messages: Collection[Fact]) -> int:
    """How many of the facts belong to another message than the `chosen` one with the same id.

    Copies of one message may differ, such as those that mailing lists send. But if both the date and the sender or
    subject differ, they are different messages.
    """
    if len(facts) == len(messages):
        return 0
    counted = {fact.id: fact for fact in messages}
    others = ((fact, counted[fact.id]) for fact in facts)
    return sum(
        fact.date != one.date and (fact.sender, fact.subject) != (one.sender, one.subject) for fact, one in others
    )


def ends(facts: Iterable[Fact]) -> tuple[Fact, Fact]:
    """The first and the last message, also among copies that do not count.

    So when a conversation grows, its first message can only become an earlier one, and its last message a later one.
    Therefore the content of both is always in the index or in the import.
    """
    every = list(facts)
    return min(every, key=_order), max(every, key=_order)


def united(facts: Iterable[Fact]) -> dict[tuple[int, int], Fact]:
    """The facts by `copy`. Of equal copies, the one with the earliest date counts.

    Dates of copies differ if a message's own date was rejected and replaced by the time of the import.
    """
    found: dict[tuple[int, int], Fact] = {}
    for fact in facts:
        known = found.get(fact.copy)
        if known is None or fact.date < known.date:
            found[fact.copy] = fact
    return found


def together(states: Sequence[State]) -> State:
    """The state of a message of which one import saw several copies."""
    if len(states) == 1 or all(state == states[0] for state in states):
        return states[0]
    marks = [state.is_read for state in states if state.is_read is not None]
    return State(
        is_sent=any(state.is_sent for state in states),
        is_read=any(marks) if marks else None,
        is_answered=any(state.is_answered for state in states),
        is_draft=all(state.is_draft for state in states),
        labels=tuple(sorted({label for state in states for label in state.labels})),
        is_left_out=all(state.is_left_out for state in states),
    )


class Memory(msgspec.Struct, frozen=True, array_like=True):
    """What an import record holds: the facts, and a hash of each field as imports wrote it (unite.KEPT)."""

    facts: tuple[Fact, ...] = ()
    written: dict[str, int] = {}

    def packed(self) -> str:
        """The memory as base64. It does not depend on the order of the facts."""
        ordered = tuple(sorted(self.facts, key=lambda fact: (fact.date, fact.id, fact.digest)))
        return base64.b64encode(_encode(Memory(ordered, self.written))).decode()


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(Memory)


def unpacked(text: str) -> Memory:
    """The inverse of `packed`. Raises IndexUnusable if another version of the service wrote the text."""
    try:
        return _decoder.decode(base64.b64decode(text))
    except (ValueError, msgspec.MsgspecError, RecursionError):
        raise IndexUnusable(
            "an import record cannot be read, because another version of this service wrote it: "
            "import with that version"
        ) from None


def key(*hashes: int) -> str:
    """A hash as the text that is indexed."""
    number = hashes[0] if len(hashes) == 1 else combined(*hashes)
    return b2a_base64(number.to_bytes(_HASH_BYTES, "big"))[:_KEY_CHARACTERS].translate(_IN_URLS).decode()
