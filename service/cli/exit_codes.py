"""How a command ends: with an exit code, and with one line on standard error if it failed.

EXIT_CODES is the table of docs/commands.md. A traceback is printed with --verbose only.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TextIO

import click

from service import progress
from service.cli import click_words
from service.errors import (
    ConversationsError,
    InvalidQuery,
    Misconfigured,
    NodeFailed,
    SearchTimeout,
    SearchUnavailable,
    WriteFailed,
)

DONE, FAILED, USAGE, IN_PART, INTERRUPTED, PIPE_CLOSED, TERMINATED = 0, 1, 2, 3, 130, 141, 143
EXIT_CODES: dict[int, str] = {
    DONE: "done",
    FAILED: "failed, or a check failed: not ready, not fit to be served, differences were found; or you answered no",
    USAGE: "an option, an argument, a setting or the configuration file is wrong; nothing was done, unless only the "
    "audit file could not be written",
    IN_PART: "done, but not all is well: lines were rejected, or `doctor` has warnings only",
    INTERRUPTED: "ctrl-C (SIGINT); the last lines say how to continue",
    PIPE_CLOSED: "the reader of standard output went away, as with `| head`",
    TERMINATED: "SIGTERM",
}
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class DoneInPart(ConversationsError):
    """The work is done, but the user should look at a part of it."""


class NotBegun(SearchUnavailable):
    """OpenSearch does not answer, so nothing was started."""


class Early(Exception):
    """Replaces ctrl-C and a closed pipe, which click would handle in its own way. Its cause is the original error."""


class Root(click.Group):
    """The group of all commands. This module, and not click, handles how they end."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        with _kept():
            return super().make_context(info_name, args, parent, **extra)

    def invoke(self, ctx: click.Context) -> object:
        with _kept():
            return super().invoke(ctx)


@contextmanager
def _kept() -> Iterator[None]:
    try:
        yield
    except (KeyboardInterrupt, BrokenPipeError) as error:
        raise Early from error


def run(command: Callable[[], object]) -> int:
    """Runs the command and returns its exit code. If it failed, prints the reason on standard error."""
    try:
        result = command()
        code = result if isinstance(result, int) else DONE
    except BaseException as error:
        code = _ended(error)
    return _flushed(code)


@contextmanager
def hint(say_how: Callable[[], str]) -> Iterator[None]:
    """If ctrl-C, SIGTERM or a lost cluster ends the block early, adds how to continue."""
    try:
        yield
    except (KeyboardInterrupt, SystemExit, SearchUnavailable, SearchTimeout, WriteFailed) as error:
        if not isinstance(error, NotBegun):
            error.add_note(say_how())
        raise


def code_of(error: ConversationsError) -> int:
    """The exit code of an error of this package. A full disk gives 1 and not 2, because no option was wrong."""
    if isinstance(error, DoneInPart):
        return IN_PART
    if isinstance(error, Misconfigured | InvalidQuery):
        cause = error.__context__
        return FAILED if isinstance(cause, OSError) and cause.errno in _FULL else USAGE
    return FAILED


def _ended(error: BaseException) -> int:
    error = error.__cause__ if isinstance(error, Early) and error.__cause__ is not None else error
    for kind, end in _ENDS:
        if isinstance(error, kind):
            return end(error)
    return _failed(
        error,
        f"this is a fault of the program ({type(error).__name__}: {error}): "
        "please report it with what --verbose prints",
    )


def _interrupted(error: BaseException) -> int:
    progress.complain("Stopped.")
    _notes(error)
    return INTERRUPTED


def _known(error: ConversationsError) -> int:
    _failed(error, str(error), lines=isinstance(error, NodeFailed))
    return code_of(error)


def _system(error: OSError) -> int:
    reason = error.strerror or str(error) or type(error).__name__
    if error.errno == errno.ENOSPC and not error.filename:
        return _failed(error, f"cannot write the output, which is full: {reason}")
    return _failed(error, f"{error.filename}: {reason}" if error.filename else f"cannot read or write: {reason}")


def _failed(error: BaseException, sentence: str, *, lines: bool = False) -> int:
    progress.complain(f"conversations: {sentence}", lines=lines)
    _notes(error)
    if progress.shown.details:
        progress.complain("".join(traceback.format_exception(error)).rstrip(), lines=True)
    return FAILED


def _exited(error: SystemExit) -> int:
    _notes(error)
    return error.code if isinstance(error.code, int) else (DONE if error.code is None else FAILED)


def _refused(error: click.ClickException) -> int:
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
        return error.exit_code
    context = error.ctx if isinstance(error, click.UsageError) else None
    more = f" (see '{context.command_path} --help')" if context is not None else ""
    progress.complain(f"conversations: {click_words.sentence(error)}{_dash(error)}{more}")
    return error.exit_code


def _dash(error: click.ClickException) -> str:
    """A hint for words like -draft, if the command takes words."""
    is_short = isinstance(error, click.NoSuchOption) and not error.option_name.startswith("--")
    context = error.ctx if isinstance(error, click.UsageError) else None
    takes_words = context is not None and any(isinstance(one, click.Argument) for one in context.command.params)
    return "; a word that begins with - but is not an option comes after --" if is_short and takes_words else ""


def _notes(error: BaseException) -> None:
    for note in getattr(error, "__notes__", ()):
        progress.complain(note)


_ENDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], Callable[[Any], int]], ...] = (
    (SystemExit, _exited),
    ((KeyboardInterrupt, click.Abort), _interrupted),
    (BrokenPipeError, lambda _error: PIPE_CLOSED),
    (click.ClickException, _refused),
    (ConversationsError, _known),
    (OSError, _system),
)


def _flushed(code: int) -> int:
    """Flushes the standard streams, so that errors are reported here and not by the interpreter."""
    code = _flushed_output(code)
    try:
        if sys.stderr is not None:
            sys.stderr.flush()
    except (OSError, ValueError):
        _discard(sys.__stderr__, 2)  # there is nowhere to report this
    return code


def _flushed_output(code: int) -> int:
    if sys.stdout is None:
        return code
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        _discard(sys.__stdout__, 1)
        return PIPE_CLOSED if code == DONE else code
    except (OSError, ValueError) as error:
        _discard(sys.__stdout__, 1)
        reason = error.strerror if isinstance(error, OSError) else str(error)
        if code == DONE:
            progress.complain(f"conversations: cannot write standard output ({reason})")
        return FAILED if code in (DONE, IN_PART) else code
    return code


def _discard(stream: TextIO | None, number: int) -> None:
    """Drops what could not be written, so that the interpreter does not try again at exit."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno() if stream is not None else number)
    os.close(nowhere)
