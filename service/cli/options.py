"""Shared by commands: types of options, the settings made of them, and the client of a cluster."""

from __future__ import annotations

import asyncio
import functools
import re
import sys
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import ClassVar, TypeVar
from uuid import UUID

import click
from opensearchpy.exceptions import TransportError

from service import audit, terminal
from service.cli import connectivity, global_options
from service.client import Client, connect
from service.conversation import parse_uuid
from service.errors import Misconfigured, SearchTimeout, SearchUnavailable
from service.index.disk_space import full_disks
from service.message_texts import MOST_SHOWN
from service.node import running_url
from service.settings import Settings
from service.text import trimmed
from service.urls import of_service, without_password

Result = TypeVar("Result")
Command = Callable[..., None]

_DATA = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    envvar="CONVERSATIONS_DATA",
    show_envvar=True,
    help="The folder of the local node. [default: the user's data folder]",
)
_URL = click.option(
    "--opensearch-url",
    envvar="OPENSEARCH_URL",
    show_envvar=True,
    help="The URL of the cluster. [default: the local node]",
)
INPUT = click.Path(exists=True, dir_okay=False)
INPUT_OR_STREAM = click.Path(exists=True, dir_okay=False, allow_dash=True)
rejects_option = click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("rejects.ndjson"),
    show_default=True,
    help="The file for rejected lines, with their numbers and reasons. Written only if there are any.",
)

create_option = click.option(
    "--create", is_flag=True, help="First create the index and its alias, if they do not exist."
)


def local_options(command: Command) -> Command:
    """Adds --data, and passes `settings` to the command."""

    @_DATA
    @functools.wraps(command)
    def wrapped(*arguments: object, data: Path | None, **options: object) -> None:
        command(*arguments, settings=global_options.settings(data=data), **options)

    return wrapped


def opensearch_options(command: Command) -> Command:
    """Adds --data and --opensearch-url as parameters of the command."""
    return _DATA(_URL(command))


def cluster_options(command: Command) -> Command:
    """Adds --data and --opensearch-url, and passes `settings` to the command."""

    @opensearch_options
    @functools.wraps(command)
    def wrapped(*arguments: object, data: Path | None, opensearch_url: str | None, **options: object) -> None:
        command(*arguments, settings=global_options.settings(data=data, opensearch_url=opensearch_url), **options)

    return wrapped


_INDEX_OPTIONS = {
    "shards": click.option(
        "--shards", metavar="NUMBER", envvar="CONVERSATIONS_SHARDS", show_envvar=True,
        help="Shards of the new index.",
    ),
    "replicas": click.option(
        "--replicas", metavar="NUMBER", envvar="CONVERSATIONS_REPLICAS", show_envvar=True,
        help="Copies of each shard, in addition to the first.",
    ),
    "routing_partition": click.option(
        "--routing-partition", metavar="NUMBER", envvar="CONVERSATIONS_ROUTING_PARTITION", show_envvar=True,
        help="The number of shards over which each organization is spread.",
    ),
    "refresh_interval": click.option(
        "--refresh-interval", metavar="TIME", envvar="CONVERSATIONS_REFRESH_INTERVAL", show_envvar=True,
        help="How soon searches find a write, such as 500ms or 30s; -1 is never.",
    ),
}  # fmt: skip


def index_options(command: Command) -> Command:
    """Adds the options of a new index to those of `cluster_options`. All go into `settings`."""

    @functools.wraps(command)
    def wrapped(*arguments: object, **options: object) -> None:
        names = ("data", "opensearch_url", *_INDEX_OPTIONS)
        settings = global_options.settings(**{name: options.pop(name) for name in names})
        command(*arguments, settings=settings, **options)

    made = opensearch_options(wrapped)
    for option in reversed(_INDEX_OPTIONS.values()):
        made = option(made)
    return made


def typed_index_options() -> list[str]:
    """The options of a new index that are on the command line."""
    return [f"--{name.replace('_', '-')}" for name in _INDEX_OPTIONS if global_options.is_typed(name)]


class Url(click.ParamType[str]):
    """The URL of a server."""

    name = "url"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> str:
        try:
            of_service(str(value))
        except ValueError as error:
            self.fail(f"{without_password(str(value))!r} {error}", param, ctx)
        return str(value)


