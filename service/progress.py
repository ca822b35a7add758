"""Notes and the progress of long tasks, on standard error: a progress bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
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
ALL_IS_READ = "All is read"  # the start of a line that says what a task waits for after its input was read

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

    `level` is the level of the line in a JSON log. If standard error itself fails, the error is ignored, because it
    cannot be reported anywhere.
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
    """How much of an input was read. `bytes` is its size, or None if unknown; `done` is the number of bytes read.

    `lines` counts the lines read, and `refused` those that are not valid and not sent. `is_ended` is true at the end.
    """

    bytes: int | None
    done: int = 0
    lines: int = 0
    refused: int = 0
    is_ended: bool = False

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


@asynccontextmanager
async def waiting(left: Callable[[], str | None]) -> AsyncIterator[None]:
    """While the block runs, prints at intervals what it still waits for: the text that `left` returns, unless None.

    The same text is not printed twice in succession.
    """

    async def say_for_ever() -> None:
        said = None
        while True:
            await asyncio.sleep(LINE_EVERY_SECONDS)
            if (now := left()) not in (None, said):
                say(f"{ALL_IS_READ}: {now}")
            said = now

    if not shown.progress:
        yield
        return
    saying = asyncio.create_task(say_for_ever())
    try:
        yield
    finally:
        saying.cancel()
        await asyncio.gather(saying, return_exceptions=True)


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
    """Prints progress as lines, but not the same number twice: at its end, a file is read again without a byte."""

    def __init__(self, what: str, total: int | None, unit: str) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = 0
        self.said = -1
        self.started = self.last = time.monotonic()

    def advance(self, count: int) -> None:
        self.done += count
        if time.monotonic() - self.last >= LINE_EVERY_SECONDS:
            self.last = time.monotonic()
            self._say()

    def finish(self) -> None:
        self._say()

    def _say(self) -> None:
        if self.done == self.said:
            return
        self.said = self.done
        rate = self.done / max(time.monotonic() - self.started, 0.001)
        done = f"{self.done:,} of {counted(self.total, self.unit)}" if self.total else counted(self.done, self.unit)
        say(f"{self.what}: {done}, {rate:,.0f}/s")
