"""Keeps a message while it is read: a small one whole, and of a large one only what an import uses."""

from __future__ import annotations

import hashlib
import re

from service.sources.file_limits import Limits

_BLANK_LINE = re.compile(rb"(?:\A|\n)[ \t]*\r?\n")
_PART = b"\n--"  # begins the line between two parts of a MIME message


class Kept:
    """The bytes of a message, as `feed` was given them.

    A message that is too large to be kept whole keeps its headers and the beginning of each MIME part, which is enough
    for its text and the number of its attachments. Its digest still is that of all bytes.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.size = 0
        self._parts: list[bytes] = []
        self._kept = self._room = 0
        self._hash: hashlib._Hash | None = None
        self._tail = b""
        self._headers_end = False

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        if self.size > self._limits.message:
            del self._parts[1:]
        elif self._hash is not None:
            self._hash.update(data)
            self._shorten(data)
        else:
            self._parts.append(data)
            if self.size > self._limits.whole:
                self._begin_shortening()

    def _begin_shortening(self) -> None:
        whole = b"".join(self._parts)
        self._parts.clear()
        self._hash = hashlib.sha256(whole)
        end = _BLANK_LINE.search(whole)
        if end is None or end.end() > self._limits.whole:
            self._keep(whole[: self._limits.section])
            return
        self._headers_end = True
        self._keep(whole[: end.end()])
        self._room = self._limits.section
        self._shorten(whole[end.end() :])

    def _shorten(self, data: bytes) -> None:
        if not self._headers_end:
            return
        data = self._tail + data  # the mark of a part may be cut in two
        begun = 0
        while (at := data.find(_PART, begun)) >= 0 and self._kept < self._limits.whole:
            self._keep_some(data[begun:at])
            self._keep(b"\n")
            self._room = self._limits.section
            begun = at + 1
        length = max(begun, len(data) - len(_PART) + 1)
        self._keep_some(data[begun:length])
        self._tail = data[length:]

    def _keep_some(self, data: bytes) -> None:
        if self._room > 0 and self._kept < self._limits.whole:
            self._keep(data[: self._room])
            self._room -= len(data)

    def _keep(self, data: bytes) -> None:
        self._parts.append(data)
        self._kept += len(data)

    @property
    def problem(self) -> str | None:
        """Why the message cannot be imported."""
        if self.size > self._limits.message:
            return f"is larger than {self._limits.message:,} bytes"
        if self._hash is not None and not self._headers_end:
            return f"has headers of more than {self._limits.whole:,} bytes"
        return None

    @property
    def data(self) -> bytes:
        return b"".join([*self._parts, self._tail])

    @property
    def digest(self) -> str | None:
        """The SHA-256 of all bytes of a message that was not kept whole."""
        return None if self._hash is None else self._hash.hexdigest()
