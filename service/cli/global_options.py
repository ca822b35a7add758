"""Options that every command takes before or after its name, and the settings of a command."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
from click.core import ParameterSource

from service import progress
from service.cli import contexts
from service.settings import Settings, child_environment, hand_down, variable_of

CONFIG_VARIABLE, CONTEXT_VARIABLE = "CONVERSATIONS_CONFIG", "CONVERSATIONS_CONTEXT"
SERVICES = ("run", "serve")  # the commands whose standard error is a log
_KEY = "service.cli.global_options"


@dataclass(slots=True)
class Chosen:
    """The values of the options of every command. The command and its group share them."""

    config: Path | None = None
    context: str | None = None


def chosen() -> Chosen:
    """The options of the current command line."""
    return _chosen_in(click.get_current_context())


def _chosen_in(ctx: click.Context) -> Chosen:
    found = ctx.meta.setdefault(_KEY, Chosen())
    assert isinstance(found, Chosen)
    return found


def config(ctx: click.Context | None = None) -> contexts.Config:
    """The configuration file's contexts. A file that was named must be there. Raises Misconfigured."""
    path = _chosen_in(ctx or click.get_current_context()).config
    return contexts.read(path or contexts.default_path(), must_exist=path is not None)


def settings(**options: object) -> Settings:
    """The settings: options override the environment, which overrides the context. Raises Misconfigured.

    Only options on the command line count here, because the settings read the environment themselves.
    """
    _choose_form({})
    held = config()
    options = {name: value for name, value in options.items() if is_typed(name)}
    name, context = held.context(chosen().context)
    _choose_form(context)
    hand_down(**{CONTEXT_VARIABLE: chosen().context, CONFIG_VARIABLE: _text(chosen().config)})
    return Settings.load(options=options, context=context, source=f"[contexts.{name}] of {held.path}")


def _choose_form(context: Mapping[str, object]) -> None:
    """Makes notes and errors JSON if the command is a service whose log is JSON. Needs no other setting to be valid."""
    log_format = child_environment().get(variable_of("log_format")) or context.get("log_format")
    progress.shown.as_json = click.get_current_context().info_name in SERVICES and log_format == "json"


def is_typed(name: str) -> bool:
    """Whether this option of the current command is on the command line."""
    return rank(name) == 0


def rank(name: str) -> int:
    """Where the option's value comes from: 0 for the command line, 1 for the environment, 2 for neither."""
    found = click.get_current_context().get_parameter_source(name)
    return {ParameterSource.COMMANDLINE: 0, ParameterSource.ENVIRONMENT: 1}.get(found or ParameterSource.DEFAULT, 2)


def _text(path: Path | None) -> str | None:
    return None if path is None else str(path)


def add_to(command: click.Command) -> None:
    """Gives the command the options of every command. A value after the command's name replaces one before it."""
    command.params += [
        _flag("-q", "--quiet", "Print neither notes nor progress; errors are always printed.", _be_quiet),
        _flag("-v", "--verbose", "Print each call to OpenSearch or the service, and an error's causes.", _be_verbose),
        _flag(None, "--no-progress", "Print no progress.", _hide_progress),
        click.Option(
            ["--context"], metavar="NAME", expose_value=False, callback=_choose_context,
            shell_complete=complete_contexts, envvar=CONTEXT_VARIABLE, show_envvar=True,
            help="The context of the configuration file to use.",
        ),
        click.Option(
            ["--config"], metavar="FILE", type=click.Path(path_type=Path, dir_okay=False), expose_value=False,
            callback=_choose_config, envvar=CONFIG_VARIABLE, show_envvar=True,
            help=f"The configuration file. [default: {_shown_default()}]",
        ),
    ]  # fmt: skip


def _shown_default() -> str:
    path, home = contexts.default_path(), Path(os.path.expanduser("~"))  # Path.home() may raise
    return f"~/{path.relative_to(home)}" if path.is_relative_to(home) else str(path)


def _flag(short: str | None, long: str, help_text: str, act: Callable[[], None]) -> click.Option:
    def callback(_ctx: click.Context, _param: click.Parameter, value: bool) -> None:
        if value:
            act()

    names = [name for name in (short, long) if name is not None]
    return click.Option(names, is_flag=True, expose_value=False, callback=callback, help=help_text)


def _be_quiet() -> None:
    progress.shown.notes = False


def _hide_progress() -> None:
    progress.shown.progress = False


class _Printed(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        progress.detail(record.getMessage())


def _be_verbose() -> None:
    if not progress.shown.details:
        progress.shown.details = True
        calls = logging.getLogger("opensearch")
        calls.addHandler(_Printed())
        calls.setLevel(logging.INFO)
        calls.propagate = False


def _choose_context(ctx: click.Context, param: click.Parameter, value: str | None) -> None:
    found = _chosen_in(ctx)
    if value and (found.context is None or _was_typed(ctx, param)):
        found.context = value


def _choose_config(ctx: click.Context, param: click.Parameter, value: Path | None) -> None:
    found = _chosen_in(ctx)
    if value is not None and (found.config is None or _was_typed(ctx, param)):
        found.config = value


def _was_typed(ctx: click.Context, param: click.Parameter) -> bool:
    """Whether it is on the command line. The environment must not replace an option before the command's name."""
    return ctx.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE


def complete_contexts(ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """The names of contexts in the configuration file that begin with the typed text."""
    try:
        return [name for name in config(ctx).contexts if name.startswith(begun)]
    except Exception:  # an error must not be printed into the command line that is being typed
        return []


def reset() -> None:
    """Resets what an earlier command line of this process has set."""
    progress.shown.notes = progress.shown.progress = True
    progress.shown.details = progress.shown.as_json = False
