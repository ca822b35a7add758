"""Hostile archives and messages end in rejects, in bounded time and memory, and cost no other message."""

from __future__ import annotations

import gzip
import io
import json
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import zstandard

from service.sources import mailbox
from service.sources.file_limits import Limits
from tests.archives import BOX, tarred, zipped
from tests.mail_imports import numbered

LIMITS = Limits(unpacked=1_000_000, ratio=20, directory=20_000, entry=5_000)


def problems(path: Path, data: bytes) -> tuple[int, list[str]]:
    """How many messages are read, and the problems, within the small limits."""
    (path / "archive").write_bytes(data)
    started = time.process_time()
    found = list(mailbox.read(path / "archive", limits=LIMITS))
    assert time.process_time() - started < 5
    return sum(one.problem is None for one in found), [one.problem for one in found if one.problem is not None]


def overlapping() -> bytes:
    """A zip whose directory lists one file many times, each time with another name."""
    packed = bytearray(zipped(a=BOX))
    at = packed.index(b"PK\x01\x02")
    end = packed.index(b"PK\x05\x06")
    entry = bytes(packed[at:end])
    listed = b"".join(entry[:-1] + bytes([ord("a") + number]) for number in range(20))
    tail = bytearray(packed[end:])
    tail[8:12] = (20).to_bytes(2, "little") * 2
    tail[12:16] = len(listed).to_bytes(4, "little")
    return bytes(packed[:at]) + listed + bytes(tail)


def with_attributes(length: int) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as archive:
        entry = tarfile.TarInfo("a")
        entry.size, entry.pax_headers = len(BOX), {"comment": "x" * length}
        archive.addfile(entry, io.BytesIO(BOX))
    return buffer.getvalue()


