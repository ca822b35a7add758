"""Conversations for the benchmark: words by a Zipf law, five years, organizations of very unequal size; by seed."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate, repeat
from uuid import UUID

from service.conversation import CHANNELS, STATUSES, Conversation, Metadata

ORGANIZATIONS = [uuid.uuid5(uuid.NAMESPACE_URL, f"bench:{number}") for number in range(200)]
LARGEST = ORGANIZATIONS[0]
STEADY = uuid.uuid5(uuid.NAMESPACE_URL, "bench:steady")
REST = 4  # the other 199 organizations together hold a quarter of what the largest does
VOCABULARY = 20_000
YEARS = 5
START = datetime(2020, 1, 1, tzinfo=UTC)
CATEGORIES = [f"Category {number}" for number in range(12)]
AGENTS = [uuid.uuid5(uuid.NAMESPACE_URL, f"agent:{number}") for number in range(50)]
STATUS_WEIGHTS = (1, 10, 6, 25)
_SYLLABLES = [
    "ba",
    "ce",
    "di",
    "fo",
    "gu",
    "ka",
    "le",
    "mi",
    "no",
    "pu",
    "ra",
    "se",
    "ti",
    "vo",
    "xu",
    "za",
    "che",
    "sho",
    "tri",
    "ple",
    "gra",
    "ston",
    "ing",
    "er",
]


def words(rng: random.Random) -> list[str]:
    """The vocabulary, the most frequent word first; frequent ones are short."""
    found: dict[str, None] = {}
    while len(found) < VOCABULARY:
        length = 1 if len(found) < 16 else 2 if len(found) < 200 else rng.choice((2, 3, 3, 4))
        found["".join(rng.choices(_SYLLABLES, k=length))] = None
    return list(found)


def vocabulary(seed: int = 1) -> list[str]:
    """The words of the subjects, the most frequent first."""
    return words(random.Random(seed))


def conversations(count: int, seed: int = 1) -> Iterator[Conversation]:
    """`count` in the largest organization and a quarter of that in the others, in no order."""
    shares = list(accumulate(1 / rank for rank in range(1, len(ORGANIZATIONS))))
    others = count // REST
    rng = random.Random(seed)

    def organizations() -> Iterator[UUID]:
        for number in range(count + others):
            in_largest = number % (REST + 1) or number // (REST + 1) >= others
            yield LARGEST if in_largest else rng.choices(ORGANIZATIONS[1:], cum_weights=shares)[0]

    yield from _of(organizations(), seed)


def steady(count: int, seed: int = 2) -> Iterator[Conversation]:
    """`count` conversations of one organization that stays as it is while the index around it grows."""
    yield from _of(repeat(STEADY, count), seed)


def _of(organizations: Iterable[UUID], seed: int) -> Iterator[Conversation]:
    rng = random.Random(seed)
    vocabulary = words(random.Random(1))
    weights = list(accumulate(1 / rank for rank in range(1, VOCABULARY + 1)))
    span = YEARS * 365 * 86_400_000
    for organization in organizations:
        created = START + timedelta(milliseconds=rng.randrange(span))
        updated = created + timedelta(milliseconds=int(rng.expovariate(1 / 86_400_000)))
        subject = " ".join(rng.choices(vocabulary, cum_weights=weights, k=rng.randint(3, 8)))
        prefix = rng.random()
        subject = f"Re: {subject}" if prefix < 0.3 else f"[support] {subject}" if prefix < 0.4 else subject
        agent = rng.choice(AGENTS)
        yield Conversation.model_construct(
            uid=UUID(int=rng.getrandbits(128)),
            organization_uid=organization,
            channel=CHANNELS[rng.random() < 0.2],
            direction="inbound",
            status=rng.choices(STATUSES, STATUS_WEIGHTS)[0],
            subject=subject.capitalize(),
            categories=rng.sample(CATEGORIES, rng.choice((0, 1, 1, 2))),
            sent_at=_milliseconds(created) if rng.random() < 0.95 else None,
            is_read=rng.random() < 0.8,
            has_reply=rng.random() < 0.5,
            message_count=rng.randint(1, 30),
            metadata=_metadata(rng, subject),
            agent_uid=agent if rng.random() < 0.7 else None,
            party_uid=UUID(int=rng.randrange(1, 20_000)),
            created_by_uid=None,
            parent_conversation_uid=None,
            created_on=_milliseconds(created),
            updated_on=_milliseconds(updated),
        )


def _metadata(rng: random.Random, subject: str) -> Metadata:
    sender = rng.randrange(20_000)
    return Metadata.model_construct(
        from_email=f"person{sender}@example.com",
        from_name=f"Person {sender}",
        to_emails=["help@example.com"],
        cc_emails=[],
        snippet=f"Dear all, about {subject}: " + "lorem ipsum dolor sit amet " * 3,
        labels=["INBOX"],
        provider_message_id=f"<{rng.getrandbits(64):x}@example.com>",
        thread_id=f"{rng.getrandbits(64):x}",
        has_attachments=False,
        attachment_count=0,
        history_id=rng.randrange(10**9),
    )


def _milliseconds(value: datetime) -> datetime:
    return value.replace(microsecond=value.microsecond // 1000 * 1000)
