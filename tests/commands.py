"""Runs commands in the test's own process, from arguments to exit codes: a new process takes a second to start."""

from __future__ import annotations

import io
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

from service import log_lines, progress
from service.cli import exit_codes, run_line


def run_here(
    arguments: tuple[str, ...], *, environment: dict[str, str], folder: Path, text: str = ""
) -> subprocess.CompletedProcess[str]:
    """What the command prints to pipes, and its exit code. `text` is its standard input."""
    out = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
    errors = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", errors="backslashreplace")
    with (
        _surroundings(environment, folder),
        redirect_stdout(out),
        redirect_stderr(errors),
        mock.patch.object(sys, "stdin", io.StringIO(text)),
        _own_output(),
    ):
        code = exit_codes.run(lambda: run_line(arguments))
    return subprocess.CompletedProcess(arguments, code, _text(out), _text(errors))


@contextmanager
def _surroundings(environment: dict[str, str], folder: Path) -> Iterator[None]:
    before, where = dict(os.environ), Path.cwd()
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(where)
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def _own_output() -> Iterator[None]:
    """Undoes what a command sets for its process (-q, -v, the log of a service), so that later tests do not see it."""
    calls = logging.getLogger("opensearch")
    handlers, level, propagates = list(calls.handlers), calls.level, calls.propagate
    try:
        with mock.patch.object(progress, "shown", progress.Shown()), mock.patch.object(log_lines, "configure"):
            yield
    finally:
        calls.handlers[:], calls.propagate = handlers, propagates
        calls.setLevel(level)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    raw = stream.buffer
    assert isinstance(raw, io.BytesIO)
    return raw.getvalue().decode()
