"""Reads .gz, .zst, .zip and .tar files, also nested ones, as streams. Formats are recognized by content, not name.

If a file is damaged, or larger than its limits allow, the other files of its archive are still read.
"""

from __future__ import annotations

import gzip
import io
import select
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import IO, NamedTuple, Self, cast

import zstandard

from service.errors import SourceUnreadable
from service.sources.file_limits import LIMITS, Limits

GZIP, ZSTANDARD, ZIPS = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", (b"PK\x03\x04", b"PK\x05\x06")
TAR_AT, TAR = 257, b"ustar"
REFUSED = {  # formats that are recognized, and not read
    b"BZh": "is a bzip2 file: unpack it first",
    b"\xfd7zXZ\0": "is an xz file: unpack it first",
    b"7z\xbc\xaf\x27\x1c": "is a 7z archive: unpack it first",
    b"Rar!\x1a\x07": "is a RAR archive: unpack it first",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "is an Outlook message (.msg) or another OLE file: save it as .eml",
    b"!BDN": "is an Outlook data file (.pst, .ost): export it as mbox or .eml",
    b"\xcf\xad\x12\xfe": "is a folder of Outlook Express (.dbx): export it as mbox or .eml",
    b"SQLite format 3\0": "is an SQLite database: export its messages",
    b"BABYL OPTIONS:": "is an Rmail file (Babyl): save it as mbox",
}
_SIGNAL_MILLISECONDS = 500  # the longest time until ctrl-C is noticed
_MAGIC_BYTES = 8  # enough to recognize a format in a pipe
_PIECE = 1024  # bytes of zstandard, which may unpack to 32 MB
_ENCRYPTED = 0x1
_LONG_ENTRIES = frozenset(
    {tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK}
)


class File(NamedTuple):
    """An unpacked file. `name` is such as `mail.zip/2024.mbox`. `problem` says why it cannot be read."""

    name: str
    stream: io.BufferedReader
    problem: str | None = None


class Counting(io.RawIOBase):
    """A stream that calls `advance` with the number of bytes of each read.

    `raw` must be unbuffered: a buffered stream waits until it can fill its buffer. A pipe may give single bytes, so the
    first read waits for enough bytes to recognize a format. Ctrl-C ends the wait.
    """

    def __init__(self, raw: io.FileIO, advance: Callable[[int], None]) -> None:
        self._raw, self._advance = raw, advance
        self._ready = select.poll()
        self._ready.register(raw, select.POLLIN)
        self._needed = _MAGIC_BYTES

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._read(len(buffer))
        while data and len(data) < self._needed and (more := self._read(len(buffer) - len(data))):
            data += more
        self._needed = 0
        buffer[: len(data)] = data
        self._advance(len(data))
        return len(data)

    def _read(self, size: int) -> bytes:
        """Waits in short pieces: Python does not notice a signal that comes just before a system call that blocks."""
        while not self._ready.poll(_SIGNAL_MILLISECONDS):
            pass
        return self._raw.read(size) or b""


def streams(
    path: Path, *, advance: Callable[[int], None] = lambda _count: None, limits: Limits = LIMITS
) -> Iterator[File]:
    """Yields each unpacked file at the path.

    A stream must be read before the next one is requested; reading it raises SourceUnreadable if it is damaged, cut
    off, or larger than the limits allow. `advance` is called with the number of bytes of each read from the disk.
    """
    meter = _Meter(limits)

    def read(count: int) -> None:
        meter.packed += count
        advance(count)

    try:
        raw = path.open("rb", buffering=0)
    except OSError as error:
        yield _broken(str(path), f"cannot be read ({error.strerror or error})")
        return
    with raw:
        yield from _unpacked(str(path), cast(IO[bytes], Counting(raw, read)), 0, meter)


@dataclass(slots=True)
class _Meter:
    """How many bytes were read from the disk, and what all archives in the file unpacked to."""

    limits: Limits
    packed: int = 0
    unpacked: int = 0

    def add(self, count: int) -> None:
        self.unpacked += count
        if self.unpacked > max(self.limits.unpacked, self.limits.ratio * self.packed):
            raise SourceUnreadable(
                f"unpacks to more than {self.limits.ratio} times its size, as attacks do: "
                "if you trust it, unpack it yourself and import the files"
            )


