"""The option --dry-run, with which a command writes nothing, and how `load` then checks its input."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import click

from service import progress
from service.cli import exit_codes
from service.cli.options import show
from service.message_texts import counted
from service.sources import ndjson

Decorated = TypeVar("Decorated", bound=Callable[..., object])

MOST_SHOWN = 20  # reasons of rejected lines


def option(help_text: str) -> Callable[[Decorated], Decorated]:
    """Adds --dry-run, and passes `is_dry_run` to the command."""
    return click.option("--dry-run", "is_dry_run", is_flag=True, help=help_text)


def load(files: tuple[str, ...], *, max_ahead: timedelta) -> None:
    """Prints how many lines would be loaded, and the reasons of the first ones that would be rejected.

    Raises SourceUnreadable, and DoneInPart if lines would be rejected.
    """
    sizes = [ndjson.size(file) for file in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    valid = rejected = 0
    with progress.track("Checking", total, "byte") as advance:
        for file in files:
            for line in ndjson.read(file, advance=advance, max_ahead=max_ahead):
                if line.reason is None or line.deletion is not None:
                    valid += 1
                    continue
                rejected += 1
                if rejected <= MOST_SHOWN:
                    progress.say(f"{line.source}, line {line.number}: {line.reason}")
    show({"would_load": valid, "would_reject": rejected})
    if rejected:
        raise exit_codes.DoneInPart(f"{counted(rejected, 'line')} would be rejected; nothing was loaded")
