"""Conversations for tests: many ties, nulls, mixed case, accents, scripts, equal times; equal for equal seeds."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime, timedelta
from functools import cache
from uuid import UUID

from service.conversation import CHANNELS, DIRECTIONS, STATUSES, Conversation, Metadata

ORGANIZATIONS = [uuid.uuid5(uuid.NAMESPACE_URL, f"organization:{number}") for number in range(4)]
SIZES = (1600, 900, 80, 1)
AGENTS = [uuid.uuid5(uuid.NAMESPACE_URL, f"agent:{number}") for number in range(5)]
PARTIES = [uuid.uuid5(uuid.NAMESPACE_URL, f"party:{number}") for number in range(30)]
CATEGORIES = ["Billing", "billing", "Returns, damaged", 'The "best"', "Über uns", "返品", "a", "spaced  name"]
WORDS = [
    "invoice",
    "Invoice",
    "INVOICES",
    "running",
    "run",
    "runs",
    "Café",
    "cafe",
    "CAFÉ",
    "résumé",
    "resume",
    "Ärger",
    "arger",
    "naïve",
    "über",
    "straße",
    "STRASSE",
    "order",
    "#A-1002",
    "INV/2024/07",
    "2024-07-01",
    "v1.2.3",
    "ada@example.com",
    "DE89 3704 0044 0532 0130 00",
    "DE89370400440532013000",
    "030 123 456",
    "(030) 123-456",
    "030123456",
    "Acme®",
    "Acme",
    "https://example.com/x",
    "Ｆｕｌｌ",
    "ﬁle",
    "ǆ",
    "İstanbul",
    "ΟΔΟΣ",
    "οδός",
    "東京都庁",
    "東京",
    "大阪へ行く",
    "注文の確認",
    "中文信息",
    "信息",
    "заказ",
    "Заказы",
    "счёт",
    "счет",
    "ไทยแลนด์",
    "한국어",
    "한국",
    "العربية",
    "हिन्दी",
    "👍",
    "👍🏽",
    "✅",
    "☑\ufe0f",
    "\U0001faea",
    "€5",
    "c++",
    "in\u00advoice",
    "in\u200bvoice",
    "ビール",
    "ﾋﾞｰﾙ",
    "ヒール",
    "びーる",
    "訂單",
    "订单",
    "e-mail",
    "email",
    "log",
    "in",
    "login",
    "10,000",
    "10000",
    "Rechnungen",
    "Rechnung",
    "заказов",
    "aplicaciones",
    "aplicación",
    "ไม้",
    "हिनदी",
    "👩\u200d👩\u200d👧",
    "Re:",
    "Fwd:",
    "-",
    "the",
    "and",
    "of",
]
TIMES = [datetime(2024, 1, 1, tzinfo=UTC) + timedelta(milliseconds=step) for step in (0, 1, 2, 1000, 86_400_000)]


def corpus(seed: int = 7) -> list[Conversation]:
    """About 2 600 conversations of four organizations of very unequal size, in a new list."""
    return list(made(seed))


@cache
def made(seed: int) -> tuple[Conversation, ...]:
    """Cached, because making them takes a third of a second."""
    rng = random.Random(seed)
    return tuple(
        conversation(rng, organization)
        for organization, size in zip(ORGANIZATIONS, SIZES, strict=True)
        for _ in range(size)
    )


def conversation(rng: random.Random, organization: UUID) -> Conversation:
    uid = UUID(int=rng.getrandbits(128))
    return Conversation(
        uid=uid,
        organization_uid=organization,
        channel=rng.choice([*CHANNELS, None]),
        direction=rng.choice([*DIRECTIONS, None]),
        status=rng.choice([*STATUSES, None]),
        subject=subject(rng),
        categories=rng.sample(CATEGORIES, rng.choice((0, 0, 1, 1, 2, 3))),
        sent_at=rng.choice([None, time(rng), time(rng)]),
        is_read=rng.choice([True, False, None]),
        has_reply=rng.choice([True, False, None]),
        message_count=rng.choice([None, 1, 2, 50]),
        metadata=Metadata(
            from_email=rng.choice([None, "Ada@Example.com"]),
            snippet=rng.choice([None, 'x,"order":{']),
            to_emails=[[], ["bob@example.com"], ["bob@example.com", "eve@example.com"]][uid.int % 3],
            cc_emails=[[], ["eve@example.com"]][uid.int % 2],
            labels=[[], ["Inbox"], ["Inbox", "To do, later"]][(uid.int >> 8) % 3],
            has_attachments=[None, False, True][(uid.int >> 16) % 3],
        ),
        agent_uid=rng.choice([None, *AGENTS]),
        party_uid=rng.choice([None, *PARTIES]),
        created_by_uid=[None, *AGENTS][uid.int % (len(AGENTS) + 1)],
        created_on=rng.choice([None, time(rng), time(rng), time(rng)]),
        updated_on=max(time(rng), datetime(1970, 1, 1, tzinfo=UTC)),
    )


def subject(rng: random.Random) -> str | None:
    """Often shared, sometimes null, empty, very long, or the same for the first hundred characters."""
    kind = rng.random()
    if kind < 0.08:
        return None
    if kind < 0.1:
        return ""
    if kind < 0.14:
        return "prefix " * 20 + rng.choice("abcÀà")
    if kind < 0.15:
        return "long " * 300 + rng.choice("ab")
    return " ".join(rng.choices(WORDS, k=rng.choice((1, 1, 2, 2, 3, 5))))


def time(rng: random.Random) -> datetime:
    """Often one of a few shared times, else one from 2020 to 2024, and seldom one before 1970."""
    if rng.random() < 0.6:
        return rng.choice(TIMES)
    if rng.random() < 0.05:
        return rng.choice([datetime(1, 1, 1, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, 59, 999_000, tzinfo=UTC)])
    return datetime(2020, 1, 1, tzinfo=UTC) + timedelta(milliseconds=rng.randrange(5 * 365 * 86_400_000))
