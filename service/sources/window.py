"""The part of a stream that is in memory, with a look-ahead."""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable

from service.errors import SourceUnreadable

CHUNK = 2**18
BEHIND = 256  # bytes that stay in memory after the position
_BOMS = (  # the longest first: that of UTF-32 begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"), (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"),
)  # fmt: skip


def encoding_of(start: bytes) -> tuple[str | None, int]:
    """The encoding according to a byte order mark or the zeros of UTF-16, and the length of the mark."""
    for mark, name in _BOMS:
        if start.startswith(mark):
            return name, len(mark)
    pairs = start[:200]
    if len(pairs) >= 4 and not len(pairs) % 2:
        for zeros, others, name in ((pairs[1::2], pairs[::2], "utf-16-le"), (pairs[::2], pairs[1::2], "utf-16-be")):
            if zeros.count(0) >= 0.9 * len(zeros) and not others.count(0):
                return name, 0
    return None, 0


class Window:
    """`data` is the part in memory, and `at` the position in it. `failure` says why the stream ended too early.

    A byte order mark is removed, UTF-16 and UTF-32 become UTF-8, and old Macintosh's line ends (CR) become LF.
    """

    def __init__(self, stream: io.BufferedReader) -> None:
        self._stream = stream
        self.data, self.at, self.has_ended = b"", 0, False
        self.failure: str | None = None
        self._offset = 0  # the position of `data` in the stream
        self._changes: list[Callable[[bytes, bool], bytes]] = []
        self._begin()

    def _begin(self) -> None:
        self.fill(2**16)
        encoding, self.at = encoding_of(self.data)
        if encoding not in (None, "utf-8"):
            decoder = codecs.getincrementaldecoder(encoding or "")("replace")
            self._change_by(lambda chunk, final: decoder.decode(chunk, final).encode())
        if b"\n" not in self.data and b"\r" in self.data:
            self._change_by(lambda chunk, _final: chunk.replace(b"\r", b"\n"))

    def _change_by(self, change: Callable[[bytes, bool], bytes]) -> None:
        """Applies the change to what was read, and to what will be read."""
        self.data, self.at = change(self.data[self.at :], self.has_ended), 0
        self._changes.append(change)

    @property
    def offset(self) -> int:
        """The position in the stream."""
        return self._offset + self.at

    @property
    def rest(self) -> int:
        """How many bytes in memory lie ahead."""
        return len(self.data) - self.at

    def fill(self, count: int) -> None:
        """Reads until `count` bytes lie ahead, or the stream has ended."""
        if self.has_ended or self.rest >= count:
            return
        dropped = max(0, self.at - BEHIND)
        chunks, length = [self.data[dropped:]], self.rest
        self._offset += dropped
        self.at -= dropped
        while length < count + CHUNK and not self.has_ended:
            chunks.append(self._read())
            length += len(chunks[-1])
        self.data = b"".join(chunks)

    def _read(self) -> bytes:
        try:
            chunk = self._stream.read1(CHUNK)
        except SourceUnreadable as error:
            chunk, self.failure = b"", str(error)
        self.has_ended = not chunk
        for change in self._changes:
            chunk = change(chunk, self.has_ended)
        return chunk

    def skip_blanks(self) -> bool:
        """Moves past white space. Returns whether there was any."""
        begun = self.offset
        while True:
            self.at = len(self.data) - len(self.data[self.at :].lstrip(b" \t\r\n"))
            if self.rest or self.has_ended:
                return self.offset > begun
            self.fill(CHUNK)
