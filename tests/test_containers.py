"""Archives and compressed files: the messages in them are read, and incomplete files are reported."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import zstandard

from service.sources import mailbox
from tests.archives import BOX, tarred, zipped
from tests.mail_imports import numbered


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(data)


@pytest.mark.parametrize(
    ("data", "count"),
    [
        (BOX, 3),
        (gzip.compress(BOX), 3),
        (gzip.compress(BOX[:200]) + gzip.compress(BOX[200:]), 3),
        (zstd(BOX), 3),
        (zstd(BOX[:200]) + zstd(BOX[200:]), 3),
        (zipped(a=BOX, b=numbered(9).encode()), 4),
        (tarred(a=BOX, b=numbered(9).encode()), 4),
        (gzip.compress(tarred(a=gzip.compress(BOX), b=zipped(c=BOX))), 6),
        (zipped(a=zstd(tarred(b=BOX))), 3),
        (b"", 0),
        (gzip.compress(b""), 0),
        (zipped(), 0),
    ],
)
def test_the_messages_in_every_kind_of_archive_are_read(tmp_path: Path, data: bytes, count: int) -> None:
    path = tmp_path / "any-name"
    path.write_bytes(data)
    read: list[int] = []
    found = list(mailbox.read(path, advance=read.append))
    assert len(found) == count
    assert len({(one.source, one.number) for one in found}) == count
    if count:
        assert sum(read) == mailbox.size(path)


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_tar_that_is_damaged_between_its_files_is_a_reject(is_cut: bool, tmp_path: Path) -> None:
    data = tarred(a=numbered(1).encode(), b=numbered(2).encode(), c=numbered(3).encode())
    (tmp_path / "x.tar").write_bytes(data[:1300] if is_cut else data[:1024] + b"x" * 76 + data[1100:])
    whole, damaged = mailbox.read(tmp_path / "x.tar")
    assert (whole.problem, whole.data) == (None, numbered(1).encode())
    assert damaged.problem is not None
    assert "is incomplete or damaged" in damaged.problem


@pytest.mark.parametrize("data", [gzip.compress(BOX)[:-20], zstd(BOX)[:-20], zipped(a=BOX)[:-30], tarred(a=BOX)[:600]])
def test_an_incomplete_archive_is_reported(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "cut"
    path.write_bytes(data)
    *read, last = mailbox.read(path)
    assert last.problem is not None
    assert "incomplete or damaged" in last.problem
    assert all(BOX.find(one.separator + one.data) >= 0 for one in read)


def test_archives_nested_too_deep_are_refused(tmp_path: Path) -> None:
    data = BOX
    for _ in range(10):
        data = gzip.compress(data)
    (tmp_path / "deep").write_bytes(data)
    (found,) = mailbox.read(tmp_path / "deep")
    assert found.problem == "has archives nested more than 5 deep: unpack it first"


def test_the_offset_of_a_message_is_its_position_in_the_file(tmp_path: Path) -> None:
    (tmp_path / "box").write_bytes(BOX)
    for one in mailbox.read(tmp_path / "box"):
        assert BOX[one.offset :].startswith(one.separator + one.data)


def test_a_content_length_is_used_only_if_it_is_right(tmp_path: Path) -> None:
    """mboxcl: a right length covers a separator inside the body. A wrong length loses no message."""
    quoted = "Body\n\nFrom b@x Mon Jan  1 10:00:00 2024\nSubject: a quoted message\n\nits text\n"

    def box(length: int) -> bytes:
        first = numbered(1, Content_Length=str(length)).replace("Body\n", quoted)
        return f"From a@x Mon Jan  1 10:00:00 2024\n{first}\nFrom a@x Mon Jan  1 10:00:00 2024\n{numbered(2)}".encode()

    for length, messages in ((len(quoted), 2), (len(quoted) + 60, 3), (10_000, 3), (5, 3)):
        (tmp_path / "box").write_bytes(box(length))
        found = list(mailbox.read(tmp_path / "box"))
        assert len(found) == messages, length
        assert b"".join(one.data for one in found).count(b"Message-ID:") == 2
