"""SMS: CSV of any columns, Android's backups; one conversation a peer, split at silence; the numbers add up."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest

from service.conversation import Conversation
from service.errors import Misconfigured
from service.sources import sms
from service.sources.facts import Hasher
from service.sources.message import Clock
from service.sources.phone_numbers import Peers
from service.sources.sms_files import Sms
from service.sources.spool import Piece
from service.times import format_time
from tests.import_model import ORGANIZATION, Index
from tests.sms_imports import COLLECTION, imported

KIND = sms.Texts(Hasher(ORGANIZATION), sms.SmsRule())
SENT = datetime(2024, 7, 1, tzinfo=UTC)

CSV = """date,peer,text,direction,read
2024-07-01T12:00:00Z,+49 (170) 123-45,Hello there,inbound,true
2024-07-01 12:05:00,+4917012345,Hi,outbound,
1719835800000,+4917012345,Later,in,false
2024-09-01T12:00:00Z,+4917012345,"Two months
later",inbound,true
2024-07-01T12:00:00Z,555,Other,sent,true
2024-07-01T12:00:00Z,555,Other,sent,true
yesterday,555,x,sent,true
2024-07-01T12:00:00Z,,x,sent,true
2024-07-01T12:00:00Z,555,x,sideways,true
2024-07-01T12:00:00Z,555,x,sent,perhaps
1960-07-01T12:00:00Z,555,x,sent,true
"""

XML = """<?xml version='1.0' encoding='UTF-8' standalone='yes' ?>
<!--File Created By SMS Backup & Restore-->
<smses count="4">
  <sms protocol="0" address="+15551234" date="1719835200000" type="1" body="Dinner? &#55357;&#56832;" read="1" contact_name="Ada" />
  <sms protocol="0" address="+15551234" date="1719835260000" type="2" body="Yes &amp; wine" read="1" contact_name="(Unknown)" />
  <mms address="+15551234" date="1719835320000" msg_box="1" read="0" contact_name="Ada">
    <parts><part ct="image/jpeg" data="AAAA" /><part ct="text/plain" text="a picture" /></parts>
    <addrs><addr address="+15551234" type="137" /></addrs>
  </mms>
  <sms protocol="0" address="" date="1719835200000" type="1" body="nobody" read="1" />
</smses>
"""


def test_csv_becomes_one_conversation_a_peer_split_at_silence(tmp_path: Path) -> None:
    path = tmp_path / "sms.csv"
    path.write_text(CSV)
    found, rejected, counts = imported(path)
    assert [(one.message_count, one.subject) for one in found] == [(4, "Hello there"), (1, "Other")]
    assert (counts.read, counts.duplicates, counts.rejected) == (11, 1, 5)
    assert [reason for _line, reason in rejected] == [
        "date 'yesterday' must be an RFC 3339 time, or milliseconds or seconds since 1970",
        "has no peer number",
        "direction 'sideways' must be inbound or outbound",
        "read 'perhaps' must be true or false",
        "date '1960-07-01T12:00:00Z' must not lie before 1970",
    ]
    assert [line for line, _reason in rejected] == [9, 10, 11, 12, 13]
    first = found[0]
    assert (first.channel, first.direction, first.has_reply, first.is_read) == ("sms", "inbound", True, False)
    assert first.metadata.snippet == "Two months later"
    split, _rejected, _counts = imported(path, gap=timedelta(days=30))
    assert [one.message_count for one in split] == [3, 1, 1]
    assert imported(path)[0] == found


def test_columns_are_named_by_options_and_other_separators_are_found(tmp_path: Path) -> None:
    path = tmp_path / "sms.tsv"
    path.write_text("phone\tsent\tbody\n123\t2024-07-01T12:00:00Z\tHello, you\n")
    with pytest.raises(Misconfigured, match=r"has the columns phone, sent, body, and lacks peer, date, text"):
        imported(path)
    found, rejected, _counts = imported(path, columns={"peer": "phone", "date": "sent", "text": "body"})
    assert ([one.subject for one in found], rejected) == (["Hello, you"], [])


def test_a_number_that_a_spreadsheet_keeps_as_text_is_the_same_number(tmp_path: Path) -> None:
    path = tmp_path / "sms.csv"
    path.write_text(
        'peer,date,text\n"=""+4917012345""",1719835200,"=""a"""\n+4917012345,1719835201,b\n="+4917012345",1719835202,c\n'
    )
    found, *_others = imported(path)
    assert [(one.subject, one.message_count) for one in found] == [('="a"', 3)]


FORMS = [  # a number with its region, and as it is written where its country is not known
    ("0170 1234567", "DE"), ("0049 170 1234567", "DE"), ("(202) 555-0123", "US"), ("1-202-555-0123", "US"),
    ("8 912 345-67-89", "RU"), ("06 12 34 56 78", "FR"), ("11 91234-5678", "BR"),
]  # fmt: skip


@pytest.mark.parametrize(("number", "region"), FORMS)
@pytest.mark.parametrize("is_reversed", [False, True])
def test_it_does_not_matter_which_import_knows_the_region(number: str, region: str, is_reversed: bool) -> None:
    def pieces(texts: str, region: str | None) -> list[Piece[Sms]]:
        peer = Peers(region).of(number)
        messages = [Sms(peer, SENT + timedelta(days=ord(text)), text, "inbound", None, None) for text in texts]
        return [Piece(KIND.fact(message, Clock(SENT + timedelta(days=999))), message) for message in messages]

    parts = [pieces("abc", None), pieces("bcd", region), pieces("cde", None)]
    index, whole = Index(KIND), Index(KIND)
    for part in reversed(parts) if is_reversed else parts:
        index.imports(part)
    whole.imports([piece for part in parts for piece in part])
    (item,) = index.items()
    assert (item.message_count, item.subject, item.metadata.snippet) == (5, "a", "e")
    assert index.shown() == whole.shown()
    assert index.facts() == whole.facts()
    assert index.imports(parts[1]).written == 0


