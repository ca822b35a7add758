"""mbox files of all variants: every message comes out as it went in, and a line of text is no separator."""

from __future__ import annotations

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from service.sources import mailbox
from service.sources.file_limits import Limits
from service.sources.message import parse
from tests.examples import examples
from tests.mail_imports import imported, numbered

FROM = "From ada@x.org Mon Jan  1 10:00:00 2024\n"
SHA = "0123456789abcdef0123456789abcdef01234567"
GIT = f"From {SHA} Mon Sep 17 00:00:00 2001\n"
PATCH = "From: Joe <joe@x.org>\nDate: Mon, 4 Mar 2024 09:00:00 +0000\nSubject: [PATCH] Fix\n\n---\n a.c | 2 +-\n"


def read(path: Path, data: str | bytes, name: str = "box") -> list[mailbox.RawMessage]:
    (path / name).write_bytes(data.encode("utf-8", "surrogateescape") if isinstance(data, str) else data)
    return list(mailbox.read(path / name))


def ids(found: list[mailbox.RawMessage]) -> list[str]:
    return [
        name.decode() for one in found for name in re.findall(rb"^Message-ID: <(\d+)@x>", one.data, re.MULTILINE)[:1]
    ]


BARE = "".join(f"From {end}\n{numbered(number)}\n" for number, end in enumerate(["", "-", "- "], start=1))
ONE, TWO = numbered(1), numbered(2)
TWO_MESSAGES: dict[str, str | bytes] = {
    "usual": f"{FROM}{ONE}\n{FROM}{TWO}\n",
    "a byte order mark": f"\ufeff{FROM}{ONE}\n{FROM}{TWO}\n",
    "empty lines in front": f"\r\n\n \t\n{FROM}{ONE}\n{FROM}{TWO}\n",
    "both": f"\ufeff\n\n{FROM}{ONE}\n{FROM}{TWO}\n",
    "no empty line between": f"{FROM}{ONE}{FROM}{TWO}",
    "several empty lines between": f"{FROM}{ONE}\n\n\n \n{FROM}{TWO}",
    "no body, no empty line": f"{FROM}{ONE.partition(chr(10) * 2)[0]}\n{FROM}{TWO}",
    "no end of line": f"{FROM}{ONE}\n{FROM}{TWO}".rstrip("\n"),
    "old separators behind": f"{FROM}>From b Mon Jan  1 10:00:00 2024 remote from c\n>From d Mon Jan 1\n{ONE}\n{FROM}{TWO}",
    "CRLF": f"{FROM}{ONE}\n{FROM}{TWO}\n".replace("\n", "\r\n"),
    "CR": f"{FROM}{ONE}\n{FROM}{TWO}\n".replace("\n", "\r"),
    "Takeout": f"From 17@xxx Mon Jan 01 10:00:00 +0000 2024\n{ONE}\nFrom 18@xxx Mon Jan 01 10:00:00 +0000 2024\n{TWO}",
    "a zone": f"From a Mon Jan  1 10:00:00 EST 2024\n{ONE}\nFrom a Mon Jan  1 10:00:00 2024 +0100\n{TWO}",
    "cron": f"From root Mon Jan  1 10:00 UTC 2024\n{ONE}\nFrom root Mon Jan  1 10:00 2024\n{TWO}",
    "Eudora": f"From ???@??? Mon Jan 01 10:00:00 2024\n{ONE}\nFrom ???@??? Mon Jan 01 10:00:00 2024\n{TWO}",
    "ISO": f"From a@x 2024-01-01T10:00:00\n{ONE}\nFrom a@x 2024-01-01 10:00:00\n{TWO}",
    "ISO without an empty line": f"From a@x 2024-01-01T10:00:00\n{ONE}From a@x 2024-01-01 10:00:00\n{TWO}",
    "a localized date without an empty line": f"From a@x lun. janv. 1 10:00:00 2024\n{ONE}From a@x lun. janv. 1 10:00:00 2024\n{TWO}",
    "only an address": f"From a@x.org\n{ONE}\nFrom b@x.org\n{TWO}",
    "a name with spaces": f"From Ada at home Mon Jan  1 10:00:00 2024\n{ONE}\nFrom  Mon Jan  1 10:00:00 2024\n{TWO}",
    "a stray separator in the headers": f"{FROM}Return-Path: <a@x>\n{FROM}{ONE}\n{FROM}{TWO}",
    "a line without a colon first": f"{FROM}with ESMTP id 7\n{ONE}\n{FROM}by mail\n{TWO}",
    "MMDF": f"\1\1\1\1\n{ONE}\1\1\1\1\n\1\1\1\1\n{FROM}{TWO}\1\1\1\1\n",
    "UTF-16": f"\ufeff{FROM}{ONE}\n{FROM}{TWO}\n".encode("utf-16-le"),
    "git's own": f"{GIT}{ONE}-- \n2.40\n\n{GIT}{TWO}-- \n2.40\n\n",
    "a first separator cut off": f"{ONE}\n{FROM}{TWO}",
    "a first message cut off": f"end of a body\n\n{FROM}{ONE}\n{FROM}{TWO}",
    "Content-Length beyond the end": f"{FROM}{numbered(1, Content_Length='999999')}\n{FROM}{TWO}",
    "Content-Length to the end": f"{FROM}{numbered(1, Content_Length='{length}')}\n" + "".join(
        f"{FROM}{TWO}\n" for _ in range(30)),
    "Content-Length into the next": f"{FROM}{numbered(1, Content_Length='90')}\n{FROM}{TWO}",
    "a long separator": f"From {'a' * 100_000} Mon Jan  1 10:00:00 2024\n{ONE}\n{FROM}{TWO}",
    "a Thunderbird separator without an empty line": f"From \n{ONE}From - \n{TWO}",
}  # fmt: skip