class _Layer(io.RawIOBase):
    """A stream of an archive. Whatever its library raises becomes SourceUnreadable, and its bytes are counted."""

    def __init__(self, raw: IO[bytes], meter: _Meter | None) -> None:
        self._read = cast(Callable[[int], bytes], getattr(raw, "read1", raw.read))  # read1 gives what precedes damage
        self._meter = meter
        self._failure: SourceUnreadable | None = None

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        if self._failure is not None:
            raise self._failure
        done = 0
        try:
            while done < len(buffer) and (data := self._next(len(buffer) - done)):
                buffer[done : done + len(data)] = data
                done += len(data)
        except SourceUnreadable as error:
            self._failure = error  # raised by the next call, after what was read before it
            if not done:
                raise
        return done

    def _next(self, most: int) -> bytes:
        with _explained():
            data = self._read(most)
        if self._meter is not None:
            self._meter.add(len(data))
        return data


@contextmanager
def _explained() -> Iterator[None]:
    """Turns every error into SourceUnreadable. A damaged file can make the libraries raise anything."""
    try:
        yield
    except SourceUnreadable:
        raise
    except OSError as error:
        if error.errno is not None:
            raise SourceUnreadable(f"cannot be read ({error.strerror or error})") from None
        raise SourceUnreadable(_damaged(error)) from None
    except Exception as error:
        raise SourceUnreadable(_damaged(error)) from None


def _damaged(error: Exception) -> str:
    return f"is incomplete or damaged ({error}): get the whole file"


def _broken(name: str, problem: str) -> File:
    return File(name, io.BufferedReader(cast(io.RawIOBase, io.BytesIO())), problem)


def _unpacked(name: str, stream: IO[bytes], depth: int, meter: _Meter) -> Iterator[File]:
    """Yields the files in a stream. An error of the stream itself is yielded as a file with a problem."""
    layer = cast(io.RawIOBase, _Layer(stream, meter if depth else None))
    reader: io.BufferedReader = io.BufferedReader(layer, 2**16)
    try:
        start = reader.peek(TAR_AT + len(TAR))
        if (refused := next((why for mark, why in REFUSED.items() if start.startswith(mark)), None)) is not None:
            yield _broken(name, refused)
        elif (unpack := _format(start)) is None:
            yield File(name, reader)
        elif depth == meter.limits.nested:
            yield _broken(name, f"has archives nested more than {depth} deep: unpack it first")
        else:
            yield from unpack(name, reader, depth + 1, meter)
    except SourceUnreadable as error:
        yield _broken(name, str(error))


_Unpack = Callable[[str, io.BufferedReader, int, _Meter], Iterator[File]]


def _format(start: bytes) -> _Unpack | None:
    if start.startswith(GZIP):
        return _gzip
    if start.startswith(ZSTANDARD):
        return _zstandard
    if start.startswith(ZIPS):
        return _zip
    return _tar if start[TAR_AT:].startswith(TAR) else None


def _gzip(name: str, reader: io.BufferedReader, depth: int, meter: _Meter) -> Iterator[File]:
    with gzip.GzipFile(fileobj=reader, mode="rb") as inner:
        yield from _unpacked(name, cast(IO[bytes], inner), depth, meter)


def _zstandard(name: str, reader: io.BufferedReader, depth: int, meter: _Meter) -> Iterator[File]:
    yield from _unpacked(name, cast(IO[bytes], _Zstandard(reader)), depth, meter)


def _zip(name: str, reader: io.BufferedReader, depth: int, meter: _Meter) -> Iterator[File]:
    """Reads a zip's files in their order. Its list of files is checked first."""
    with _on_disk(reader) as whole:
        with _explained():
            _check_directory(whole, meter.limits)
            archive = zipfile.ZipFile(whole)
            members = [member for member in archive.infolist() if not member.is_dir()]
            _check_overlaps(members)
        for member in members:
            inner_name = f"{name}/{member.filename}"
            try:
                if member.flag_bits & _ENCRYPTED:
                    raise SourceUnreadable("is encrypted: unpack it first")
                with _explained():
                    file = archive.open(member)
            except SourceUnreadable as error:
                yield _broken(inner_name, str(error))
                continue
            with file:
                yield from _unpacked(inner_name, file, depth, meter)


