"""Conversations and deletions from NDJSON: one JSON object a line, plain, gzip or zstandard, from a file or a stream.

An export of ours is such a file; its last line, which counts the others, is checked and is no conversation.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import IO, cast
from uuid import UUID

import msgspec
import zstandard

from service.conversation import MAX_LINE_BYTES, Conversation, Tombstone, parse_uuid
from service.errors import SourceUnreadable
from service.sources import lines
from service.sources.containers import GZIP, ZSTANDARD, Counting, zstandard_stream
from service.times import MAX_AHEAD

STANDARD_INPUT = "-"
SHOWN_BYTES = 1_000  # of a line that is too long, in the rejects file
_READ_BYTES = MAX_LINE_BYTES + 3  # of a line with its end (\r\n), and one byte more where it is too long
_EXPORT_END = re.compile(rb'\s*\{\s*"export"\s*:')


@dataclass(frozen=True, slots=True)
class Line:
    """One line and what it holds: a conversation or a deletion. Without a conversation, `reason` says why."""

    source: str
    number: int
    text: bytes
    conversation: Conversation | None
    reason: str | None = None
    deletion: Tombstone | None = None


@dataclass(frozen=True, slots=True)
class ExportEnd:
    """The last line of an export: how many conversations came before it, of which organization, by which filters.

    `where` is a query string, empty where nothing was filtered. Exports of earlier versions have neither: None.
    """

    conversations: int
    organization_uid: UUID | None = None
    where: str | None = None


def read(
    path: str,
    *,
    after: int = 0,
    advance: Callable[[int], None] = lambda _count: None,
    max_ahead: timedelta = MAX_AHEAD,
    ended: Callable[[ExportEnd], None] = lambda _end: None,
) -> Iterator[Line]:
    """Each line of the file (or of standard input, for "-") that is not blank and comes after that number.

    `advance(count)` is given the bytes of the file as they are read, compressed ones as they are on disk, and
    `ended(end)` the last line of each whole export that the file holds. A line whose version lies further ahead of the
    clock than `max_ahead` is rejected.
    Raises SourceUnreadable where the file cannot be opened, or breaks off (a gzip file that was cut).
    """
    number = since_end = 0
    try:
        with _open(path) as raw:
            for number, text in enumerate(_texts(_decompressed(path, Counting(raw, advance))), start=1):
                if (end := export_end(text)) is not None:
                    if end.conversations != since_end:
                        mismatch = f"ends an export of {end.conversations}, but {since_end} came before"
                        yield Line(path, number, text, None, mismatch)
                    else:
                        ended(end)
                    since_end = 0
                elif text.strip():
                    since_end += 1
                    if number <= after:
                        continue
                    yield _line(path, number, text.removeprefix(lines.BOM) if number == 1 else text, max_ahead)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise SourceUnreadable(
            f"{path} breaks off after line {number} ({error}): get the whole file; nothing is loaded twice"
        ) from None
    except OSError as error:
        raise SourceUnreadable(f"cannot read {path}: {error.strerror or error}") from None


def export_end(text: bytes) -> ExportEnd | None:
    """The end of an export that the line is, or None where it is none."""
    if len(text) > MAX_LINE_BYTES or not _EXPORT_END.match(text):
        return None
    try:
        trailer = json.loads(text)["export"]
        if trailer["complete"] is not True or type(trailer["conversations"]) is not int:
            return None
        organization, where = trailer.get("organization_uid"), trailer.get("where")
        if where is not None and not isinstance(where, str):
            return None
        return ExportEnd(trailer["conversations"], None if organization is None else parse_uuid(organization), where)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None


def export_end_line(conversations: int, organization_uid: UUID, query_string: bytes) -> bytes:
    """The last line of an export, which only a whole one has: how many it holds, of which organization and filters.

    `where` is the query string without the organization and the order, so it is empty where nothing was filtered.
    """
    end = {
        "complete": True,
        "conversations": conversations,
        "organization_uid": str(organization_uid),
        "where": _filters(query_string),
    }
    return msgspec.json.encode({"export": end}) + b"\n"


def _filters(query_string: bytes) -> str:
    pairs = query_string.decode("utf-8", "backslashreplace").split("&")
    return "&".join(pair for pair in pairs if pair and pair.partition("=")[0] not in _NO_FILTERS)


_NO_FILTERS = ("organization_uid", "sort")


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
