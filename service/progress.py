"""Notes and the progress of long tasks, on standard error: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text

from service import terminal
from service.message_texts import counted

LINE_EVERY_SECONDS = 2.0

Advance = Callable[[int], None]


@dataclass(slots=True)
class Shown:
    """Which output is shown: notes (not with --quiet), progress, and details (only with --verbose).

    With `as_json`, each line is a JSON object, because standard error is the log of a service.
    """

    notes: bool = True
    progress: bool = True
    details: bool = False
    as_json: bool = False


shown = Shown()


def say(line: str) -> None:
    """Prints a line on standard error, unless notes are off (--quiet)."""
    if shown.notes:
        complain(line, level="info")


def detail(line: str) -> None:
    """Prints a line on standard error if details are on (--verbose)."""
    if shown.details:
        complain(line, level="debug")


def complain(text: str, *, lines: bool = False, level: str = "error") -> None:
    """Prints a line on standard error, even with --quiet. With `lines`, the text may have several lines.

    `level` is that of the line in a JSON log. Errors of standard error itself are ignored, because they cannot be
    reported anywhere.
    """
    if sys.stderr is not None:
        with suppress(OSError, ValueError):
            line = _json(text, level) if shown.as_json else terminal.printable(text, lines=lines)
            print(line, file=sys.stderr, flush=True)


def _json(text: str, level: str) -> str:
    """A line of the log: what service/log_lines.py writes for an event, with the text as `message`."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    return json.dumps({"event": "note", "level": level, "timestamp": now, "pid": os.getpid(), "message": text})


@dataclass(slots=True)
class Reading:
    """How much of an input was read. `bytes` is its size, or None if unknown; `done` is the number of bytes read."""

    bytes: int | None
    done: int = 0

    def along(self, advance: Advance) -> Advance:
        """A function that calls `advance` and also adds to `done`."""

        def both(count: int) -> None:
            self.done += count
            advance(count)

        return both


@contextmanager
def track(what: str, total: int | None, unit: str) -> Iterator[Advance]:
    """Shows the progress of a task while the block runs. Yields a function that adds a number to the progress.

    `what` names the task. `total` is None if it is unknown, as for standard input. `unit` is a singular noun.
    """
    if not (shown.notes and shown.progress):
        yield lambda _count: None
        return
    console = terminal.console(sys.stderr)
    if console.is_terminal and not console.is_dumb_terminal and not shown.as_json:
        with _bar(console, unit) as bar:
            task = bar.add_task(what, total=total)
            yield lambda count: bar.advance(task, count)
    else:
        lines = _Lines(what, total, unit)
        yield lines.advance
        lines.finish()


def _bar(console: Console, unit: str) -> Progress:
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn(f"{unit}s"),
        _Rate(),
        TimeRemainingColumn(),
        console=console,
    )


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:,.0f}/s" if task.speed else "", style="progress.data.speed")


class _Lines:
    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.started = self.last = time.monotonic()

    def advance(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.last >= LINE_EVERY_SECONDS:
            self.last = time.monotonic()
            self._say()

    def finish(self) -> None:
        self._say()

    def _say(self) -> None:
        rate = self.done / max(time.monotonic() - self.started, 0.001)
        done = f"{self.done:,} of {counted(self.total, self.unit)}" if self.total else counted(self.done, self.unit)
        say(f"{self.what}: {done}, {rate:,.0f}/s")
