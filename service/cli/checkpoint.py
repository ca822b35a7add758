"""How far a load came, in a file beside it: line by line of each input, so that a killed load can go on."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Self

from service.errors import Misconfigured
from service.sources import ndjson

EVERY_SECONDS = 1.0


class Checkpoint:
    """`lines`: of each file, the number of the line up to which everything is known to be written or rejected."""

    def __init__(self, path: Path, files: tuple[str, ...]) -> None:
        self.path = path
        self.lines = dict.fromkeys(files, 0)
        self._saved = time.monotonic()

    @classmethod
    def resumed(cls, path: Path, files: tuple[str, ...]) -> Self:
        """What an earlier load of these files left. Raises Misconfigured where it does not fit them."""
        if ndjson.STANDARD_INPUT in files:
            raise Misconfigured("--resume needs files: standard input cannot be read again")
        try:
            kept = json.loads(path.read_text("utf-8"))
        except FileNotFoundError:
            raise Misconfigured(f"there is no {path}: load without --resume, which changes nothing twice") from None
        except (OSError, ValueError):
            raise Misconfigured(f"{path} cannot be read: load without --resume, which changes nothing twice") from None
        found = cls(path, files)
        for file in files:
            if kept["sizes"].get(file) != ndjson.size(file):
                raise Misconfigured(f"{file} is not as it was when {path} was written: load without --resume")
            found.lines[file] = kept["lines"][file]
        return found

    def covers(self, source: str, line: int) -> bool:
        return line <= self.lines.get(source, 0)

    def reach(self, source: str, line: int) -> None:
        """Everything up to this line is settled. Kept on the disk once a second."""
        self.lines[source] = line
        if time.monotonic() - self._saved >= EVERY_SECONDS:
            self._saved = time.monotonic()
            self._save()

    def remove(self) -> None:
        self.path.unlink(missing_ok=True)

    def _save(self) -> None:
        partial = self.path.with_name(f"{self.path.name}.partial")
        kept = {"lines": self.lines, "sizes": {file: ndjson.size(file) for file in self.lines}}
        try:
            partial.write_text(json.dumps(kept), "utf-8")
            partial.replace(self.path)
        except OSError as error:
            raise Misconfigured(
                f"cannot write {self.path} ({error.strerror}): choose another file with --checkpoint"
            ) from None
