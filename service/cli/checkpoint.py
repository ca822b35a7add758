"""Records in a file how far a load has read each input, so that a killed load can continue."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Self

from service import files as paths
from service.errors import Misconfigured
from service.sources import ndjson

EVERY_SECONDS = 1.0
_LOAD_ANEW = "leave --resume out; what is already loaded stays unchanged"
_CHOOSE = "choose another file with --checkpoint"


class Checkpoint:
    """`lines` maps each file to the number of a line: everything up to it is written or rejected.

    `stamps` shows whether a file changed since the load began, also while it was read. Raises Misconfigured if the path
    is another file than a checkpoint.
    """

    def __init__(self, path: Path, files: tuple[str, ...]) -> None:
        self.path = path
        self.lines = dict.fromkeys(files, 0)
        self._saved = time.monotonic()
        try:
            self.stamps = {file: ndjson.stamp(file) for file in files}
            if path.exists() and not path.is_file():
                raise Misconfigured(f"{path} is not a regular file: {_CHOOSE}")
            if paths.is_foreign(path, lambda first: first.startswith(b'{"lines":')):
                raise Misconfigured(f"{path} is not a checkpoint of a load and would be replaced: {_CHOOSE}")
        except OSError as error:
            raise Misconfigured(f"cannot read {path} ({error.strerror}): {_CHOOSE}") from None

    @classmethod
    def resumed(cls, path: Path, files: tuple[str, ...]) -> Self:
        """The checkpoint of an earlier load of these files. Raises Misconfigured if it does not fit them."""
        if ndjson.STANDARD_INPUT in files:
            raise Misconfigured("--resume needs files: standard input cannot be read again")
        kept = _read(path)
        found = cls(path, files)
        for file in files:
            if found.stamps[file] is None:
                raise Misconfigured(f"--resume needs regular files: {file} is none, so it may have other lines now")
            if kept["stamps"].get(file) != found.stamps[file]:
                raise Misconfigured(f"{file} has changed since {path} was written: load without --resume")
            reached = kept["lines"].get(file)
            if type(reached) is not int or reached < 0:
                raise Misconfigured(f"{path} was written by another version of this command: {_LOAD_ANEW}")
            found.lines[file] = reached
        return found

    def covers(self, source: str, line: int) -> bool:
        return line <= self.lines.get(source, 0)

    def reach(self, source: str, line: int) -> None:
        """Records that everything up to this line is written or rejected. Saves this once a second."""
        self.lines[source] = line
        if time.monotonic() - self._saved >= EVERY_SECONDS:
            self._saved = time.monotonic()
            self._save()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _save(self) -> None:
        kept = {"lines": self.lines, "stamps": self.stamps}
        try:
            with paths.replacing(self.path) as file:
                file.write(json.dumps(kept).encode())
        except OSError as error:
            raise Misconfigured(f"cannot write {self.path} ({error.strerror}): {_CHOOSE}") from None


def _read(path: Path) -> dict[str, dict[str, object]]:
    try:
        kept = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Misconfigured(f"there is no {path}: {_LOAD_ANEW}") from None
    except (OSError, ValueError, RecursionError):
        raise Misconfigured(f"{path} cannot be read: {_LOAD_ANEW}") from None
    if not isinstance(kept, dict) or not all(isinstance(kept.get(name), dict) for name in ("lines", "stamps")):
        raise Misconfigured(f"{path} was written by another version of this command: {_LOAD_ANEW}")
    return kept
