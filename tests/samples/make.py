"""Makes the sample conversations anew from the public material that README.md beside this file names.

Usage: python tests/samples/make.py FOLDER-OF-THE-MATERIAL
"""

from __future__ import annotations

import gzip
import json
import random
import sys
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from service.conversation import Conversation, Metadata
from service.sources import mail

MAIL_ORGANIZATION = uuid.UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
SMS_ORGANIZATION = uuid.UUID("b3d94c52-7e0f-4a6b-8c1d-2e5f60718293")
AGENTS = [uuid.uuid5(MAIL_ORGANIZATION, f"agent:{number}") for number in range(4)]
CATEGORIES = ["Questions", "Bugs", "Releases", "Docs, translations"]
MONTHS = ["2003-05", "2003-06"]
THREADS = 170
SMS = 120
SUBJECTS = {"ja": 30, "ru": 30, "es": 30, "zh": 20}


def main(folder: Path) -> None:
    rng = random.Random(20030501)
    found = [
        *(_with_state(conversation, rng) for conversation in _threads(folder)),
        *(_with_state(conversation, rng) for conversation in _subjects(folder, rng)),
        *(_with_state(conversation, rng) for conversation in _sms(folder, rng)),
    ]
    lines = "".join(conversation.model_dump_json() + "\n" for conversation in found)
    target = Path(__file__).with_name("conversations.ndjson.gz")
    with target.open("wb") as raw, gzip.GzipFile(fileobj=raw, mode="wb", mtime=0, filename="") as file:
        file.write(lines.encode())
    print(f"{len(found)} conversations, {target.stat().st_size} bytes")


def _threads(folder: Path) -> list[Conversation]:
    paths = [str(folder / "mail" / f"twisted-python-{month}.txt.gz") for month in MONTHS]
    own = mail.Own(domains=frozenset({"twistedmatrix.com"}))
    return list(mail.conversations(paths, MAIL_ORGANIZATION, own, reject=lambda *what: print(what)))[:THREADS]


def _subjects(folder: Path, rng: random.Random) -> Iterator[Conversation]:
    with gzip.open(folder / "subjects" / "subjects.ndjson.gz", "rt", encoding="utf-8") as file:
        entries = [json.loads(line) for line in file]
    for language, count in SUBJECTS.items():
        mine = [entry for entry in entries if entry["lang"] == language and len(entry["subject"]) > 12]
        for entry in rng.sample(mine, count):
            written = datetime.fromisoformat(entry["date"]).astimezone(UTC)
            yield Conversation(
                uid=uuid.uuid5(MAIL_ORGANIZATION, f"{language}:{entry['date']}:{entry['subject']}"),
                organization_uid=MAIL_ORGANIZATION,
                channel="email",
                direction="inbound",
                status="active",
                subject=entry["subject"],
                sent_at=written,
                message_count=1,
                metadata=Metadata(labels=[language], has_attachments=False, attachment_count=0),
                created_on=written,
                updated_on=written,
            )


def _sms(folder: Path, rng: random.Random) -> Iterator[Conversation]:
    """The collection has no dates and no numbers: the dates are made up, the numbers left out."""
    with gzip.open(folder / "sms" / "SMSSpamCollection.tsv.gz", "rt", encoding="utf-8") as file:
        rows = [line.rstrip("\n").partition("\t") for line in file][1:]
    started = datetime(2012, 6, 22, tzinfo=UTC)
    for number, (label, _tab, text) in enumerate(rng.sample(rows, SMS)):
        started += timedelta(minutes=rng.randrange(5, 900), milliseconds=rng.randrange(60_000))
        yield Conversation(
            uid=uuid.uuid5(SMS_ORGANIZATION, f"{number}:{text}"),
            organization_uid=SMS_ORGANIZATION,
            channel="sms",
            direction=rng.choice(("inbound", "outbound")),
            status="active",
            sent_at=started,
            message_count=1,
            metadata=Metadata(snippet=text[:200], labels=[label]),
            created_on=started,
            updated_on=started,
        )


def _with_state(conversation: Conversation, rng: random.Random) -> Conversation:
    """What no archive tells is made up: status, read or not, who entered it and works on it, what it is about."""
    status = rng.choices(("active", "closed", "archived", "draft"), (5, 3, 2, 1))[0]
    is_read = rng.random() < 0.6
    agent = rng.choice([*AGENTS, None])
    changes: dict[str, Any] = {
        "status": status,
        "is_read": is_read,
        "agent_uid": agent,
        "created_by_uid": agent,
        "categories": rng.sample(CATEGORIES, rng.choice((0, 1, 1, 2))),
        "has_reply": conversation.has_reply or False,
    }
    if status == "draft":
        changes |= {"sent_at": None, "direction": "outbound"}
    return conversation.model_copy(update=changes)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
