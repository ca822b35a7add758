"""`conversations ...`: one command parses its options, calls one function and prints a record."""

from __future__ import annotations

import signal
import sys
from contextlib import ExitStack
from types import FrameType

import click

from service import __version__, progress
from service.cli import data, index, serving
from service.errors import ConversationsError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="conversations")
def cli() -> None:
    """Conversation search: an HTTP search API for conversations, over OpenSearch.

    Commands find the cluster by OPENSEARCH_URL, or else the local node that runs in the same --data folder.
    """


for command in (*serving.COMMANDS, *index.COMMANDS, *data.COMMANDS):
    cli.add_command(command)


def _stop(number: int, _frame: FrameType | None) -> None:
    raise SystemExit(128 + number)


def main() -> None:
    """The console script: every failure is one line on standard error and a non-zero exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
    signal.signal(signal.SIGTERM, _stop)  # the first process of a container would not hear it else
    with ExitStack() as stack:
        stack.callback(sys.stdout.flush)
        try:
            cli.main(standalone_mode=False)
        except click.ClickException as error:
            error.show()
            sys.exit(error.exit_code)
        except (KeyboardInterrupt, click.Abort):
            progress.say("Stopped.")
            sys.exit(130)
        except ConversationsError as error:
            progress.say(f"conversations: {error}")
            sys.exit(1)
        except BrokenPipeError:
            sys.exit(1)