HOSTILE = {
    "one message in a gzip": (gzip.compress(BOX + b"x" * 30_000_000), 3, "more than 20 times its size"),
    "empty lines in a gzip": (gzip.compress(b"\n" * 30_000_000), 0, "more than 20 times its size"),
    "zstandard": (zstandard.ZstdCompressor().compress(BOX + b"x" * 30_000_000), 3, "more than 20 times its size"),
    "a zip": (zipped(a=BOX, b=b"x" * 30_000_000), 3, "more than 20 times its size"),
    "a zip in a zip": (zipped(a=zipped(b=zipped(c=b"x" * 30_000_000))), 0, "more than 20 times its size"),
    "overlapping files": (overlapping(), 0, "overlap"),
    "a long list of files": (zipped(**{f"file{number}": b"" for number in range(500)}), 0, "list of files"),
    "long attributes": (with_attributes(100_000), 0, "longer than 5,000 bytes"),
    "a cut zip": (zipped(a=BOX)[:-10], 0, "damaged"),
    "no zip": (b"PK\x03\x04" + b"x" * 1_000, 0, "damaged"),
    "a cut tar": (tarred(a=BOX, b=BOX)[:1600], 3, "damaged"),
    "xz": (b"\xfd7zXZ\0" + b"x" * 100, 0, "xz file"),
    "7z": (b"7z\xbc\xaf\x27\x1c" + b"x" * 100, 0, "7z archive"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_archive_is_a_reject(name: str, tmp_path: Path) -> None:
    data, messages, problem = HOSTILE[name]
    count, found = problems(tmp_path, data)
    assert count in (messages, messages + 1)  # the one that is cut off may come out, too
    assert any(problem in one for one in found), found


def test_a_broken_file_in_an_archive_does_not_affect_other_files(tmp_path: Path) -> None:
    broken = bytearray(zipped(a=BOX, b=BOX, c=BOX))
    second = broken.index(b"PK\x03\x04", 10)
    broken[second + 40 : second + 60] = b"x" * 20
    assert problems(tmp_path, bytes(broken))[0] >= 6
    count, found = problems(
        tmp_path, tarred(a=BOX, b=gzip.compress(BOX)[:-20], c=b"\x1f\x8bxx", d=zipped(x=BOX)[:-9], e=BOX)
    )
    assert count >= 6
    assert len(found) == 3


def test_links_devices_and_absolute_names_in_a_tar_reach_nothing(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number, kind in enumerate(
            (tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)
        ):
            entry = tarfile.TarInfo(f"x{number}")
            entry.type, entry.linkname = kind, "/etc/passwd"
            archive.addfile(entry)
        for name in ("/etc/absolute.eml", "../../up.eml", "a" * 300):
            entry = tarfile.TarInfo(name)
            entry.size = len(numbered(1))
            archive.addfile(entry, io.BytesIO(numbered(1).encode()))
    assert problems(tmp_path, buffer.getvalue()) == (3, [])


def test_a_named_encrypted_file_is_a_reject(tmp_path: Path) -> None:
    data = bytearray(zipped(a=BOX, b=BOX))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert problems(tmp_path, bytes(data)) == (3, ["is encrypted: unpack it first"])


# ---- Memory, measured in processes of their own.

MEASURE = """
import json, sys
from uuid import UUID
from service.sources import mail, sms, threads
from service.sources.message import parse
def peak_kilobytes():  # not ru_maxrss, which a process inherits from the one that starts it
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM"))
before = peak_kilobytes()
counts = mail.Counts()
module = sms if sys.argv[1] == "sms" else mail
arguments = [] if module is sms else [mail.Own()]
found = sum(1 for _ in module.conversations([sys.argv[2]], UUID(int=1), *arguments, reject=lambda *what: None, counts=counts))
peak = peak_kilobytes()
print(json.dumps([found, counts.read, counts.rejected, peak // 1024, (peak - before) // 1024]))
"""
PART = b"--b\nContent-Type: application/pdf; name=a.pdf\nContent-Transfer-Encoding: base64\n\n"


def one_large_message(size: int) -> Iterator[bytes]:
    yield b"From a@x Mon Jan  1 10:00:00 2024\nFrom: a@x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nContent-Type: multipart/mixed; boundary=b\n\n"
    yield b"--b\n\nHello\n" + PART
    line = b"QUJD" * 19 + b"\n"
    for _ in range(size // (len(line) * 1000)):
        yield line * 1000
    yield b"--b--\n"


def a_large_header(size: int) -> Iterator[bytes]:
    yield b"From: a@x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\nSubject: "
    for _ in range(size // 100_000):
        yield b"x" * 100_000


def a_long_line(head: bytes, unit: bytes, size: int) -> Iterator[bytes]:
    yield head
    for _ in range(size // (len(unit) * 1000)):
        yield unit * 1000


def many_messages(size: int) -> Iterator[bytes]:
    body = "A line of text that a person wrote.\n" * 300
    for number in range(size // len(body)):
        head = numbered(number % 60, Message_ID=f"<{number}@x>", Subject=f"Subject {number}")
        yield f"From a@x Mon Jan  1 10:00:00 2024\n{head}{body}\n".encode()


MEGABYTE = 10**6
SOURCES: dict[str, tuple[str, Callable[[], Iterator[bytes]], tuple[int, int, int] | None]] = {
    "one message of 105 MB": ("mail", lambda: one_large_message(105 * MEGABYTE), (1, 1, 0)),
    "a header of 60 MB": ("mail", lambda: a_large_header(60 * MEGABYTE), (0, 1, 1)),
    "a message of one line": ("mail", lambda: a_long_line(b"From: a@x\nDate: Mon, 1 Jan 2024 10:00:00 +0000\n\n", b"xy", 60 * MEGABYTE), (1, 1, 0)),
    "40 MB of messages": ("mail", lambda: many_messages(40 * MEGABYTE), None),
    "a line of XML": ("sms", lambda: a_long_line(b'<smses><sms address="1" date="1719835200000" type="1" body="', b"\xc3\xa9 ", 60 * MEGABYTE), (0, 1, 1)),
    "a line of CSV": ("sms", lambda: a_long_line(b"peer,date,text\n1,1719835200,", b"x, ", 100 * MEGABYTE), (0, 1, 1)),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", SOURCES)
def test_memory_is_bounded(name: str, tmp_path: Path) -> None:
    kind, pieces, expected = SOURCES[name]
    with (tmp_path / "source").open("wb") as file:
        file.writelines(pieces())
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, kind, str(tmp_path / "source")],
        cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True,
    )  # fmt: skip
    found, read, rejected, peak, grown = json.loads(done.stdout)
    if expected is not None:
        assert (found, read, rejected) == expected
    assert peak < 200, f"{peak} MB, of which {grown} for this source"
