"""Conversations and deletions from NDJSON: one JSON object a line, plain or gzip, from a file or standard input.

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
from datetime import timedelta
from pathlib import Path
from typing import IO, cast

from service.conversation import MAX_LINE_BYTES, Conversation, Tombstone
from service.errors import SourceUnreadable
from service.sources import lines
from service.sources.containers import GZIP, Counting
from service.times import MAX_AHEAD

STANDARD_INPUT = "-"
SHOWN_BYTES = 1_000  # of a line that is too long, in the rejects file
_READ_BYTES = MAX_LINE_BYTES + 3  # of a line with its end (\r\n), and one byte more where it is too long
_EXPORT_END = re.compile(rb'\s*\{"export":\s*\{"complete":\s*true,\s*"conversations":\s*(\d+)\}\}\s*')


@dataclass(frozen=True, slots=True)
class Line:
    """One line and what it holds: a conversation or a deletion. Without a conversation, `reason` says why."""

    source: str
    number: int
    text: bytes
    conversation: Conversation | None
    reason: str | None = None
    deletion: Tombstone | None = None


def read(
    path: str,
    *,
    after: int = 0,
    advance: Callable[[int], None] = lambda _count: None,
    max_ahead: timedelta = MAX_AHEAD,
) -> Iterator[Line]:
    """Each line of the file (or of standard input, for "-") that is not blank and comes after that number.

    `advance(count)` is told the bytes of the file as they are read, compressed ones as they are on disk. A line whose
    version lies further ahead of the clock than `max_ahead` is rejected.
    Raises SourceUnreadable where the file cannot be opened, or breaks off (a gzip file that was cut).
    """
    number = since_end = 0
    try:
        with _open(path) as raw:
            for number, text in enumerate(_texts(_decompressed(Counting(raw, advance))), start=1):
                if end := _EXPORT_END.fullmatch(text):
                    if (told := int(end[1])) != since_end:
                        yield Line(path, number, text, None, f"ends an export of {told}, but {since_end} came before")
                    since_end = 0
                elif text.strip():
                    since_end += 1
                    if number <= after:
                        continue
                    yield _line(path, number, text.removeprefix(lines.BOM) if number == 1 else text, max_ahead)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceUnreadable(
            f"{path} breaks off after line {number} ({error}): all lines before were taken; get the whole file"
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
    while text := stream.readline(_READ_BYTES):
        yield text
        while len(text) == _READ_BYTES and not text.endswith(b"\n"):
            text = stream.readline(_READ_BYTES)


def _line(source: str, number: int, text: bytes, max_ahead: timedelta) -> Line:
    try:
        found = lines.parse(text.rstrip(b"\r\n"), max_ahead=max_ahead)
    except lines.InvalidLine as error:
        shown = text[:SHOWN_BYTES] if len(text) > MAX_LINE_BYTES else text
        return Line(source, number, shown, None, str(error))
    if isinstance(found, Tombstone):
        return Line(source, number, text, None, "is a deletion: only 'conversations load' takes these", found)
    return Line(source, number, text, found)


def _open(path: str) -> IO[bytes]:
    if path == STANDARD_INPUT:
        return open(sys.stdin.fileno(), "rb", closefd=False)
    return open(path, "rb")


def _decompressed(raw: io.RawIOBase) -> IO[bytes]:
    """What the stream holds, by its first bytes and not by its name."""
    buffered = io.BufferedReader(raw, 2**20)
    if buffered.peek(2)[:2] == GZIP:
        return cast(IO[bytes], gzip.GzipFile(fileobj=buffered))
    return buffered