@pytest.mark.parametrize("name", TWO_MESSAGES)
def test_two_messages_are_two_in_every_variant(name: str, tmp_path: Path) -> None:
    box = TWO_MESSAGES[name]
    if name == "Content-Length to the end":
        assert isinstance(box, str)
        box = box.replace("{length}", str(len(box.partition("\n\n")[2])))
    found = read(tmp_path, box)
    assert list(dict.fromkeys(ids(found))) == ["1", "2"]
    others = [one for one in found if b"Message-ID" not in one.data]
    assert len(others) == (name == "a first message cut off")
    assert all(one.data.startswith((b"From: ", b"Message-ID: ", b"Return-Path", b"with", b"by", b"From ")) for one in found if one not in others)  # fmt: skip


BODIES = {
    "prose": "From here on 10:00 in 2003 it is text\n",
    "prose and a colon": "From here on 10:00 in 2003 it is text\nNote: it is\n",
    "prose behind an empty line": "\nFrom here on 10:00 in 2003 it is text\nNote: it is\n",
    "a separator and no header": f"\n{FROM}it is\n",
    "a bare one and no header": "\nFrom \nFrom -\n\nFrom a@x\nhello\n",
    "a bare one and one header": "\nFrom \nSubject: x\n\n",
    "a patch": f"\n{GIT}{PATCH}",
    "a patch without an empty line": f"here:\n{GIT}{PATCH}",
    "a patch of SHA-256": f"\nFrom {SHA}{SHA[:24]} Mon Sep 17 00:00:00 2001\n{PATCH}",
    "a long line": "\nFrom " + "1:00 2000x" * 100_000 + "\nTo: y\n",
    "escaped ones": f"\n>{FROM}Subject: x\n\n>>{FROM}",
    "^A": "\n\1\1\1\1\nFrom: x\n",
}


@pytest.mark.parametrize("name", BODIES)
def test_a_line_of_text_is_no_separator(name: str, tmp_path: Path) -> None:
    first = ONE.replace("Body\n", BODIES[name])
    for end in ("\n", "\r\n"):
        found = read(tmp_path, f"{FROM}{first}\n{FROM}{TWO}\n".replace("\n", end))
        assert ids(found) == ["1", "2"]
        assert len(found) == 2


def test_bare_separators_split(tmp_path: Path) -> None:
    assert ids(read(tmp_path, BARE)) == ["1", "2", "3"]
    assert ids(read(tmp_path, BARE.replace("\n", "\r\n"))) == ["1", "2", "3"]


def test_one_message_stays_one_where_its_file_says_so(tmp_path: Path) -> None:
    """In a file named .eml or a message in a Maildir, a line like a separator is text."""
    quoting = ONE.replace("Body\n", f"see\n\n{FROM}{TWO}")
    (tmp_path / "cur").mkdir()
    for name in ("1.eml", "cur/1:2,S"):
        assert ids(read(tmp_path, quoting, name)) == ["1"]
        assert ids(read(tmp_path, FROM + quoting, "cur/2")) == ["1"]


