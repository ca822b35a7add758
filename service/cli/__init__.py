"""`conversations ...`: a command parses its options, calls one function and prints a record.

Commands import the web framework only when they need it, so that the others start faster.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from types import FrameType

import click

from service import __version__
from service.cli import conversations, exit_codes, global_options, imports, index, keys, serving, shell, transfer
from service.cli.examples import EXAMPLES, epilog


@click.group(
    cls=exit_codes.Root, context_settings={"help_option_names": ["-h", "--help"]}, epilog=epilog("conversations")
)
@click.version_option(__version__, prog_name=shell.PROGRAM)
def cli() -> None:
    """Conversation search: an HTTP search API for conversations, over OpenSearch.

    Commands find the cluster by OPENSEARCH_URL, by a context of the configuration file, or else the local node that
    runs in the same --data folder. search, get, count and delete ask a running service if a URL is set.
    """


COMMANDS: tuple[click.Command, ...] = (
    *serving.COMMANDS,
    *keys.COMMANDS,
    *conversations.COMMANDS,
    *index.COMMANDS,
    *transfer.COMMANDS,
    *imports.COMMANDS,
    *shell.COMMANDS,
)


def _summary(command: click.Command) -> str:
    """The first sentence of the help, whole: click's own summary is cut to the width of the terminal."""
    first = " ".join((command.help or "").partition("\n\n")[0].split())
    return first.partition(". ")[0].rstrip(".") + "."


def _metavar(param: click.Parameter) -> str | None:
    """Replaces click's own INTEGER RANGE, FLOAT and TEXT."""
    if isinstance(param.type, click.types.IntParamType | click.types.FloatParamType):
        return "NUMBER"
    return _METAVARS.get(param.name or "")


_METAVARS = {"url": "URL", "opensearch_url": "URL", "token": "TOKEN", "host": "ADDRESS", "user": "NAME"}


def _add(group: click.Group, command: click.Command, path: str) -> None:
    command.epilog = epilog(path) if path in EXAMPLES else None
    command.short_help = _summary(command)
    for param in command.params:
        param.metavar = param.metavar or _metavar(param)
    global_options.add_to(command)
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            _add(command, inner, f"{path} {name}")
    group.add_command(command)


global_options.add_to(cli)
for _command in COMMANDS:
    _add(cli, _command, f"{shell.PROGRAM} {_command.name}")


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """The console script: every failure is one line on standard error and an exit code of docs/commands.md."""
    signal.signal(signal.SIGTERM, _stop)  # otherwise, the first process of a container would ignore it
    sys.exit(exit_codes.run(_run_interruptible))


def _run_interruptible() -> object:
    """Runs inside exit_codes.run, which turns ctrl-C into one line of output. Before, service/entry.py handles it."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    try:
        return run_line()
    finally:  # at exit, Python waits for threads, such as downloads; a further ctrl-C ends the wait
        signal.signal(signal.SIGINT, lambda _number, _frame: os._exit(exit_codes.INTERRUPTED))


def run_line(arguments: Sequence[str] | None = None) -> object:
    """Runs a command line, by default that of this process. Raises what the command raises."""
    global_options.reset()
    if sys.stdout is not None and sys.stdout.encoding.lower().replace("-", "") != "utf8":
        sys.stdout.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    result: object = cli.main(arguments, prog_name=shell.PROGRAM, standalone_mode=False)
    return result
