"""The rejects file: what could not be taken, one JSON object a line, with where it stood and why."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from service import files
from service.errors import Misconfigured

_FIELDS = {"source", "line", "reason"}


class Rejects:
    """Made at the first reject; a file of an earlier run is replaced then. A context manager.

    With `kept`, an earlier run goes on: what it rejected stays where `kept(source, line)` says so.
    Raises Misconfigured where another file than one of rejects is there.
    """

    def __init__(self, path: Path, *, kept: Callable[[str, int], bool] | None = None) -> None:
        self.path = path
        self.count = 0
        self._file: IO[bytes] | None = None
        try:
            if files.is_foreign(path, _begins_rejects):
                raise Misconfigured(f"{path} is no file of rejects and would be replaced: {_CHOOSE}")
            if kept is not None and path.is_file():
                self._keep(kept)
        except OSError as error:
            raise Misconfigured(f"cannot read {path} ({error.strerror}): {_CHOOSE}") from None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is None:
            return
        try:
            self._file.close()
        except OSError as failure:  # what could not be written before; that it could not is known then
            if error is None:
                raise self._unwritable(failure) from None

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

    def _keep(self, kept: Callable[[str, int], bool]) -> None:
        records = [record for record in _records(self.path) if kept(record["source"], record["line"])]
        if records:
            self._open(b"".join(map(_encoded, records)))
            self.count = len(records)

    def _write(self, record: dict[str, Any]) -> None:
        try:
            if self._file is None:
                self._open(_encoded(record))
            else:
                self._file.write(_encoded(record))
                self._file.flush()
        except OSError as error:
            raise self._unwritable(error) from None
        self.count += 1

    def _unwritable(self, error: OSError) -> Misconfigured:
        return Misconfigured(f"cannot write {self.path} ({error.strerror}): {_CHOOSE}")

    def _open(self, first: bytes) -> None:
        """A new file with its first lines takes the place of an earlier one; the rest is appended line by line."""
        if self.path.exists() and not self.path.is_file():
            self._file = self.path.open("wb")
            self._file.write(first)
            self._file.flush()
            return
        file, settle = files.open_unnamed(Path(os.path.realpath(self.path)))
        try:
            file.write(first)
            file.flush()
            settle()
        except BaseException:
            files.discard(settle)
            file.close()
            raise
        self._file = file


_CHOOSE = "choose another file with --rejects"


def _encoded(record: dict[str, Any]) -> bytes:
    return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _records(path: Path) -> Iterator[dict[str, Any]]:
    """The records of an earlier run, of which the last one may be cut. Lines end with a line feed and nothing else."""
    for line in path.read_bytes().split(b"\n"):
        if (record := _record(line)) is not None:
            yield record


def _record(line: bytes) -> dict[str, Any] | None:
    try:
        record = json.loads(line)
    except ValueError:
        return None
    is_own = isinstance(record, dict) and record.keys() >= _FIELDS and isinstance(record["line"], int)
    return record if is_own and isinstance(record["source"], str) else None


def is_rejects(path: Path) -> bool:
    """Whether a file of rejects is there."""
    return path.is_file() and not files.is_foreign(path, _begins_rejects)


def _begins_rejects(first: bytes) -> bool:
    """A first line that is longer than what was read begins with the first field, as `add` writes it."""
    line, ended, _rest = first.partition(b"\n")
    return _record(line) is not None or (not ended and line.startswith(b'{"source": "'))