def test_a_cut_off_message_is_one_and_a_lone_separator_is_a_reject(tmp_path: Path) -> None:
    box = f"{FROM}{ONE}\n{FROM}{TWO}"
    first_end = box.index(FROM, 1)
    for end in range(first_end + len(FROM), len(box)):
        assert len(read(tmp_path, box[:end])) == 2, box[first_end:end]
    _found, rejected, count = imported(tmp_path / "box")
    assert (count, rejected) == (2, [])
    (tmp_path / "box").write_text(box[: first_end + len(FROM)])
    _found, rejected, count = imported(tmp_path / "box")
    assert (count, rejected) == (2, ["has no headers"])


def test_a_wrong_content_length_loses_no_message(tmp_path: Path) -> None:
    begin = f"{FROM}{numbered(0, Content_Length='LENGTH')}\n"
    rest = "".join(f"{FROM}{numbered(number)}\n" for number in range(1, 300))
    for length in (10, 100, 5_000, len(rest), len(rest) + 5, 10**6, 10**9, 10**11):
        found = read(tmp_path, begin.replace("LENGTH", f"{length}") + rest)
        assert ids(found) == [str(number) for number in range(300)], length


# Bodies that a writer of mbox may get: any bytes, and often lines that look like separators.
LINES = st.one_of(
    st.sampled_from([
        b"", b"From ", b"From -", b">From x", b">>From x", FROM.strip().encode(), b"From: a@x", b"Date: x", b"text",
        GIT.strip().encode(), b"Content-Length: 30", b"From a@x", b"\1\1\1\1", b"Subject: y", b"X-Mozilla-Status: 0009",
    ]),
    st.binary(max_size=20).map(lambda line: line.replace(b"\n", b"").replace(b"\r", b"")),
)  # fmt: skip
BODY = st.lists(LINES, max_size=8).map(lambda lines: b"".join(line + b"\n" for line in lines))
BODY_LISTS = st.lists(BODY, min_size=1, max_size=6)
HEAD = b"From: a@x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nMessage-ID: <%d@x>\nX-Of: me\n"


def written(bodies: list[bytes], variant: str) -> bytes:
    box = b""
    for number, given_body in enumerate(bodies):
        head, body = HEAD % number, given_body
        if variant != "cl2":
            escaped = rb"^(>*From )" if variant == "mboxrd" else rb"^(From )"
            body = re.sub(escaped, rb">\1", body, flags=re.MULTILINE)
        if variant in ("mboxcl", "cl2"):
            head += b"Content-Length: %d\n" % len(body)
        box += FROM.encode() + head + b"\n" + body + b"\n"
    return box


@settings(max_examples=examples(150))
@given(BODY_LISTS, st.sampled_from(["mboxrd", "mboxo", "mboxcl", "cl2"]))
@example([b"x\n\n" + FROM.encode() + b"From: y\nDate: z\n"], "cl2")
def test_written_messages_are_read_back(
    tmp_path_factory: pytest.TempPathFactory, bodies: list[bytes], variant: str
) -> None:
    found = read(tmp_path_factory.mktemp("mbox"), written(bodies, variant))
    assert [one.number for one in found] == [*range(1, len(bodies) + 1)]
    for number, (one, body) in enumerate(zip(found, bodies, strict=True)):
        head, _empty, back = one.data.partition(b"\n\n")
        assert head.startswith((HEAD % number).rstrip())
        if variant == "mboxrd":
            assert back == body
        else:  # these variants do not tell an escape from a line that had it before
            assert back.replace(b">From ", b"From ").replace(b">", b"") == body.replace(b">", b"")


