"""Click's messages about wrong options and arguments, in the words of this project.

WORDS is a table of click's sentences. Other sentences stay unchanged.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable

import click

from service.message_texts import choice_of, nearest

_KINDS = {"File": "file", "Directory": "folder", "Path": "file or folder"}


def sentence(error: click.ClickException) -> str:
    """The error's message, without a capital letter and a full stop."""
    if isinstance(error, click.NoSuchOption | click.NoSuchCommand):
        kind, name = (
            ("option", error.option_name) if isinstance(error, click.NoSuchOption) else ("command", error.command_name)
        )
        return f"there is no {kind} {name}{nearest(name, tuple(error.possibilities or ()))}"
    place = "" if isinstance(error, click.MissingParameter) else _place(error)
    for pattern, words in WORDS:
        if found := re.fullmatch(pattern, error.message, re.DOTALL):
            return f"{place}{words(found, error)}"
    message = error.message if place else error.format_message()
    if isinstance(error, click.MissingParameter) and error.param is not None:
        message = message.partition(". Choose from:")[0]
        if isinstance(error.param.type, click.Choice):
            message += f": {choice_of(tuple(map(str, error.param.type.choices)))}"
    return f"{place}{message[:1].lower()}{message[1:]}".rstrip(".")


def _place(error: click.ClickException) -> str:
    """The option or argument, such as `--limit: `."""
    if not isinstance(error, click.BadParameter):
        return ""
    param = error.param
    if error.param_hint is not None:
        names = [error.param_hint] if isinstance(error.param_hint, str) else list(error.param_hint)
        return f"{' / '.join(names)}: "
    if param is None:
        return ""
    return (
        f"{param.opts[-1]}: "
        if isinstance(param, click.Option)
        else f"{param.make_metavar(_context(error)).strip('[].')}: "
    )


def _context(error: click.BadParameter) -> click.Context:
    return error.ctx or click.Context(click.Command(None))


def _number(found: re.Match[str], error: click.ClickException) -> str:
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param is not None else None
    number = "a whole number" if isinstance(kind, click.types.IntParamType) else "a number"
    low, high = getattr(kind, "min", None), getattr(kind, "max", None)
    bounds = "" if low is None else f" from {low:g}" if high is not None else f" of at least {low:g}"
    return f"{_quoted(found[1].removesuffix('.0'))} must be {number}{bounds}{'' if high is None else f' to {high:g}'}"


def _quoted(value: str) -> str:
    return value if value[:1] in "'\"" else f"'{value}'"


def _choice(found: re.Match[str], _error: click.ClickException) -> str:
    choices = tuple(re.findall(r"'([^']*)'", found[2]))
    return f"{found[1]} must be {choice_of(choices)}{nearest(_bare(found[1]).lower(), choices)}"


def _bare(value: str) -> str:
    try:
        return str(ast.literal_eval(value))
    except (SyntaxError, ValueError):
        return value


WORDS: tuple[tuple[str, Callable[[re.Match[str], click.ClickException], str]], ...] = (
    (r"(.+) is not a valid (?:integer|float)(?: range)?\.", _number),
    (r"(.+) is not in the range .+\.", _number),
    (r"(.+) is not one of (.+)\.", _choice),
    (r"(File|Directory|Path) (.+) does not exist\.", lambda found, _: f"{_KINDS[found[1]]} {found[2]} does not exist"),
    (r"Directory (.+) is a file\.", lambda found, _: f"{found[1]} is a file, and must be a folder"),
    (r"File (.+) is a directory\.", lambda found, _: f"{found[1]} is a folder, and must be a file"),
    (r"\w+ (.+) is not readable\.", lambda found, _: f"{found[1]} may not be read by this user"),
    (r"\w+ (.+) is not writable\.", lambda found, _: f"{found[1]} may not be written by this user"),
    (r"Got unexpected extra arguments? \((.+)\)", lambda found, _: f"unexpected: {found[1]}"),
    (r"Option '?(.+?)'? requires an argument\.", lambda found, _: f"{found[1]} needs a value"),
    (r"Option '?(.+?)'? requires (\d+) arguments\.", lambda found, _: f"{found[1]} needs {found[2]} values"),
    (r"Option '?(.+?)'? does not take a value\.", lambda found, _: f"{found[1]} takes no value"),
)  # fmt: skip
