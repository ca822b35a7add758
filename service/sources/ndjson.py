"""Reads conversations and deletions from NDJSON: plain, gzip or zstandard, from a file or standard input.

An export of this service is such a file. Its last line has the number of conversations, which is checked.
"""

from __future__ import annotations

import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import IO, cast
from uuid import UUID

import msgspec
import zstandard

from service.conversation import MAX_LINE_BYTES, Conversation, Tombstone, parse_uuid
from service.errors import SourceUnreadable
from service.message_texts import counted
from service.sources import lines
from service.sources.containers import GZIP, ZSTANDARD, Counting, zstandard_stream
from service.times import MAX_AHEAD

STANDARD_INPUT = "-"
READ_BYTES = 2**16  # at once; with more, the progress would be far ahead of the lines of a compressed file
SHOWN_BYTES = 1_000  # of a line that is too long, in the rejects file
_READ_BYTES = MAX_LINE_BYTES + 3  # the longest line, its end (\r\n), and one byte that shows that it is too long
_EXPORT_END = re.compile(rb'\s*\{\s*"export"\s*:')


@dataclass(frozen=True, slots=True)
class Line:
    """One line with its conversation or its deletion. Without a conversation, `reason` says why."""

    source: str
    number: int
    text: bytes
    conversation: Conversation | None
    reason: str | None = None
    deletion: Tombstone | None = None


@dataclass(frozen=True, slots=True)
class ExportEnd:
    """The last line of an export: its number of conversations, its organization and its filters.

    `where` is a query string, which is empty if nothing was filtered. `organization_uid` and `where` are None in
    exports of earlier versions.
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
    """Yields each line of the file that is not blank and comes after line `after`, parsed. For the rest, see `texts`.

    A line whose version lies further ahead of the clock than `max_ahead` is rejected.
    """
    for line in texts(path, after=after, advance=advance, ended=ended):
        yield line if line.reason is not None else parsed(line, max_ahead)


def texts(
    path: str,
    *,
    after: int = 0,
    advance: Callable[[int], None] = lambda _count: None,
    ended: Callable[[ExportEnd], None] = lambda _end: None,
) -> Iterator[Line]:
    """Yields each line that is not blank and comes after line `after`, without a conversation: it is not parsed yet.

    The path "-" is standard input. A line that ends an export with a wrong number has a `reason` already.

    `advance` is called with the number of bytes of each read; for a compressed file, these are compressed bytes.
    `ended` is called with the last line of each complete export in the file. Raises SourceUnreadable if the file cannot
    be read or is cut off.
    """
    number = since_end = 0
    try:
        with _open(path) as raw:
            for number, text in enumerate(_texts(_decompressed(path, Counting(raw, advance))), start=1):
                if number == 1:
                    _refuse_messages(path, text)
                if (end := export_end(text)) is not None:
                    if end.conversations != since_end:
                        promised = counted(end.conversations, "conversation")
                        mismatch = f"ends an export of {promised}, but follows {since_end}"
                        yield Line(path, number, text, None, mismatch)
                    else:
                        ended(end)
                    since_end = 0
                elif text.strip():
                    since_end += 1
                    if number <= after:
                        continue
                    yield Line(path, number, text.removeprefix(lines.BOM) if number == 1 else text, None)
    except (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError) as error:
        raise SourceUnreadable(
            f"{path} is incomplete or damaged after line {number} ({error}): get the whole file and try again"
        ) from None
    except OSError as error:
        raise SourceUnreadable(f"cannot read {path}: {error.strerror or error}") from None


def _refuse_messages(path: str, first_line: bytes) -> None:
    """Raises SourceUnreadable if the file begins like a mailbox or like XML."""
    for begin, kind, command in ((b"From ", "a mailbox", "import-mail"), (b"<", "XML", "import-sms")):
        if first_line.removeprefix(lines.BOM).startswith(begin):
            raise SourceUnreadable(f"{path} is {kind}, not NDJSON: 'conversations {command}' reads messages")


def export_end(text: bytes) -> ExportEnd | None:
    """The parsed last line of an export, or None if the line is not one."""
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


def export_end_line(
    conversations: int, organization_uid: UUID, query_string: bytes, matched: str | None = None
) -> bytes:
    """The last line of a complete export, with its number of conversations, its organization and its filters.

    Its `where` is the query string without organization_uid and sort, so it is empty if nothing was filtered. With
    match=auto, `matched` says which words the conversations have.
    """
    end: dict[str, object] = {
        "complete": True,
        "conversations": conversations,
        "organization_uid": str(organization_uid),
        "where": _filters(query_string),
    }
    if matched is not None:
        end["matched"] = matched
    return msgspec.json.encode({"export": end}) + b"\n"


def _filters(query_string: bytes) -> str:
    pairs = query_string.decode("utf-8", "backslashreplace").split("&")
    return "&".join(pair for pair in pairs if pair and pair.partition("=")[0] not in _NO_FILTERS)


_NO_FILTERS = ("organization_uid", "sort")


def size(path: str) -> int | None:
    """The file's size on disk in bytes; None for standard input and for anything that is not a regular file."""
    if path == STANDARD_INPUT or not Path(path).is_file():
        return None
    return Path(path).stat().st_size


def stamp(path: str) -> str | None:
    """The file's size and time of modification, which show whether it changed; None where `size` is None."""
    if size(path) is None:
        return None
    status = Path(path).stat()
    return f"{status.st_size} bytes, {status.st_mtime_ns} ns"


def _texts(stream: IO[bytes]) -> Iterator[bytes]:
    """Yields each line. Of a line that is too long, yields only the first _READ_BYTES."""
    while text := stream.readline(_READ_BYTES):
        yield text
        while len(text) == _READ_BYTES and not text.endswith(b"\n"):
            text = stream.readline(_READ_BYTES)


def parsed(line: Line, max_ahead: timedelta) -> Line:
    """The line with its conversation or its deletion, or with the reason why it has none."""
    try:
        content = lines.parse(line.text.rstrip(b"\r\n"), max_ahead=max_ahead)
    except lines.InvalidLine as error:
        shown = line.text[:SHOWN_BYTES] if len(line.text) > MAX_LINE_BYTES else line.text
        return replace(line, text=shown, reason=str(error))
    if isinstance(content, Tombstone):
        return replace(line, reason="is a deletion: only 'conversations load' accepts deletions", deletion=content)
    return replace(line, conversation=content)


def _open(path: str) -> io.FileIO:
    if path == STANDARD_INPUT:
        return open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)
    return open(path, "rb", buffering=0)


def _decompressed(path: str, raw: io.RawIOBase) -> IO[bytes]:
    """The decompressed stream; the format is recognized by its first bytes.

    Raises SourceUnreadable if these contradict the file's name or show another format than NDJSON.
    """
    buffered = io.BufferedReader(raw, READ_BYTES)
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
_OTHERS = {  # the first bytes of files that cannot be NDJSON
    b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\xfd7zXZ\x00": "xz", b"\x7fELF": "a program", b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16", b"SQLite f": "a database",
}  # fmt: skip