def test_one_text_that_is_sent_to_many_at_once_is_a_message_to_each() -> None:
    peers = ["+491701234567", "+491711234567", "+4915101234567", "+12021234567", "01721234567"]
    index = Index(KIND)
    messages = [Sms(peer, SENT, "Merry Christmas", "outbound", None, None) for peer in peers]
    index.imports([Piece(KIND.fact(message, Clock(SENT)), message) for message in messages])
    assert sorted(one.metadata.thread_id or "" for one in index.items()) == sorted(peers)


def test_numbers_of_two_countries_are_two_peers() -> None:
    peers = ["+491701234567", "+441701234567", "+491701234568", "0170123456", "BANK"]
    index = Index(KIND)
    for peer in peers:
        message = Sms(peer, SENT, f"I am {peer}", "inbound", None, None)
        index.imports([Piece(KIND.fact(message, Clock(SENT)), message)])
    assert len(index.items()) == len(peers)


def test_with_a_gap_messages_of_both_forms_join_their_neighbours_only() -> None:
    rule = sms.SmsRule(timedelta(milliseconds=10))
    rows = [(1, 0, 1, 1), (1, 5, 2, 1), (1, 8, 3, 0), (1, 17, 4, 1), (1, 29, 5, 0), (1, 39, 6, 1)]
    assert list(rule.pairs(rows, ())) == [(1, 3), (2, 3), (3, 4), (5, 6)]


def test_a_rejected_message_is_kept_with_its_text(tmp_path: Path) -> None:
    texts = {
        "sms.csv": 'peer;date;text;name\n12;never;"a; b";Ada;more\n',
        "sms.xml": '<smses><sms address="" date="1" type="1" body="no &lt;peer&gt;" /></smses>',
    }
    rejected: list[bytes] = []
    for name, text in texts.items():
        (tmp_path / name).write_text(text)
        found = sms.conversations(
            [str(tmp_path / name)],
            ORGANIZATION,
            reject=lambda _source, _number, _reason, data, _offset: rejected.append(data),
        )
        assert list(found) == []
    assert rejected == [b'12;never;"a; b";Ada;more', b'<sms address="" date="1" type="1" body="no &lt;peer&gt;" />']


def test_androids_backup_is_read_with_its_broken_emoji(tmp_path: Path) -> None:
    path = tmp_path / "sms.xml"
    path.write_text(XML)
    (found,), rejected, _counts = imported(path)
    assert rejected == [(4, "has no peer number")]
    assert (found.subject, found.metadata.snippet, found.message_count) == ("Dinner? 😀", "a picture", 3)
    assert (found.metadata.from_name, found.is_read, found.has_reply) == ("Ada", False, True)
    assert found.updated_on - found.created_on == timedelta(seconds=120)  # type: ignore[operator]
    path.write_text(XML[:-60])
    (found,), rejected, _counts = imported(path)
    assert found.message_count == 3
    assert [number for number, _reason in rejected] == [4]
    assert rejected[0][1].startswith("is not complete, valid XML after message 3: ")


def test_real_messages_come_through_a_csv_and_add_up(tmp_path: Path) -> None:
    """The texts of the collection in ../shared/data, if it exists, with invented numbers and times; else the sample."""
    if COLLECTION.exists():
        lines = gzip.decompress(COLLECTION.read_bytes()).decode().splitlines()[1:]
        texts = [line.partition("\t")[2] for line in lines]
    else:
        texts = [f'text "{number}", with a comma' for number in range(500)]
    path = tmp_path / "sms.csv"
    rows = []
    start = Conversation(uid=UUID(int=1), organization_uid=ORGANIZATION, updated_on="2024-01-01T00:00:00Z")  # type: ignore[arg-type]
    for number, text in enumerate(texts):
        when = format_time(start.updated_on + timedelta(minutes=number))
        quoted = text.replace('"', '""')
        rows.append(f'{when},+1555{number % 97:04},"{quoted}",inbound')
    path.write_text("date,peer,text,direction\n" + "\n".join(rows) + "\n")
    found, rejected, counts = imported(path)
    assert rejected == []
    assert counts.read == len(texts) == sum(one.message_count or 0 for one in found)
    assert len(found) == 97


def test_long_texts_are_shortened_and_a_date_ahead_of_the_clock_becomes_that_of_the_import(tmp_path: Path) -> None:
    path = tmp_path / "sms.csv"
    start = datetime.now(UTC)
    path.write_text(
        "date,peer,text,direction,name\n"
        f"2024-07-01T12:00:00Z,{'1' * 5_000},{'t' * 300_000},in,{'n' * 5_000}\n"
        "2150-07-01T12:00:00Z,555,from a wrong clock,in,\n"
        "9999-12-31T23:59:59Z,556,from another,in,\n"
        "2024-07-01T12:00:00Z,557,usual,in,\n"
    )
    found, rejected, counts = imported(path)
    assert (rejected, counts.shortened, counts.dates_ahead) == ([], 1, 2)
    long, wrong, other, usual = found
    assert long.subject == "t" * 199 + "…"
    assert long.metadata.from_name == "n" * 999 + "…"
    assert long.metadata.thread_id == "1" * 999 + "…"
    for one in (wrong, other):
        assert start - timedelta(seconds=1) <= one.updated_on <= datetime.now(UTC)
        assert one.sent_at == one.created_on == one.updated_on
    assert format_time(usual.updated_on) == "2024-07-01T12:00:00.000Z"
    assert [one.uid for one in imported(path)[0]] == [one.uid for one in found]