def _check_overlaps(members: list[zipfile.ZipInfo]) -> None:
    """Raises SourceUnreadable if two files share bytes, as in a zip made to unpack to far more than its size."""
    spans = sorted((member.header_offset, member.compress_size) for member in members)
    if any(offset + size > following for (offset, size), (following, _size) in pairwise(spans)):
        raise SourceUnreadable("is a zip whose files overlap, as only attacks do")


def _check_directory(whole: IO[bytes], limits: Limits) -> None:
    """Raises SourceUnreadable if the list of files is too large for memory. It ends shortly before the file's end."""
    size = whole.seek(0, io.SEEK_END)
    whole.seek(max(0, size - 70_000))
    end = whole.read()
    at = end.rfind(b"PK\x05\x06")
    listed = int.from_bytes(end[at + 12 : at + 16], "little") if at >= 0 else 0
    large = end.rfind(b"PK\x06\x06")
    if listed == 0xFFFFFFFF and large >= 0:  # zip64 has a field of its own
        listed = int.from_bytes(end[large + 40 : large + 48], "little")
    if listed > limits.directory:
        raise SourceUnreadable(
            f"is a zip whose list of files has more than {limits.directory:,} bytes: unpack it first"
        )
    whole.seek(0)


class _Entry(tarfile.TarInfo):
    """An entry of a tar. Names and attributes that are too large for memory are refused."""

    longest = LIMITS.entry

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> Self:
        """The next entry. tarfile itself would take a damaged or incomplete entry after the first one for the end."""
        try:
            return super().fromtarfile(archive)
        except (tarfile.TruncatedHeaderError, tarfile.InvalidHeaderError) as error:  # type: ignore[attr-defined]
            raise tarfile.ReadError(f"an entry is damaged: {error}") from error

    def _proc_member(self, archive: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in _LONG_ENTRIES and not 0 <= self.size <= self.longest:
            raise tarfile.ReadError(f"a name or an attribute is longer than {self.longest:,} bytes")
        return cast(tarfile.TarInfo, super()._proc_member(archive))  # type: ignore[misc]


def _tar(name: str, reader: io.BufferedReader, depth: int, meter: _Meter) -> Iterator[File]:
    """Reads a tar's files in their order. Links, devices and folders hold no bytes of their own and are skipped."""
    entry_type = type("_Entry", (_Entry,), {"longest": meter.limits.entry})
    with _explained():
        tar = tarfile.open(fileobj=reader, mode="r|", tarinfo=entry_type)  # noqa: SIM115 - closed with its reader
    while True:
        with _explained():
            entry = tar.next()
            tar.members = []  # type: ignore[attr-defined]  # tarfile would keep every entry in memory
        if entry is None:
            return
        if entry.isfile():
            with _explained():
                found = tar.extractfile(entry)
            if found is not None:
                yield from _unpacked(f"{name}/{entry.name}", found, depth, meter)


@contextmanager
def _on_disk(reader: io.BufferedReader) -> Iterator[IO[bytes]]:
    """Copies the stream to a temporary file. A zip's directory is at its end, so reading it needs a seekable file."""
    with tempfile.TemporaryFile() as whole:
        shutil.copyfileobj(reader, whole)
        whole.seek(0)
        yield whole


def zstandard_stream(packed: IO[bytes]) -> IO[bytes]:
    """The decompressed stream. Reading it raises EOFError or ZstdError if the input is cut off."""
    return io.BufferedReader(cast(io.RawIOBase, _Zstandard(cast(io.BufferedReader, packed))), 2**20)


class _Zstandard(io.RawIOBase):
    """Decompresses all frames. Unlike the library's own stream, it raises EOFError if the last frame is cut off.

    It reads small pieces, because the library decompresses each as a whole.
    """

    def __init__(self, packed: io.BufferedReader) -> None:
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._is_between_frames = True
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self._ready:
            data = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame, self._is_between_frames = zstandard.ZstdDecompressor().decompressobj(), True
            data = data or self._packed.read(_PIECE)
            if not data:
                if not self._is_between_frames:
                    raise EOFError("a frame has no end")
                return 0
            self._is_between_frames = False
            self._ready = memoryview(self._frame.decompress(data))
            self._is_between_frames = self._frame.eof
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count
