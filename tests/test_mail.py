"""Mailboxes: splitting, decoding, threading; on made-up messages and on the sample's real ones."""

from __future__ import annotations

import gzip
import re
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest

from service.sources import mail, mailbox
from service.sources.message import parse
from service.sources.threads import normalised_subject
from tests.mail_imports import HEAD, ORGANIZATION, SAMPLE, SHARED, imported, message, numbered, raw, summed


@pytest.mark.parametrize(
    ("header", "subject"),
    [
        (b"Subject: =?utf-8?q?Caf=C3=A9?=", "Café"),
        (b"Subject: =?iso-8859-1?q?Caf=E9?=", "Café"),
        (b"Subject: =?iso-2022-jp?b?GyRCRWw1fhsoQg==?=", "東京"),
        (b"Subject: =?gb2312?b?1tDOxA==?= tail", "中文 tail"),
        (b"Subject: =?utf-8?b?5p2x?=\n =?utf-8?b?5Lqs?=", "東京"),
        (b"Subject: =?no-such-charset?q?abc?=", "abc"),
        (b"Subject: =?utf-8?q?broken", "=?utf-8?q?broken"),
        ("Subject: Café".encode(), "Café"),
        ("Subject: Café".encode("latin-1"), "Café"),
        (b"Subject: folded\n line", "folded line"),
        (b"Subject: nul\x00 and\ttab", "nul and tab"),
        (b"Subject: I\x00n\x00v\x00oice\x01 5", "Invoice 5"),
        (b"Subject:", ""),
        (b"X: y", None),
    ],
)
def test_subjects_are_decoded_as_well_as_they_can_be(header: bytes, subject: str | None) -> None:
    assert message(HEAD.encode() + header + b"\n\nBody\n").subject == subject


def test_a_very_long_subject_is_kept_until_it_is_made_to_fit() -> None:
    assert len(message(f"{HEAD}Subject: {'x' * 10_000}\n\n").subject or "") == 10_000


@pytest.mark.parametrize(
    ("value", "name", "email"),
    [
        ("Ada <Ada@X.org>", "Ada", "ada@x.org"),
        ("ada at x.org (Ada Lovelace)", "Ada Lovelace", "ada@x.org"),
        ("ada at x.org", None, "ada@x.org"),
        ("=?utf-8?q?Jos=C3=A9?= <jose@x.org>", "José", "jose@x.org"),
        ('"Doe, J." <j@x.org>', "Doe, J.", "j@x.org"),
    ],
)
def test_senders(value: str, name: str | None, email: str) -> None:
    sender = message(f"From: {value}\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\n").sender
    assert (sender.name, sender.email) == (name, email)


