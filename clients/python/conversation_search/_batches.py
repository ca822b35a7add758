"""Lines of NDJSON in batches that fit in one request."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from conversation_search._models import BulkResult, WriteResult

MOST_LINES, MOST_BYTES = 1_000, 4_000_000


class Batches:
    """Collects lines, and numbers the results through all batches."""

    def __init__(self) -> None:
        self._lines: list[bytes] = []
        self._bytes = self._before = 0

    def add(self, line: bytes) -> list[bytes] | None:
        """Adds a line. Returns the lines before it if they are to be sent now."""
        is_full = bool(self._lines) and (
            len(self._lines) == MOST_LINES or self._bytes + len(line) > MOST_BYTES
        )  # fmt: skip
        full = self.rest() if is_full else None
        self._lines.append(line)
        self._bytes += len(line)
        return full

    def rest(self) -> list[bytes]:
        """The lines that were not yet returned."""
        lines, self._lines, self._bytes = self._lines, [], 0
        return lines

    def numbered(self, result: BulkResult) -> Iterator[WriteResult]:
        """The results of a batch, with the place of each line among all lines."""
        before = self._before
        self._before += len(result.items)
        for item in result.items:
            yield replace(item, line=before + item.line)
