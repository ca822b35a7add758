"""Imports a file of SMS, and has the path of a collection of real ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from service.conversation import Conversation
from service.sources import mail, sms
from tests.import_model import ORGANIZATION

COLLECTION = Path(__file__).parents[2] / "shared" / "data" / "sms" / "SMSSpamCollection.tsv.gz"


def imported(
    path: Path, *, gap: timedelta | None = None, columns: Mapping[str, str] | None = None
) -> tuple[list[Conversation], list[tuple[int, str]], mail.Counts]:
    rejected: list[tuple[int, str]] = []
    counts = mail.Counts()
    found = list(
        sms.conversations(
            [str(path)],
            ORGANIZATION,
            reject=lambda source, number, reason, data, offset: rejected.append((number, reason)),
            gap=gap,
            columns=columns,
            counts=counts,
        )
    )
    assert counts.read == counts.in_conversations + counts.duplicates + counts.rejected
    return found, rejected, counts
