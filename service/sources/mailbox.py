"""Raw messages out of mailboxes: mbox (and Mailman's archives), Maildir, .eml files, folders of these, .gz of files.

One message at a time, so a mailbox may be larger than memory. The kind of a file is told by its content, not its name.
"""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from service.errors import SourceUnreadable

GZIP_MAGIC = b"\x1f\x8b"
# A separator ends in a date as asctime(3) writes it; a line of a body that happens to begin with "From " does not.
_SEPARATOR = re.compile(rb"From .*\d{1,2}:\d\d(?::\d\d)?.*\b(?:19|20)\d\d\b.*\r?\n?$")
_HEADER = re.compile(rb"[!-9;-~]+[ \t]*:")


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it stands in its source. `seen` is None where the mailbox does not tell."""

    source: str
    number: int
    data: bytes
    separator: bytes = b""
    seen: bool | None = None


def read(path: str | Path) -> Iterator[RawMessage]:
    """Every message under the path. Raises SourceUnreadable where a file cannot be read."""
    path = Path(path)
    if path.is_dir():
        if (path / "cur").is_dir() and (path / "new").is_dir():
            yield from _maildir(path)
        else:
            for child in sorted(path.iterdir()):
                if not child.name.startswith("."):
                    yield from read(child)
    else:
        yield from _file(path)


def _maildir(path: Path) -> Iterator[RawMessage]:
    """https://cr.yp.to/proto/maildir.html: the flag S behind ":2," tells that a message was seen."""
    files = sorted((*(path / "cur").iterdir(), *(path / "new").iterdir()), key=lambda file: file.name)
    for number, file in enumerate(files, start=1):
        seen = "S" in file.name.rpartition(":2,")[2] if ":2," in file.name else False
        yield RawMessage(str(path), number, _bytes(file), seen=seen)
    for folder in sorted(path.glob(".[!.]*")):  # Maildir++ subfolders
        if (folder / "cur").is_dir():
            yield from _maildir(folder)


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SourceUnreadable(f"cannot read {path}: {error.strerror}") from None


def _file(path: Path) -> Iterator[RawMessage]:
    try:
        with path.open("rb") as raw:
            stream = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if raw.peek(2)[:2] == GZIP_MAGIC else raw
            first = stream.readline()
            if first.startswith(b"From "):
                yield from _mbox(str(path), stream, first)
            elif data := first + stream.read():
                yield RawMessage(str(path), 1, data)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise SourceUnreadable(f"{path} breaks off ({error}): get the whole file") from None
    except OSError as error:
        raise SourceUnreadable(f"cannot read {path}: {error.strerror or error}") from None


def _mbox(source: str, lines: IO[bytes], separator: bytes) -> Iterator[RawMessage]:
    """Splits where a separator follows an empty line and a header follows the separator."""
    number, held = 1, b""
    body: list[bytes] = []
    for line in lines:
        if held:
            if _HEADER.match(line):
                yield RawMessage(source, number, _unescaped(body), separator)
                number, separator, body = number + 1, held, []
            else:
                body.append(held)
            held = b""
        if line.startswith(b"From ") and (not body or not body[-1].strip()) and _SEPARATOR.match(line):
            held = line
        else:
            body.append(line)
    if held:
        body.append(held)
    yield RawMessage(source, number, _unescaped(body), separator)


def _unescaped(body: list[bytes]) -> bytes:
    """mboxrd: one ">" less before every quoted "From "."""
    return b"".join(
        line[1:] if line.startswith(b">") and line.lstrip(b">").startswith(b"From ") else line for line in body
    )
