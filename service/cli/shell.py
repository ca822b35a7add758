"""Commands about the command line itself: completion for shells, and the contexts of the configuration file."""

from __future__ import annotations

import sys

import click
from click.shell_completion import get_completion_class

from service import terminal
from service.cli import contexts, global_options, output
from service.cli.options import show
from service.cli.output import Form
from service.cli.query_options import form_option
from service.errors import Misconfigured
from service.settings import SECRETS

PROGRAM = "conversations"
COMPLETION_VARIABLE = "_CONVERSATIONS_COMPLETE"
SHELLS = ("bash", "zsh", "fish")
HIDDEN = "(hidden)"


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), metavar="SHELL")
def completion_command(shell: str) -> None:
    """Print the script that makes SHELL (bash, zsh or fish) complete commands, options, fields and values."""
    found = get_completion_class(shell)
    assert found is not None
    root = click.get_current_context().find_root().command
    print(found(root, {}, PROGRAM, COMPLETION_VARIABLE).source())


@click.group("context")
def context_group() -> None:
    """List, choose and show the contexts of the configuration file: settings by name, such as prod and test."""


@click.command("list")
@form_option("table", "json", "name")
def list_command(form: Form | None) -> None:
    """List the contexts; the one in use is marked."""
    held = global_options.config()
    used = global_options.chosen().context or held.current
    chosen = output.form_of(form)
    if chosen == "json":
        output.print_json([{"name": name, "is_current": name == used} for name in held.contexts])
    elif chosen == "name":
        output.print_names(held.contexts)
    elif not held.contexts:
        raise Misconfigured(f"{held.path} has no contexts: write one, such as [contexts.prod] with url and token_file")
    else:
        rows = [("*" if name == used else "", name, _where(context)) for name, context in held.contexts.items()]
        output.print_table(("", "CONTEXT", "ADDRESS"), rows)


def _where(context: dict[str, object]) -> str:
    return str(context.get("url") or context.get("opensearch_url") or "the local node")


@click.command("use")
@click.argument("name", shell_complete=global_options.complete_contexts)
def use_command(name: str) -> None:
    """Make NAME the default context of commands."""
    held = global_options.config()
    contexts.use(held, name)
    show({"current": name, "file": str(held.path)})


@click.command("show")
@click.argument("name", required=False, shell_complete=global_options.complete_contexts)
def show_command(name: str | None) -> None:
    """Show the settings of the context NAME, or of the one in use. Secrets are hidden."""
    held = global_options.config()
    found, values = held.context(name or global_options.chosen().context)
    if not found:
        raise Misconfigured(
            f"no context is in use: name one, or choose one with 'conversations context use' ({held.path})"
        )
    shown = {key: HIDDEN if key in SECRETS else value for key, value in values.items()}
    print(terminal.json_text({"name": found, "file": str(held.path), "settings": shown}, sys.stdout))


for command in (list_command, use_command, show_command):
    context_group.add_command(command)
COMMANDS: tuple[click.Command, ...] = (context_group, completion_command)
