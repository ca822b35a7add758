"""Reads raw messages from mbox files (all variants, also Mailman's), Maildir, MH, .eml and .emlx files, folders of
these as mail programs lay them out, and archives.

Messages are read one at a time, so a mailbox may be larger than memory. The format of a file is recognized by its
content; its name shows whether it is one message, its flags, and its folder. A file or an archive that cannot be read
is reported as one message with a problem, and the others are still read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from service import progress
from service.rejects import is_rejects
from service.sources import mbox
from service.sources.containers import File, streams
from service.sources.file_limits import LIMITS, Limits
from service.sources.mail_folders import Place, is_other_file, place_of, walk
from service.sources.window import Window

MESSAGE_BYTES = LIMITS.message
_HEAD_BYTES = 2**16  # of a message that are searched for its state
_MOZILLA = re.compile(rb"^x-mozilla-status:[ \t]*([0-9a-f]{4})[ \t]*\r?$", re.IGNORECASE | re.MULTILINE)
_MOZILLA_FLAGS = ((0x0001, "S"), (0x0002, "R"), (0x0004, "F"), (0x0008, "T"), (0x1000, "P"))
_DELETED = re.compile(rb"^(?i:x-)?(?i:status):[ \t]*[ADFNORTU]*D[ADFNORTU]*[ \t]*\r?$", re.MULTILINE)
_EMLX = re.compile(rb"\A\s*(\d{1,12})[ \t]*\r?\n")
_EMLX_FLAGS = re.compile(rb"<key>flags</key>\s*<integer>(\d{1,18})</integer>")
_APPLE_FLAGS = ((1 << 0, "S"), (1 << 1, "T"), (1 << 2, "R"), (1 << 4, "F"), (1 << 6, "D"), (1 << 8, "P"))


@dataclass(frozen=True, slots=True)
class RawMessage:
    """A message as it is in its source. `offset` is its first byte in the unpacked file, `number` counts from 1.

    `flags` are those of Maildir, or None for other formats. `labels` are those of its folder. `is_deleted` says that
    its mailbox marks it as deleted. `problem` says why it cannot be imported. `digest` is the SHA-256 of a message of
    which `data` is only a part.
    """

    source: str
    number: int
    data: bytes
    separator: bytes = b""
    flags: str | None = None
    offset: int = 0
    labels: tuple[str, ...] = ()
    is_deleted: bool = False
    problem: str | None = None
    digest: str | None = None


def read(
    path: str | Path, *, advance: Callable[[int], None] = lambda _count: None, limits: Limits = LIMITS
) -> Iterator[RawMessage]:
    """Yields every message in the file or folder. `advance` is called with the number of bytes of each read.

    What cannot be read is yielded as a message with a problem.
    """
    for place in walk(Path(path)):
        if place.problem is not None:
            yield RawMessage(str(place.path), 1, b"", problem=place.problem)
        elif place.is_ignored or is_rejects(place.path):
            if not place.is_ignored:
                progress.say(f"{place.path} is not read: it is a file of rejects")
            advance(_size(place.path))
        else:
            for file in streams(place.path, advance=advance, limits=limits):
                yield from _file(file, place, limits)


def size(path: str | Path) -> int:
    """The total size in bytes of the file, or of all files in the folder."""
    path = Path(path)
    return sum(_size(place.path) for place in walk(path) if place.problem is None) if path.is_dir() else _size(path)


def _size(path: Path) -> int:
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


def _file(file: File, place: Place, limits: Limits) -> Iterator[RawMessage]:
    """The messages of a file. If it is in an archive, its place is that of the archive, followed by its name."""
    inner = file.name.removeprefix(str(place.path)).strip("/")
    if inner:
        if is_other_file(inner):
            return
        place = place_of(f"{place.inside}/{inner}", place)
    if file.problem is not None:
        yield RawMessage(file.name, 1, b"", problem=file.problem)
        return
    window, number = Window(file.stream), 0
    for message in _messages(file.name, window, place, limits):
        number = message.number
        yield message
    if window.failure is not None:
        yield RawMessage(file.name, number + 1, b"", problem=window.failure, offset=window.offset)


def _messages(name: str, window: Window, place: Place, limits: Limits) -> Iterator[RawMessage]:
    had_blanks = window.skip_blanks()
    if not window.rest:
        if had_blanks:
            yield RawMessage(name, 1, b"\n")
        return
    start = window.data[window.at : window.at + mbox.SEPARATOR_BYTES]
    if place.is_emlx and _EMLX.match(start):
        yield _emlx(name, window, place, limits)
    elif place.is_single or (place.is_eml and not mbox.is_mbox(start)):
        yield _raw(name, mbox.single(window, limits), place)
    else:
        for number, piece in enumerate(mbox.split(window, limits), start=1):
            yield _raw(name, piece, place, number)


def _raw(name: str, piece: mbox.Piece, place: Place, number: int = 1) -> RawMessage:
    flags, is_deleted = place.flags, place.is_deleted or "T" in (place.flags or "")
    if flags is None:
        head = piece.data[:_HEAD_BYTES].replace(b"\r\n", b"\n").partition(b"\n\n")[0]
        has_status = b"status" in head.lower()
        if has_status and (mozilla := _MOZILLA.search(head)):
            flags = _flags(int(mozilla[1], 16), _MOZILLA_FLAGS)
        is_deleted = is_deleted or "T" in (flags or "") or (has_status and _DELETED.search(head) is not None)
    return RawMessage(
        name, number, piece.data, piece.separator, flags, piece.offset,
        labels=place.labels, is_deleted=is_deleted, problem=piece.problem, digest=piece.digest,
    )  # fmt: skip


def _flags(bits: int, table: tuple[tuple[int, str], ...]) -> str:
    return "".join(flag for bit, flag in table if bits & bit)


def _emlx(name: str, window: Window, place: Place, limits: Limits) -> RawMessage:
    """A message of Apple Mail: its length, its bytes, and a property list with its flags."""
    piece = mbox.single(window, limits)
    begun = _EMLX.match(piece.data)
    assert begun is not None
    if piece.problem is not None or piece.digest is not None:
        return _raw(name, replace(piece, data=piece.data[begun.end() :]), place)
    end = begun.end() + int(begun[1])
    data, properties = piece.data[begun.end() : end], piece.data[end:]
    found = _EMLX_FLAGS.search(properties)
    flags = _flags(int(found[1]), _APPLE_FLAGS) if found else None
    return _raw(name, replace(piece, data=data), replace(place, flags=flags))
