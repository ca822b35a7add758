"""Reads raw messages from mbox files (all variants, also Mailman's), Maildir, .eml files, folders and archives.

Messages are read one at a time, so a mailbox may be larger than memory. The format of a file is recognized by its
content, not by its name.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from service import progress
from service.rejects import is_rejects
from service.sources.containers import streams

# A separator contains a date as asctime(3) writes it. Other lines that begin with "From " usually do not.
_SEPARATOR = re.compile(rb"From .*\d{1,2}:\d\d(?::\d\d)?.*\b(?:19|20)\d\d\b.*\r?\n?$")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")
_CONTENT_LENGTH = re.compile(rb"content-length:\s*(\d{1,12})\s*$", re.IGNORECASE)
_NOT_MAIL = re.compile(rb"^\.|\.(?:lock|msf|index|cache|uidvalidity|log)$")
SEPARATOR_BYTES = 1_000  # the longest separator (an address and a date); the pattern is slow on longer lines
MESSAGE_BYTES = 100_000_000  # read of a file with one message; no mail server accepts a larger one


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it is in its source. `offset` is its first byte in the unpacked file, `number` counts from 1.

    `flags` are those of Maildir, or None for other formats.
    """

    source: str
    number: int
    data: bytes
    separator: bytes = b""
    flags: str | None = None
    offset: int = 0


def read(path: str | Path, *, advance: Callable[[int], None] = lambda _count: None) -> Iterator[RawMessage]:
    """Yields every message in the file or folder. `advance` is called with the number of bytes of each read.

    Raises SourceUnreadable if a file cannot be read.
    """
    path = Path(path)
    if not path.is_dir():
        yield from _file(path, None, advance)
    elif (path / "cur").is_dir() or (path / "new").is_dir():
        yield from _maildir(path, advance)
    else:
        for child in sorted(path.iterdir()):
            if is_rejects(child):
                progress.say(f"{child} is not read: it is a file of rejects")
                advance(child.stat().st_size)
            elif not _NOT_MAIL.search(child.name.encode()):
                yield from read(child, advance=advance)


def size(path: str | Path) -> int:
    """The total size in bytes of the file, or of all files in the folder."""
    path = Path(path)
    return (
        sum(file.stat().st_size for file in path.rglob("*") if file.is_file()) if path.is_dir() else path.stat().st_size
    )


def _maildir(path: Path, advance: Callable[[int], None]) -> Iterator[RawMessage]:
    """Reads a Maildir (https://cr.yp.to/proto/maildir.html). Flags follow ":2," in a file's name."""
    files = [file for name in ("cur", "new") if (path / name).is_dir() for file in (path / name).iterdir()]
    for file in sorted(files, key=lambda file: file.name):
        yield from _file(file, file.name.rpartition(":2,")[2] if ":2," in file.name else "", advance)
    for folder in sorted(path.glob(".[!.]*")):  # Maildir++ subfolders
        if (folder / "cur").is_dir():
            yield from _maildir(folder, advance)


def _file(path: Path, flags: str | None, advance: Callable[[int], None]) -> Iterator[RawMessage]:
    for name, stream in streams(path, advance=advance):
        start = stream.peek(5)[:5]
        if start == b"From ":
            yield from _mbox(name, stream)
        elif start:
            yield RawMessage(name, 1, stream.read(MESSAGE_BYTES), flags=flags)


def _mbox(source: str, stream: io.BufferedReader) -> Iterator[RawMessage]:
    """Yields the messages of an mbox file, unescaped and numbered from 1."""
    for number, (separator, body, offset) in enumerate(_pieces(_offsets(stream)), start=1):
        yield RawMessage(source, number, _unescaped(body), separator, offset=offset)


def _offsets(stream: io.BufferedReader) -> Iterator[tuple[int, bytes]]:
    offset = 0
    for line in stream:
        yield offset, line
        offset += len(line)


Piece = tuple[bytes, list[bytes], int]
"""A message's separator, its lines, and the offset of its separator."""


def _pieces(lines: Iterable[tuple[int, bytes]]) -> Iterator[Piece]:
    """The messages of an mbox file. Its first line must be a separator."""
    splitter: _Splitter | None = None
    for offset, line in lines:
        if splitter is None:
            splitter = _Splitter(line, offset)
        else:
            yield from splitter.take(offset, line)
    if splitter is not None:
        yield splitter.end()


class _Splitter:
    """Splits an mbox at each separator that follows an empty line and is followed by a header.

    In mboxcl files, Content-Length gives the size of a body, and separators inside the body do not count. Wrong lengths
    are common, so a length is used only if a separator or the end of the file follows the body.
    """

    def __init__(self, separator: bytes, begun: int) -> None:
        self._begin(separator, begun)

    def _begin(self, separator: bytes, begun: int) -> None:
        self._piece: Piece = (separator, [], begun)
        self._candidate: tuple[bytes, int] | None = None  # a possible separator; the next line decides
        self._in_headers = True
        self._length = self._protected = 0
        self._passed_over = False

    def take(self, offset: int, line: bytes) -> Iterator[Piece]:
        """Processes a line, and yields the messages that are now known to have ended before it."""
        if self._candidate is not None:
            candidate, self._candidate = self._candidate, None
            if _HEADER.match(line):
                yield self._piece
                self._begin(*candidate)
            else:
                self._piece[1].append(candidate[0])
        if self._in_headers:
            self._header(offset, line)
        if self._is_separator(line):
            if offset >= self._protected:
                self._candidate = (line, offset)
                return
            self._passed_over = True
        self._piece[1].append(line)
        if self._passed_over and offset >= self._protected and line.strip():
            *whole, last = _without_lengths(*self._piece)  # text follows the body's end, so the length was wrong
            yield from whole
            self._piece, self._protected, self._passed_over, self._in_headers = last, 0, False, False

    def end(self) -> Piece:
        if self._candidate is not None:
            self._piece[1].append(self._candidate[0])
        return self._piece

    def _header(self, offset: int, line: bytes) -> None:
        if found := _CONTENT_LENGTH.match(line.strip()):
            self._length = int(found[1])
        if not line.strip():
            self._in_headers = False
            self._protected = offset + len(line) + self._length if self._length else 0

    def _is_separator(self, line: bytes) -> bool:
        body = self._piece[1]
        return (
            line.startswith(b"From ")
            and len(line) <= SEPARATOR_BYTES
            and not (body and body[-1].strip())
            and bool(_SEPARATOR.match(line))
        )


def _without_lengths(separator: bytes, body: list[bytes], begun: int) -> list[Piece]:
    """Splits these lines again without regard to Content-Length, which is renamed to X-Content-Length."""
    lines = [(begun, separator)]
    offset = begun + len(separator)
    for line in body:
        lines.append((offset, b"X-" + line if _CONTENT_LENGTH.match(line.strip()) else line))
        offset += len(line)
    return list(_pieces(lines))


def _unescaped(body: list[bytes]) -> bytes:
    """Removes one ">" from each line that is an escaped "From " line (mboxrd)."""
    return b"".join(
        line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(b"From ") else line for line in body
    )