@pytest.mark.parametrize(
    ("headers", "separator", "date"),
    [
        ("Date: Mon, 1 Jan 2024 12:00:00 +0200", b"", datetime(2024, 1, 1, 10, tzinfo=UTC)),
        ("Date: Mon, 1 Jan 2024 12:00:00 -0000", b"", datetime(2024, 1, 1, 12, tzinfo=UTC)),
        (
            "Date: nonsense\nReceived: by x; Mon, 1 Jan 2024 12:00:00 +0000",
            b"",
            datetime(2024, 1, 1, 12, tzinfo=UTC),
        ),
        ("Date: Mon, 1 Jan 1904 12:00:00 +0000", b"From a at x Wed Jul 30 21:49:08 2003", datetime(2003, 7, 30, 21, 49, 8, tzinfo=UTC)),
        ("X: y", b"From a@x  Wed Jul  2 21:49:08 2003\n", datetime(2003, 7, 2, 21, 49, 8, tzinfo=UTC)),
        ("Date: Thu, 1 Jan 1970 00:00:00 +0000", b"", datetime(1970, 1, 1, tzinfo=UTC)),
        ("Date: Wed, 31 Dec 1969 19:00:01 -0500", b"", datetime(1970, 1, 1, 0, 0, 1, tzinfo=UTC)),
        ("Date: Thu, 1 Jan 1970 00:00:00 +0000", b"From a@x  Wed Jul  2 21:49:08 2003\n", datetime(2003, 7, 2, 21, 49, 8, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_dates_have_fallbacks(headers: str, separator: bytes, date: datetime) -> None:
    assert parse(raw(f"From: a@x.org\n{headers}\n\n", separator)).date == date


def test_an_address_that_is_there_twice_counts_once() -> None:
    found = message(f"{HEAD}To: Bo <b@x.org>, c@x.org, B@X.org\nTo: c@x.org\nCc: b@x.org, b@x.org\n\n")
    assert (found.to, found.cc) == (("b@x.org", "c@x.org"), ("b@x.org",))


@pytest.mark.parametrize("text", ["", "no headers at all", "From: a@x.org\n\nno date", "Date: nonsense\n\n"])
def test_a_message_without_headers_or_a_valid_date_is_refused_with_the_reason(text: str) -> None:
    with pytest.raises(ValueError, match=r"no headers|no valid date"):
        message(text)


def test_the_snippet_is_what_the_writer_wrote() -> None:
    body = "On Monday Bob wrote:\n> quoted\n\nYes,  I agree.\n-- \nAda\n"
    assert message(f"{HEAD}\n{body}").snippet == "Yes, I agree."


def test_attachments_are_counted_and_text_found_in_nested_parts() -> None:
    text = (
        f"{HEAD}MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=o\n\n--o\n"
        "Content-Type: multipart/alternative; boundary=i\n\n--i\nContent-Type: text/plain; charset=utf-8\n"
        "Content-Transfer-Encoding: base64\n\nR3LDvMOfZQ==\n--i\nContent-Type: text/html\n\n<b>x</b>\n--i--\n"
        "--o\nContent-Type: application/pdf; name=a.pdf\n\nx\n"
        "--o\nContent-Type: text/plain\nContent-Disposition: attachment; filename=b.txt\n\ny\n--o--\n"
    )
    found = message(text)
    assert (found.snippet, found.attachments) == ("Grüße", 2)


@pytest.mark.parametrize(
    ("subject", "normal", "is_reply"),
    [
        ("Re: [List] Hello  World", "hello world", True),
        ("[List] Re: Hello World", "hello world", True),
        ("AW: SV: Fwd: x", "x", True),
        ("Re[2]: x", "x", True),
        ("回复：你好", "你好", True),
        ("[Fwd: Invoice]", "invoice", True),
        ("Re: [Fwd: [Fwd: Invoice [3]]] ", "invoice [3]", True),
        ("[list] [WG: Invoice]", "invoice", True),
        ("[Fwd: Invoice] paid", "paid", False),
        ("Invoice (fwd)", "invoice", True),
        ("Re: (Fwd) Invoice", "invoice", True),
        ("(fwd)", "(fwd)", False),
        ("Invoice (fwd) paid", "invoice (fwd) paid", False),
        ("[Note: Invoice]", "[note: invoice]", False),
        ("Svar: Ang: x", "x", True),
        ("Regarding", "regarding", False),
        ("[only]", "[only]", False),
        ("\u200f\u200eRe: \u202bx\u202c", "x", True),
        (None, "", False),
    ],
)
def test_subjects_are_normalised_for_threading(subject: str | None, normal: str, is_reply: bool) -> None:
    assert normalised_subject(subject) == (normal, is_reply)


def test_threads_follow_references_in_reply_to_and_then_the_subject(tmp_path: Path) -> None:
    box = [
        numbered(1),
        numbered(2, In_Reply_To="<1@x>", Subject="Re: Hello"),
        numbered(3, References="<1@x> <2@x>", Subject="changed"),
        numbered(4, Subject="RE: hello"),
        numbered(5, Subject="Other"),
        numbered(6, References="<gone@x>", Subject="Re: other"),
        numbered(7, References="<gone@x> <gone2@x>", Subject="Re: other"),
        numbered(1, Subject="a duplicate"),
    ]
    found, counts = summed(tmp_path, *box)
    assert [one.message_count for one in found] == [4, 1, 2]
    assert [one.metadata.thread_id for one in found] == ["<1@x>", "<5@x>", "<gone@x>"]
    assert counts.duplicates == 1


@pytest.mark.parametrize(
    "subject", ["re" + " " * 1_000_000, "re: " * 250_000, "[a] " * 250_000 + "x", "re[1]" * 200_000]
)
def test_a_subject_of_any_form_is_normalised_in_linear_time(subject: str) -> None:
    started = time.process_time()
    normalised_subject(subject)
    assert time.process_time() - started < 5  # quadratic time would be minutes


def test_a_line_that_only_begins_like_a_separator_is_recognized_in_linear_time(tmp_path: Path) -> None:
    line = "From " + "1:00 2000x" * 100_000
    path = tmp_path / "mbox"
    path.write_text(f"From a@b.c Mon Jan  1 00:00:00 2024\nSubject: x\n\n\n{line}\nTo: y\n")
    started = time.process_time()
    assert [len(raw.data) for raw in mailbox.read(path)] == [len(f"Subject: x\n\n\n{line}\nTo: y\n")]
    assert time.process_time() - started < 5


def test_an_mbox_is_split_at_separators_and_not_at_from_in_bodies(tmp_path: Path) -> None:
    first = numbered(1).replace("Body", "Body\n\nFrom here on 10:00 in 2003 it is text\n\n>From quoted\n>>From twice")
    text = (
        f"From ada@x.org Mon Jan  1 10:00:00 2024\n{first}\nFrom bob at x.org  Mon Jan  1 10:00:00 2024\n{numbered(2)}"
    )
    (tmp_path / "box").write_text(text)
    found = list(mailbox.read(tmp_path / "box"))
    assert [one.number for one in found] == [1, 2]
    assert b"\n\nFrom here on" in found[0].data
    assert b"\nFrom quoted\n>From twice" in found[0].data


def test_maildir_folders_gzip_and_flags_are_read(tmp_path: Path) -> None:
    for name in ("cur", "new", "tmp"):
        (tmp_path / "maildir" / name).mkdir(parents=True)
    (tmp_path / "maildir" / "cur" / "1:2,S").write_text(numbered(1))
    (tmp_path / "maildir" / "cur" / "2:2,").write_text(numbered(2, Subject="b"))
    (tmp_path / "maildir" / "new" / "3").write_text(numbered(3, Subject="c"))
    (tmp_path / "tree" / "deep").mkdir(parents=True)
    (tmp_path / "tree" / "deep" / "4.eml").write_text(numbered(4, Subject="d"))
    (tmp_path / "tree" / "5.mbox.gz").write_bytes(
        gzip.compress(b"From a Mon Jan  1 10:00:00 2024\n" + numbered(5, Subject="e", Status="RO").encode())
    )
    found, rejected, read = imported(tmp_path)
    assert (rejected, read) == ([], 5)
    assert {one.subject: one.is_read for one in found} == {"Hello": True, "b": False, "c": False, "d": None, "e": True}


def test_direction_comes_from_the_organizations_own_addresses(tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_text(numbered(1))
    assert imported(tmp_path)[0][0].direction == "inbound"
    assert imported(tmp_path, own=mail.Own(addresses=frozenset({"ada@x.org"})))[0][0].direction == "outbound"
    assert imported(tmp_path, own=mail.Own(domains=frozenset({"x.org"})))[0][0].direction == "outbound"


def test_the_samples_messages_add_up_and_importing_twice_gives_the_same() -> None:
    found, rejected, read = imported(SAMPLE)
    assert rejected == []
    assert read == gzip.decompress(SAMPLE.read_bytes()).count(b"\nMessage-ID:")
    ids = {one.id for raw_message in mailbox.read(SAMPLE) for one in [parse(raw_message)]}
    assert sum(one.message_count or 0 for one in found) == len(ids)
    assert imported(SAMPLE)[0] == found


@pytest.mark.slow
def test_real_archives_lose_no_message() -> None:
    """Checks the archives in ../shared/data/mail, if there are any.

    Mailman writes From: and Date: behind each separator. Message-ID lines are more: quoted digests have them, too.
    """
    begun = re.compile(rb"^From .*\d{4}\nFrom: .*\n(?:[ \t].*\n)*Date: ", re.MULTILINE)
    for path in sorted(SHARED.glob("*.txt.gz")) if SHARED.is_dir() else []:
        expected = len(begun.findall(gzip.decompress(path.read_bytes())))
        _found, rejected, read = imported(path)
        assert (read, rejected) == (expected, []), path


def test_google_takeout_gives_threads_labels_and_what_was_read(tmp_path: Path) -> None:
    labels = "=?UTF-8?Q?Inbox,Unread,=22K=C3=B6ln,_Rhein=22?="
    box = [
        numbered(1, X_GM_THRID="17", X_Gmail_Labels=labels),
        numbered(2, X_GM_THRID="17", X_Gmail_Labels="Sent,Done", Subject="Other"),
        numbered(3, X_GM_THRID="18", X_Gmail_Labels="Drafts"),
    ]
    path = tmp_path / "All mail.mbox"
    path.write_text("".join(f"From 17@xxx Mon Jan 01 10:00:00 +0000 2024\n{one}\n" for one in box))
    rules = mail.Rules({"Done": "closed"}, {"Köln, Rhein": "Cologne"})
    first, draft = mail.conversations([str(path)], ORGANIZATION, mail.Own(), reject=lambda *_what: None, rules=rules)
    assert (first.message_count, first.is_read, first.status, first.categories) == (2, False, "closed", ["Cologne"])
    assert first.metadata.labels == ["Inbox", "Unread", "Köln, Rhein", "Sent", "Done"]
    assert (draft.status, draft.is_read) == ("draft", True)


def test_flags_of_maildir_and_mbox_are_read(tmp_path: Path) -> None:
    for name in ("cur", "new"):
        (tmp_path / "dir" / name).mkdir(parents=True)
    (tmp_path / "dir" / "cur" / "1:2,FRS").write_text(numbered(1))
    (tmp_path / "dir" / "cur" / "2:2,D").write_text(numbered(2, Subject="b"))
    status = numbered(3, Subject="c", Status="RO", X_Status="AF", X_Keywords="work urgent")
    (tmp_path / "box").write_text(f"From a Mon Jan  1 10:00:00 2024\n{status}")
    found = {one.subject: one for one in imported(tmp_path / "dir", tmp_path / "box")[0]}
    assert (found["Hello"].has_reply, found["Hello"].is_read, found["Hello"].metadata.labels) == (
        True,
        True,
        ["Flagged"],
    )
    assert found["b"].status == "draft"
    assert found["c"].metadata.labels == ["work", "urgent", "Flagged"]
    assert found["c"].has_reply is True


@pytest.mark.parametrize(
    "data",
    [
        b"", b"\0" * 100, b"\n\n\n", b"Subject: x", b"Date: never\n\n", b"From: a\0b@x\nDate: \xff\xfe\n\nx",
        HEAD.encode() + b"Content-Type: multipart/mixed; boundary=\n\n--\n--\n",
        HEAD.encode() + b"Content-Type: text/plain; charset=\"\0\"\nContent-Transfer-Encoding: base64\n\n!!!!\xff\n",
        HEAD.encode() + b"Content-Type: message/rfc822\n\n" + HEAD.encode() * 50,
        HEAD.encode() + b"Content-Type: application/ms-tnef; name=winmail.dat\n\n\x78\x9f\x3e\x22",
        HEAD.encode() + b"Subject: =?utf-8?b?" + b"A" * 10_000 + b"?=\n\n",
        HEAD.encode() + b"Subject: " + b"=?gb2312?b?xOO6w9XmtcQ=?= =?x-unknown?q?=ff?= \x80\x81\n\n",
        HEAD.encode() + b"".join(b"References: <%d@elsewhere>\n" % number for number in range(5000)) + b"\n",
        HEAD.encode() + b"To: " + b"a@x, " * 20_000 + b"\n\n",
    ],
)  # fmt: skip
def test_a_message_never_stops_the_import(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "1.eml").write_bytes(data)
    (tmp_path / "2.eml").write_text(numbered(2))
    found, rejected, read = imported(tmp_path)
    assert read == len(rejected) + sum(one.message_count or 0 for one in found)
    assert "2@x" in "".join(one.metadata.provider_message_id or "" for one in found)


def test_the_malformed_set_gives_conversations_or_reasons_and_nothing_else() -> None:
    """Checks two archives in ../shared/data/malformed, if they exist. They hold 104 and 31 files that are not empty."""
    folder = SHARED.parent / "malformed"
    for name, files in (("mail-fixtures.tar.gz", 104), ("mail-parser-thirdparty.tar.gz", 31)):
        if folder.is_dir():
            _found, rejected, read = imported(folder / name)
            assert read == files
            assert {reason.partition(":")[0] for reason in rejected} <= {
                "has no headers",
                "has no valid date in Date, Received, or the mailbox's separator line",
            }
