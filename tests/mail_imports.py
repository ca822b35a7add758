"""Messages and imports of mail for the tests: made by hand, imported from files, with their sums checked."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from uuid import UUID

from service.conversation import Conversation
from service.sources import mail
from service.sources.lines import parse as parse_line
from service.sources.mailbox import RawMessage
from service.sources.message import Message, parse

ORGANIZATION = UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
SAMPLE = Path(__file__).parent / "samples" / "twisted-python.mbox.gz"
SHARED = Path(__file__).parents[2] / "shared" / "data" / "mail"


def raw(text: str | bytes, separator: bytes = b"") -> RawMessage:
    return RawMessage("test", 1, text if isinstance(text, bytes) else text.encode(), separator)


def message(text: str | bytes) -> Message:
    return parse(raw(text))


def imported(*paths: Path, own: mail.Own | None = None) -> tuple[list[Conversation], list[str], int]:
    rejected: list[str] = []
    counts = mail.Counts()
    found = list(
        mail.conversations(
            [str(path) for path in paths],
            ORGANIZATION,
            own or mail.Own(),
            reject=lambda source, number, reason, data, offset: rejected.append(reason),
            counts=counts,
        )
    )
    assert counts.read == counts.in_conversations + counts.duplicates + counts.left_out + counts.rejected
    return found, rejected, counts.read


def numbered(number: int, **headers: str) -> str:
    usual = {
        "Message-ID": f"<{number}@x>",
        "Date": f"Mon, 1 Jan 2024 10:{number:02}:00 +0000",
        "From": "Ada <ada@x.org>",
        "Subject": "Hello",
    }
    shown = {name.replace("_", "-"): value for name, value in headers.items()}
    return "".join(f"{name}: {value}\n" for name, value in (usual | shown).items()) + "\nBody\n"


HEAD = "From: a@x.org\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n"


def summed(tmp_path: Path, *messages: str, rules: mail.Rules | None = None) -> tuple[list[Conversation], mail.Counts]:
    """The conversations of an mbox of these messages, none of which is rejected."""
    path = tmp_path / "box"
    path.write_text("".join(f"From a Mon Jan  1 10:00:00 2024\n{one}\n" for one in messages), errors="surrogateescape")
    counts = mail.Counts()
    rejected: list[str] = []
    found = list(
        mail.conversations(
            [str(path)], ORGANIZATION, mail.Own(),
            reject=lambda *what: rejected.append(what[2]), rules=rules, counts=counts,
        )
    )  # fmt: skip
    assert rejected == []
    assert counts.read == counts.in_conversations + counts.duplicates == len(messages)
    for one in found:
        assert parse_line(one.model_dump_json().encode(), max_ahead=timedelta(days=1)) == one
    return found, counts