class Uuid(click.ParamType[UUID]):
    name = "uuid"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        try:
            return parse_uuid(value)
        except ValueError as error:
            self.fail(f"{str(value)[:MOST_SHOWN]!r}: {error}", param, ctx)


class Duration(click.ParamType[timedelta]):
    """Such as 30m, 12h or 7d."""

    name = "duration"
    units: ClassVar = {"m": "minutes", "h": "hours", "d": "days"}

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", str(value))
        if found is None:
            self.fail(f"{value!r} must be a number with m, h or d, such as 12h", param, ctx)
        return timedelta(**{self.units[found[2]]: int(found[1])})


# Options of both tokens and API keys.
default_option = click.option("--default", type=Uuid(), help="The default organization, if there are several.")
agents_option = click.option(
    "--agent", "agents", type=Uuid(), multiple=True, help="Show conversations of this agent only. Repeatable."
)
parties_option = click.option(
    "--party", "parties", type=Uuid(), multiple=True, help="Show conversations of this party only. Repeatable."
)


def check_default(default: UUID | None, organizations: Collection[UUID]) -> None:
    """Raises Misconfigured if the default organization is none of the organizations."""
    if default is not None and default not in organizations:
        raise Misconfigured("--default must be one of the organizations in --organization")


class Pair(click.ParamType[tuple[str, str]]):
    """NAME=VALUE."""

    name = "name=value"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, str]:
        left, equals, right = str(value).partition("=")
        name, given = trimmed(left), trimmed(right)
        if not (name and equals and given):
            self.fail(f"{value!r} must be NAME=VALUE", param, ctx)
        return name, given


def act(
    settings: Settings,
    action: Callable[[Client], Awaitable[Result]],
    *,
    answer: type[object] = object,
    must_answer: bool = True,
) -> Result:
    """Runs the action with a client of the cluster that the settings name, and returns its result.

    With `must_answer`, raises SearchUnavailable with the address and the cause before the action begins if OpenSearch
    does not answer there. If a full disk of the cluster stops the action, the error names it.
    """

    async def run() -> Result:
        url = cluster_url(settings)
        if must_answer:
            await connectivity.require_opensearch(settings, url)
        client = connect(settings, url, answer=answer)
        try:
            return await action(client)
        except (SearchUnavailable, SearchTimeout) as error:
            full = await full_disks(client)
            if full is None:
                raise
            raise SearchUnavailable(full) from error
        except TransportError as error:  # an unknown error: a fault of OpenSearch or of this service
            raise SearchUnavailable(f"OpenSearch answers {error.status_code} ({error.error})") from error
        finally:
            await client.close()

    return asyncio.run(run())


def cluster_url(settings: Settings) -> str:
    """The URLs of the cluster: those in the settings, else those of the local nodes that run in the data folder."""
    url = settings.opensearch_url or running_url(settings.data)
    if url is None:
        raise Misconfigured(
            f"no OpenSearch: set OPENSEARCH_URL, or start a local one with 'conversations run' "
            f"or 'conversations node' (none runs in {settings.data})"
        )
    return url


def recorded(settings: Settings, action: str, organizations: Iterable[UUID | str], **facts: object) -> None:
    """Adds what the command did to the audit trail, if a file for it is set."""
    trail = audit.Audit(settings.audit_file, is_logged=False)
    trail.record(action, who=audit.operator(), organizations=organizations, **facts)


@contextmanager
def recorded_at_the_end(record: Callable[[bool], None]) -> Iterator[None]:
    """Calls `record` when the block has ended, with True if it succeeded.

    An error of the block is raised even if `record` fails. Otherwise, raises Misconfigured if `record` does.
    """
    try:
        yield
    except BaseException as error:
        try:
            record(False)
        except Misconfigured:
            error.add_note("CONVERSATIONS_AUDIT_FILE cannot be written: what was done is not recorded there.")
        raise
    record(True)


def show(record: Mapping[str, object], *, to_error: bool = False) -> None:
    stream = sys.stderr if to_error else sys.stdout
    print(terminal.json_text(record, stream), file=stream)
