"""The rejects file: what could not be taken, one JSON object a line, with where it stood and why."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from service.errors import Misconfigured


class Rejects:
    """Made at the first reject; a file of an earlier run is replaced then. A context manager.

    With `kept`, an earlier run goes on: what it rejected stays where `kept(source, line)` says so.
    """

    def __init__(self, path: Path, *, kept: Callable[[str, int], bool] | None = None) -> None:
        self.path = path
        self.count = 0
        self._file: IO[str] | None = None
        if kept is not None and path.exists():
            for record in map(json.loads, path.read_text("utf-8").splitlines()):
                if kept(record["source"], record["line"]):
                    self._write(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, source: str, number: int, reason: str, text: bytes, offset: int | None = None) -> None:
        """`number` is the line (or the message) in the source, from 1, `offset` its first byte there.

        Bytes that are no UTF-8 are escaped.
        """
        self._write(
            {
                "source": source,
                "line": number,
                **({} if offset is None else {"offset": offset}),
                "reason": reason,
                "text": text.decode("utf-8", "backslashreplace").rstrip("\r\n"),
            }
        )

    def _write(self, record: dict[str, Any]) -> None:
        try:
            if self._file is None:
                self._file = self.path.open("w", encoding="utf-8")
            self._file.write(json.dumps(record, ensure_ascii=False) + "\n")
            self._file.flush()
        except OSError as error:
            raise Misconfigured(
                f"cannot write {self.path} ({error.strerror}): choose another file with --rejects"
            ) from None
        self.count += 1
