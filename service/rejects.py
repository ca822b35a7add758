"""The rejects file: the input that was rejected, with its position and the reason, as NDJSON."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from service import files
from service.errors import Misconfigured


class Rejects:
    """Writes the rejects file. A context manager.

    The first reject creates the file and replaces that of an earlier run. With `kept`, an earlier run is resumed, and
    its records for which `kept(source, line)` is true are kept. Raises Misconfigured if the path is
    another kind of file.
    """

    def __init__(self, path: Path, *, kept: Callable[[str, int], bool] | None = None) -> None:
        self.path = path
        self.count = 0
        self._file: IO[bytes] | None = None
        try:
            if files.is_foreign(path, _begins_rejects):
                raise Misconfigured(f"{path} is not a rejects file and would be replaced: {_CHOOSE}")
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
        except OSError as failure:  # if the block failed, its own error matters more
            if error is None:
                raise self._unwritable(failure) from None

    def add(self, source: str, number: int, reason: str, text: bytes, offset: int | None = None) -> None:
        """Writes a record. `number` is the line or message in the source, from 1; `offset` is its first byte.

        Bytes of `text` that are not valid UTF-8 are escaped. Raises Misconfigured if the file cannot be written.
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
        records = [record for source, line, record in _records(self.path) if kept(source, line)]
        if records:
            self._open(b"".join(map(_encoded, records)))
            self.count = len(records)

    def _write(self, record: dict[str, object]) -> None:
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
        """Replaces the file by a new one that begins with `first`. Later records are appended to it."""
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


def _encoded(record: dict[str, object]) -> bytes:
    return (json.dumps(record, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")


def _records(path: Path) -> Iterator[tuple[str, int, dict[str, object]]]:
    """The records of an earlier run, each with its source and line. An incomplete last line is ignored."""
    for text in path.read_bytes().split(b"\n"):
        if (found := _record(text)) is not None:
            yield found


def _record(text: bytes) -> tuple[str, int, dict[str, object]] | None:
    """The record in this line with its source and line number, or None if there is none."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):  # any file may begin like this
        return None
    if not isinstance(record, dict) or "reason" not in record:
        return None
    source, line = record.get("source"), record.get("line")
    return (source, line, record) if isinstance(source, str) and isinstance(line, int) else None


def is_rejects(path: Path) -> bool:
    """Whether the path is a rejects file. A blank file is not one."""
    return path.is_file() and files.begins(path, _begins_rejects)


def _begins_rejects(first: bytes) -> bool:
    """Whether the bytes begin a rejects file. An incomplete first line must begin with the field `source`."""
    line, ended, _rest = first.partition(b"\n")
    return _record(line) is not None or (not ended and line.startswith(b'{"source": "'))
