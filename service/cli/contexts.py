"""The configuration file: contexts with settings by name, and which of them is the current one.

    current = "prod"

    [contexts.prod]
    url = "https://conversations.example.com"
    token_file = "~/.config/conversation-search/prod.token"

A context holds settings, under the names of the fields in service/settings.py. An option overrides an environment
variable, which overrides the context.
"""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from service import progress
from service.errors import Misconfigured
from service.local_node_settings import PROJECT
from service.message_texts import nearest
from service.settings import SECRETS, Settings

FILE = "config.toml"
READABLE_BY_OTHERS = 0o044
_PATHS = frozenset(name for name, field in Settings.model_fields.items() if "Path" in str(field.annotation))
_CURRENT = re.compile(r"^current[ \t]*=.*$", re.MULTILINE)
_FIRST_TABLE = re.compile(r"^\[", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Config:
    """The content of the file. It is empty if there is no file."""

    path: Path
    current: str | None
    contexts: dict[str, dict[str, object]]

    def context(self, name: str | None) -> tuple[str, dict[str, object]]:
        """The name and the settings of this context, or of the current one if `name` is None.

        Without a current one, there are no settings. Raises Misconfigured if there is no such context.
        """
        chosen = name or self.current
        if chosen is None:
            return "", {}
        if chosen not in self.contexts:
            if not self.path.exists():
                raise Misconfigured(
                    f'there is no context "{chosen}", because there is no file {self.path}: docs/commands.md shows one'
                )
            there = ", ".join(self.contexts) or "none"
            near = nearest(chosen, tuple(self.contexts))
            raise Misconfigured(f'{self.path} has no context "{chosen}"; there are: {there}{near}')
        return chosen, self.contexts[chosen]


def default_path() -> Path:
    return platformdirs.user_config_path(PROJECT) / FILE


def read(path: Path, *, must_exist: bool = False) -> Config:
    """The contexts of the file. Raises Misconfigured, which names every unknown key or what else is wrong."""
    if not must_exist and not os.access(path.parent, os.X_OK):  # a user without a home folder has no configuration file
        return Config(path, None, {})
    try:
        held = tomllib.loads(path.read_text("utf-8"))
        mode = path.stat().st_mode
    except FileNotFoundError:
        if must_exist:
            raise Misconfigured(f"{path}: there is no such configuration file") from None
        return Config(path, None, {})
    except OSError as error:
        raise Misconfigured(f"{path} cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise Misconfigured(f"{path} is not TOML: {error}") from None
    contexts = held.get("contexts", {})
    problems = [_unknown(key, ("current", "contexts"), "") for key in held if key not in ("current", "contexts")]
    if not isinstance(held.get("current", ""), str):
        problems.append("current must be the name of a context")
    if not isinstance(contexts, dict) or not all(isinstance(context, dict) for context in contexts.values()):
        problems.append("contexts must be tables, such as [contexts.prod]")
    else:
        problems += [
            _unknown(key, tuple(Settings.model_fields), f" in [contexts.{name}]")
            for name, context in contexts.items()
            for key in context
            if key not in Settings.model_fields
        ]
    if problems:
        raise Misconfigured(f"{path}: {'; '.join(problems)}")
    if mode & READABLE_BY_OTHERS and any(SECRETS & context.keys() for context in contexts.values()):
        progress.say(f"{path} holds secrets and can be read by others: run chmod 600 on it")
    return Config(path, held.get("current"), {name: _expanded(context) for name, context in contexts.items()})


def _unknown(key: str, known: tuple[str, ...], where: str) -> str:
    near = difflib.get_close_matches(key, known, n=1)
    return f'"{key}"{where} is not a key{f"; did you mean {near[0]}?" if near else ""}'


def _expanded(context: dict[str, object]) -> dict[str, object]:
    """The context with ~ in its paths replaced by the home folder, as a shell does."""
    return {
        key: str(Path(value).expanduser()) if key in _PATHS and isinstance(value, str) else value
        for key, value in context.items()
    }


def use(config: Config, name: str) -> None:
    """Makes the context the current one. Everything else in the file, comments included, stays unchanged.

    Raises Misconfigured if there is no such context or the file cannot be written.
    """
    config.context(name)
    text = config.path.read_text("utf-8")
    table = _FIRST_TABLE.search(text)
    head, rest = (text[: table.start()], text[table.start() :]) if table else (text, "")
    line = f'current = "{_quoted(name)}"'
    head = _CURRENT.sub(lambda _found: line, head, count=1) if _CURRENT.search(head) else f"{line}\n{head}"
    partial = config.path.with_name(f"{config.path.name}.partial")
    try:
        partial.touch(mode=0o600)
        partial.write_text(head + rest, "utf-8")
        partial.chmod(config.path.stat().st_mode & 0o777)
        partial.replace(config.path)
    except OSError as error:
        partial.unlink(missing_ok=True)
        raise Misconfigured(f"{config.path} cannot be written ({error.strerror})") from None


def _quoted(name: str) -> str:
    return name.replace("\\", "\\\\").replace('"', '\\"')
