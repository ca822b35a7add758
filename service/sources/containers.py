"""Reads .gz, .zst, .zip and .tar files, also nested ones, as streams. Formats are recognized by content, not name."""

from __future__ import annotations

import gzip
import io
import shutil
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

import zstandard

from service.errors import SourceUnreadable

GZIP, ZSTANDARD, ZIPS = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", (b"PK\x03\x04", b"PK\x05\x06")
TAR_AT, TAR = 257, b"ustar"
DEEPEST = 5  # archives in archives
BROKEN = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError, zipfile.BadZipFile, tarfile.TarError)


class Counting(io.RawIOBase):
    """A stream that calls `advance` with the number of bytes of each read."""

    def __init__(self, raw: IO[bytes], advance: Callable[[int], None]) -> None:
        self._raw, self._advance = raw, advance

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        data = self._raw.read(len(buffer))
        buffer[: len(data)] = data
        self._advance(len(data))
        return len(data)


def streams(
    path: Path, *, advance: Callable[[int], None] = lambda _count: None
) -> Iterator[tuple[str, io.BufferedReader]]:
    """Yields each unpacked file at the path as (name, stream). A name is such as `mail.zip/2024.mbox`.

    A stream must be read before the next one is requested. `advance` is called with the number of bytes of each read
    from the file on disk. Raises SourceUnreadable if a file cannot be read or is cut off.
    """
    try:
        with path.open("rb") as raw:
            yield from _unpacked(str(path), cast(IO[bytes], Counting(raw, advance)), 0)
    except BROKEN as error:
        raise SourceUnreadable(f"{path} is incomplete or damaged ({error}): get the whole file") from None
    except OSError as error:
        raise SourceUnreadable(f"cannot read {path}: {error.strerror or error}") from None


def _unpacked(name: str, stream: IO[bytes], depth: int) -> Iterator[tuple[str, io.BufferedReader]]:
    reader = stream if isinstance(stream, io.BufferedReader) else io.BufferedReader(cast(io.RawIOBase, stream), 2**16)
    start = reader.peek(TAR_AT + len(TAR))
    if depth > DEEPEST:
        raise SourceUnreadable(f"{name} has archives nested more than {DEEPEST} deep: unpack it first")
    if start.startswith(GZIP):
        with gzip.GzipFile(fileobj=reader, mode="rb") as inner:
            yield from _unpacked(name, cast(IO[bytes], inner), depth + 1)
    elif start.startswith(ZSTANDARD):
        yield from _unpacked(name, cast(IO[bytes], _Zstandard(reader)), depth + 1)
    elif start.startswith(ZIPS):
        with _on_disk(reader) as whole, zipfile.ZipFile(whole) as archive:
            for member in archive.infolist():
                if not member.is_dir():
                    with archive.open(member) as file:
                        yield from _unpacked(f"{name}/{member.filename}", file, depth + 1)
    elif start[TAR_AT:].startswith(TAR):
        with tarfile.open(fileobj=reader, mode="r|") as tar:
            for entry in tar:
                if entry.isfile() and (found := tar.extractfile(entry)) is not None:
                    yield from _unpacked(f"{name}/{entry.name}", found, depth + 1)
    else:
        yield name, reader


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
    """Decompresses all frames. Unlike the library's own stream, it raises EOFError if the last frame is cut off."""

    def __init__(self, packed: io.BufferedReader) -> None:
        self._packed = packed
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._is_between_frames = True
        self._ready = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        while not self._ready:
            data = self._frame.unused_data if self._frame.eof else b""
            if self._frame.eof:
                self._frame, self._is_between_frames = zstandard.ZstdDecompressor().decompressobj(), True
            data = data or self._packed.read(2**16)
            if not data:
                if not self._is_between_frames:
                    raise EOFError("a frame has no end")
                return 0
            self._is_between_frames = False
            self._ready = self._frame.decompress(data)
            self._is_between_frames = self._frame.eof
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count
