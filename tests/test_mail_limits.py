"""Imports of mail: long texts are shortened, dates in the future are replaced, and both are counted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from service.sources import mail
from service.sources.message import Clock, parse
from tests.mail_imports import ORGANIZATION, message, numbered, raw, summed

LONG = {
    "recipients": numbered(1, To=", ".join(f"Person {number} <p{number}@example.com>" for number in range(50_000))),
    "copies": numbered(1, Cc=", ".join(f"p{number}@{'é' * 300}.example" for number in range(3_000))),
    "subject": numbered(1, Subject="x" * 1_000_000),
    "replies": numbered(1, Subject="re: " * 250_000),
    "encoded": numbered(1, Subject="=?utf-8?q?caf=C3=A9?= " * 50_000),
    "id": numbered(1, Message_ID=f"<{'a' * 900_000}@x>"),
    "root": numbered(1, References=f"<{'a' * 900_000}@x>"),
    "sender": numbered(1, From=f'"{"n" * 300_000}" <{"e" * 300_000}@x.org>'),
    "labels": numbered(1, X_Gmail_Labels=",".join(f"label {number}" for number in range(20_000))),
    "label": numbered(1, X_Gmail_Labels="l" * 300_000),
    "keywords": numbered(1, X_Keywords="k" * 300_000),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", [*LONG])
def test_an_import_shortens_what_is_too_long_and_says_so(name: str, tmp_path: Path) -> None:
    (found,), counts = summed(tmp_path, LONG[name])
    assert (counts.shortened, counts.dates_ahead) == (1, 0)
    assert "…" in found.model_dump_json()
    if name == "recipients":
        assert found.metadata.to_emails[998:] == ["p998@example.com", "… and 49,001 more"]
    if name == "subject":
        assert found.subject == "x" * 1_999 + "…"


def test_what_is_of_usual_length_is_not_shortened(tmp_path: Path) -> None:
    references = " ".join(f"<{number}@elsewhere>" for number in range(50_000))
    addresses = ", ".join(f"p{number}@example.com" for number in range(1_000))
    (found,), counts = summed(tmp_path, numbered(1, Subject="x" * 2_000, References=references, To=addresses))
    assert counts.shortened == 0
    assert (found.subject, len(found.metadata.to_emails)) == ("x" * 2_000, 1_000)
    assert "…" not in found.model_dump_json()


@pytest.mark.slow
def test_a_thread_of_thousands_of_messages_with_labels_each_is_one_conversation(tmp_path: Path) -> None:
    box = [
        numbered(number, Message_ID=f"<{number}@x>", Date="Mon, 1 Jan 2024 10:00:00 +0000",
                 References="<0@x>", X_Keywords=f"label{number}")
        for number in range(2_000)
    ]  # fmt: skip
    (found,), counts = summed(tmp_path, *box)
    assert (found.message_count, counts.shortened) == (2_000, 1)
    assert len(found.metadata.labels) == 500
    assert found.metadata.labels[-1] == "… and 1,501 more"


def test_a_category_of_a_rule_is_shortened_too(tmp_path: Path) -> None:
    rules = mail.Rules({}, {"a": "c" * 100_000, "b": "  "})
    (found,), counts = summed(tmp_path, numbered(1, X_Keywords="a b"), rules=rules)
    assert (found.categories, counts.shortened) == (["c" * 255 + "…"], 1)


def test_what_is_no_text_is_dropped(tmp_path: Path) -> None:
    odd = "=?unicode_escape?q?a=5Cud800b?="
    (found,), _counts = summed(tmp_path, numbered(1, To=f"{odd} <a\0@b.c>", X_Keywords="x\0y", Message_ID="<\0a@b>"))
    assert "\\u0000" not in found.model_dump_json()
    assert found.metadata.labels == ["xy"]


def test_nested_brackets_are_no_addresses_and_do_not_lose_the_message(tmp_path: Path) -> None:
    (found,), _counts = summed(tmp_path, numbered(1, To="(" * 100_000, Cc="<" * 100_000))
    assert found.message_count == 1


NOW = datetime.now(UTC)
AHEAD = format_datetime(NOW + timedelta(days=400))
RECEIVED = "from a by b; Tue, 2 Jan 2024 08:00:00 +0000"


@pytest.mark.parametrize(
    "date",
    [pytest.param(AHEAD, id="400 days ahead"), "Mon, 1 Jan 2150 10:00:00 +0000", "Fri, 31 Dec 9999 23:59:59 +0000"],
)
def test_a_date_ahead_of_the_clock_is_replaced_by_the_time_of_receipt(date: str) -> None:
    received = message(f"Received: from c by d; {date}\nReceived: {RECEIVED}\nFrom: a@x\nDate: {date}\n\n")
    assert (received.date, received.is_ahead) == (datetime(2024, 1, 2, 8, tzinfo=UTC), True)
    separated = parse(raw(f"From: a@x\nDate: {date}\n\n", b"From a Wed Jan  3 10:00:00 2024"))
    assert (separated.date, separated.is_ahead) == (datetime(2024, 1, 3, 10, tzinfo=UTC), True)
    neither = parse(raw(f"From: a@x\nDate: {date}\n\n"), Clock(NOW))
    assert (neither.date, neither.is_ahead) == (NOW, True)


def test_a_date_slightly_ahead_is_kept_and_a_setting_allows_more() -> None:
    soon = format_datetime(NOW + timedelta(hours=20))
    near = parse(raw(f"Received: {RECEIVED}\nFrom: a@x\nDate: {soon}\n\n"), Clock(NOW))
    assert (near.date, near.is_ahead) == ((NOW + timedelta(hours=20)).replace(microsecond=0), False)
    text = f"Received: {RECEIVED}\nFrom: a@x\nDate: {AHEAD}\n\n"
    far = parse(raw(text), Clock(NOW, timedelta(days=500)))
    assert (far.date, far.is_ahead) == ((NOW + timedelta(days=400)).replace(microsecond=0), False)


def test_different_messages_with_one_id_are_counted(tmp_path: Path) -> None:
    copy = numbered(1, Subject="[list] Hello", List_Id="<l.x>")
    other = numbered(2, Message_ID="<1@x>", Subject="Something else")
    for some in ([numbered(1), other], [other, copy, numbered(1)]):
        (found,), counts = summed(tmp_path, *some)
        assert (found.message_count, counts.duplicates, counts.same_ids) == (1, len(some) - 1, 1)
    _found, counts = summed(tmp_path, numbered(1), copy)
    assert (counts.duplicates, counts.same_ids) == (1, 0)


def test_messages_dated_ahead_are_kept_and_counted(tmp_path: Path) -> None:
    found, counts = summed(tmp_path, numbered(1, Date=AHEAD), numbered(2, Subject="b", Date=AHEAD, Received=RECEIVED))
    assert [one.updated_on for one in found] == [
        datetime(2024, 1, 1, 10, tzinfo=UTC),
        datetime(2024, 1, 2, 8, tzinfo=UTC),
    ]
    assert counts.dates_ahead == 2


@pytest.mark.slow
def test_the_command_reports_what_it_shortened_and_redated(tmp_path: Path) -> None:
    mails = tmp_path / "mails"
    mails.mkdir()
    (mails / "1.eml").write_text(numbered(1, Subject="x" * 5_000, Date=AHEAD))
    (mails / "2.eml").write_text(numbered(2))
    command = [sys.executable, "-m", "service", "import-mail", str(mails), "--output", str(tmp_path / "out")]
    done = subprocess.run(
        [*command, "--organization", str(ORGANIZATION)],
        cwd=tmp_path, env=os.environ | {"OPENSEARCH_URL": "http://127.0.0.1:9"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    told = json.loads(done.stdout)
    assert (told["shortened"], told["dates_ahead"], told["rejected"]) == (1, 1, 0)
    assert "shortened to the limits of a document: 1" in done.stderr
    assert "dated ahead of the clock: 1 " in done.stderr