@settings(max_examples=examples(100))
@given(st.binary(max_size=300).map(lambda data: data.replace(b"x", FROM.encode()).replace(b"y", b"\nFrom: a\n")))
def test_no_byte_is_lost(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    """The messages of any file hold all its text, except white space and escapes. Other encodings are left out here."""
    if data[:3] in (b"\xef\xbb\xbf",) or data[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" in data or b"\1" in data:
        return

    def text(value: bytes) -> bytes:
        return re.sub(rb"\s|>", b"", value)

    found = read(tmp_path_factory.mktemp("mbox"), b"From a Mon Jan  1 10:00:00 2024\nTo: b\n" + data)
    assert text(b"".join(one.separator + one.data for one in found)) == text(b"From a Mon Jan  1 10:00:00 2024\nTo: b\n" + data)  # fmt: skip


def test_offsets_hold_behind_marks_and_long_messages(tmp_path: Path) -> None:
    long = numbered(1).replace("Body", "a line of text\n" * 60_000)
    box = f"\n\n{FROM}{long}\n{FROM}{TWO}\n{FROM}{numbered(3)}\n".encode()
    found = read(tmp_path, box)
    assert ids(found) == ["1", "2", "3"]
    for one in found:
        assert box[one.offset :].startswith(one.separator + one.data)


HOSTILE = {
    "separators alone": FROM * 50_000,
    "separators and headers": f"{FROM}To: x\n" * 20_000,
    "bare ones": "\nFrom \n" * 200_000,
    "lengths that lie": f"{FROM}From: x\nContent-Length: 900000\n\n\n" * 5_000,
    "From in a line": "From " * 400_000,
    "escaped ones": ">From x\n" * 200_000,
    "escapes": ">" * 2_000_000,
    "empty lines": "\n" * 2_000_000,
    "spaces": " " * 2_000_000,
    "tabs and separators": ("\t" * 1_000 + "\n" + FROM) * 1_500,
    "one header": f"{FROM}X: " + "x" * 2_000_000,
    "boundaries": f"{FROM}From: x\n\n" + "\n--" * 600_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.slow
def test_a_hostile_file_is_read_in_linear_time(name: str, tmp_path: Path) -> None:
    started = time.process_time()
    assert sum(1 for _one in read(tmp_path, f"{FROM}{ONE}\n{HOSTILE[name]}")) > 0
    assert time.process_time() - started < 5


LIMITS = Limits(message=200_000, whole=20_000, section=2_000)


def limited(path: Path, data: bytes) -> list[mailbox.RawMessage]:
    (path / "box").write_bytes(data)
    return list(mailbox.read(path / "box", limits=LIMITS))


def test_a_message_that_is_too_large_is_a_reject_and_its_neighbours_are_read(tmp_path: Path) -> None:
    for huge, why in (
        (ONE + "a line\n" * 30_000, "is larger than 200,000 bytes"),
        (ONE + "x" * 300_000, "is larger than 200,000 bytes"),
        ("Subject: " + "x" * 30_000 + "\n" + ONE, "has headers of more than 20,000 bytes"),
    ):
        found = limited(tmp_path, f"{FROM}{numbered(3)}\n{FROM}{huge}\n{FROM}{TWO}\n".encode())
        assert [one.problem for one in found] == [None, why, None]
        assert ids([found[0], found[2]]) == ["3", "2"]


def test_text_attachment_count_and_digest_of_a_large_message_are_kept(tmp_path: Path) -> None:
    """The digest covers all bytes of the message."""
    part = (
        "--b\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n" + "QUJD" * 8_000 + "\n"
    )
    text = "--b\nContent-Type: text/plain\n\nHello there.\n"
    head = "From: a@x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nContent-Type: multipart/mixed; boundary=b\n\n"
    first, second = (head + text + part * 3 + f"--b--\n{end}" for end in ("one", "two"))
    found = limited(tmp_path, f"{FROM}{first}\n{FROM}{second}".encode())
    assert len({one.digest for one in found}) == 2
    assert all(len(one.data) < 10_000 for one in found)
    parsed = [parse(one) for one in found]
    assert [(one.snippet, one.attachments) for one in parsed] == [("Hello there.", 3)] * 2
    assert parsed[0].id != parsed[1].id


@pytest.mark.parametrize("begin", [b"\xef\xbb\xbf", b"\n\r\n", b"\xef\xbb\xbf\n", FROM.encode(), b" \n"])
def test_a_single_message_may_begin_with_a_byte_order_mark_separator_or_empty_lines(
    begin: bytes, tmp_path: Path
) -> None:
    for name in ("1.eml", "any"):
        (only,) = read(tmp_path, begin + ONE.encode(), name)
        assert only.data.rstrip() == ONE.encode().rstrip()
