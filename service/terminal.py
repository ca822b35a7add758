"""Prints text safely: escapes control characters, and uses colours only on a terminal that supports them.

Subjects, file names and reasons of errors come from outside. Unescaped, they could move the cursor, change the
window's title, or hide other text.
"""

from __future__ import annotations

import functools
import json
import os
import re
import select
import signal
import socket
import sys
from typing import IO

from rich.console import Console

UNBOUNDED = 10_000  # columns where no terminal sets a width

# C0, DEL and C1 controls, line separators, controls of the writing direction (Unicode TR 36), halves of surrogate pairs
_CONTROLS = "\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff"
_UNPRINTABLE = re.compile(f"[{_CONTROLS}]")
_UNPRINTABLE_LINE = re.compile(f"(?!\n)[{_CONTROLS}]")
_UNPRINTABLE_JSON = re.compile("[\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def printable(text: str, *, lines: bool = False) -> str:
    """The text with control characters replaced by escapes, such as \\x1b. With `lines`, line feeds are kept."""
    unprintable = _UNPRINTABLE_LINE if lines else _UNPRINTABLE
    return unprintable.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def json_text(value: object, stream: IO[str] | None, *, indent: int | None = 2) -> str:
    """The value as JSON that is safe to print on the stream. Control characters are written as JSON escapes."""
    encoding = (getattr(stream, "encoding", None) or "utf-8").lower().replace("-", "")
    text = json.dumps(value, indent=indent, ensure_ascii=not encoding.startswith("utf"))
    return _UNPRINTABLE_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def is_terminal(stream: IO[str] | None) -> bool:
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # it was closed
        return False


def confirmed(question: str) -> bool:
    """Whether the person at the terminal answers yes. An empty line, and the end of the input, mean no.

    Raises KeyboardInterrupt on ctrl-C, even one that comes between the question and the start of the wait: Python's
    input() would not notice that one before the next line.
    """
    while True:
        sys.stderr.write(f"{question} [y/N]: ")
        sys.stderr.flush()
        _wait_for_line()
        answer = sys.stdin.readline().strip().lower()
        if answer in ("", "n", "no"):
            return False
        if answer in ("y", "yes"):
            return True
        sys.stderr.write("Please answer y or n.\n")


def _wait_for_line() -> None:
    """Waits until standard input, a terminal, has a line. A signal ends the wait through the wakeup descriptor."""
    woken, wake = socket.socketpair()
    with woken, wake:
        wake.setblocking(False)
        before = signal.set_wakeup_fd(wake.fileno())
        try:
            select.select([sys.stdin, woken], [], [])
        finally:
            signal.set_wakeup_fd(before)


def console(stream: IO[str]) -> Console:
    """A rich console as wide as the terminal. It has no styles without a terminal, with NO_COLOR, or with TERM=dumb."""
    on_terminal = is_terminal(stream)
    make = functools.partial(
        Console, file=stream, highlight=False, markup=False, emoji=False, force_terminal=on_terminal
    )
    width, height = None if on_terminal else UNBOUNDED, None
    detected = make(width=width)
    if detected.is_dumb_terminal:
        width, height = _size(stream) or (width, height)
    is_plain = not on_terminal or detected.no_color or detected.is_dumb_terminal
    return make(width=width, height=height, color_system=None) if is_plain else detected


def _size(stream: IO[str]) -> tuple[int, int] | None:
    """The terminal's real width and height. rich assumes that a dumb terminal has 80 columns."""
    try:
        columns, lines = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return None
    return (columns, lines or 25) if columns else None


def has_colors(stream: IO[str]) -> bool:
    """Whether the stream is a terminal that supports colours, and they are not turned off."""
    return console(stream).color_system is not None
