"""Conversations from NDJSON: one JSON object a line, plain, gzip or zstandard, from a file or standard input.

An export of ours is such a file; its last line, which counts the others, is checked and is no conversation.
"""

from __future__ import annotations

import gzip
import io
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

import zstandard
from pydantic import ValidationError

from service.conversation import Conversation, reason
from service.errors import SourceUnreadable
from service.sources.containers import GZIP, ZSTANDARD, Counting, zstandard_stream

STANDARD_INPUT = "-"
MAX_LINE_BYTES = 2**21
_BOM = b"\xef\xbb\xbf"
_EXPORT_END = re.compile(rb'\s*\{"export":\s*\{"complete":\s*true,\s*"conversations":\s*(\d+)\}\}\s*')


@dataclass(frozen=True, slots=True)
class Line:
    """One line and what it holds: a conversation, or the reason why it does not hold one."""

    source: str
    number: int
    text: bytes
    conversation: Conversation | None
    reason: str | None = None


def read(path: str, *, after: int = 0, advance: Callable[[int], None] = lambda _count: None) -> Iterator[Line]:
    """Each line of the file (or of standard input, for "-") that is not blank and comes after that number.

    `advance(count)` is told the bytes of the file as they are read, compressed ones as they are on disk.
    Raises SourceUnreadable where the file cannot be opened, or breaks off (a gzip file that was cut).
    """
    number = since_end = 0
    try:
        with _open(path) as raw:
            for number, text in enumerate(_texts(_decompressed(path, Counting(raw, advance))), start=1):
                if end := _EXPORT_END.fullmatch(text):
                    if (told := int(end[1])) != since_end:
                        yield Line(path, number, text, None, f"ends an export of {told}, but {since_end} came before")
                    since_end = 0
                elif text.strip():
                    since_end += 1
                    if number <= after:
                        continue
                    yield _line(path, number, text.removeprefix(_BOM) if number == 1 else text)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise SourceUnreadable(
            f"{path} breaks off after line {number} ({error}): get the whole file; nothing is loaded twice"
        ) from None
    except OSError as error:
        raise SourceUnreadable(f"cannot read {path}: {error.strerror or error}") from None


def size(path: str) -> int | None:
    """The file's bytes on disk; None for standard input or what is no plain file."""
    if path == STANDARD_INPUT or not Path(path).is_file():
        return None
    return Path(path).stat().st_size


def _texts(stream: IO[bytes]) -> Iterator[bytes]:
    """Each line; of one that is too long, only so much that it is known to be."""
    while text := stream.readline(MAX_LINE_BYTES + 1):
        yield text
        while len(text) > MAX_LINE_BYTES and not text.endswith(b"\n"):
            text = stream.readline(MAX_LINE_BYTES + 1)


def _line(source: str, number: int, text: bytes) -> Line:
    if len(text) > MAX_LINE_BYTES:
        return Line(source, number, text[:1000], None, f"is longer than {MAX_LINE_BYTES:,} bytes")
    try:
        return Line(source, number, text, Conversation.model_validate_json(text))
    except ValidationError as error:
        return Line(source, number, text, None, reason(error))


def _open(path: str) -> IO[bytes]:
    if path == STANDARD_INPUT:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    return open(path, "rb")


def _decompressed(path: str, raw: io.RawIOBase) -> IO[bytes]:
    """What the stream holds, by its first bytes. Raises SourceUnreadable where these contradict the file's name."""
    buffered = io.BufferedReader(raw, 2**20)
    first = buffered.peek(8)[:8]
    if first.startswith(GZIP):
        return cast(IO[bytes], gzip.GzipFile(fileobj=buffered))
    if first.startswith(ZSTANDARD):
        return zstandard_stream(cast(IO[bytes], buffered))
    for ending, kind in _PACKED_NAMES.items():
        if path.endswith(ending) and first:
            raise SourceUnreadable(f"{path} is not {kind}, as its name says: get the whole file, or rename it")
    for magic, kind in _OTHERS.items():
        if first.startswith(magic):
            raise SourceUnreadable(f"{path} is {kind}: NDJSON may be plain, gzip or zstandard")
    return buffered


_PACKED_NAMES = {".gz": "gzip", ".zst": "zstandard"}
_OTHERS = {  # what a file begins with that nobody means to be lines of JSON
    b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x7fELF": "a program", b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"SQLite f": "a database",
}  # fmt: skip
