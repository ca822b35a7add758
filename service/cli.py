"""`conversations ...`: one command parses its options, calls one function and prints a record."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, TypeVar
from uuid import UUID

import click

from service import __version__, progress
from service.api.auth import Tokens
from service.client import Client, connect
from service.conversation import Conversation, parse_uuid
from service.errors import ConversationsError, Misconfigured
from service.index import bulk, lifecycle, mapping
from service.node import running_url
from service.rejects import Rejects
from service.run import listening, local_node, run, serve, with_token_secret
from service.settings import Settings
from service.sources import mail, ndjson

Result = TypeVar("Result")

DATA_OPTION = click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder of the local node. [default: CONVERSATIONS_DATA, else the user's data folder]",
)
URL_OPTION = click.option("--opensearch-url", help="Use this cluster. [default: OPENSEARCH_URL, else the local node]")
REJECTS_OPTION = click.option(
    "--rejects",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("rejects.ndjson"),
    show_default=True,
    help="Where each rejected line goes, with its number and reason; written only if there is one.",
)
HOST_OPTION = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
PORT_OPTION = click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on."
)


class _Uuid(click.ParamType[UUID]):
    name = "uuid"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> UUID:
        try:
            return parse_uuid(value)
        except ValueError as error:
            self.fail(f"{value!r}: {error}", param, ctx)


class _Duration(click.ParamType[timedelta]):
    """Such as 30m, 12h or 7d."""

    name = "duration"
    units: ClassVar = {"m": "minutes", "h": "hours", "d": "days"}

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        if isinstance(value, timedelta):
            return value
        found = re.fullmatch(r"([1-9][0-9]{0,4})([mhd])", value)
        if found is None:
            self.fail(f"{value!r} must be a number with m, h or d, such as 12h", param, ctx)
        return timedelta(**{self.units[found[2]]: int(found[1])})


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="conversations")
def cli() -> None:
    """Conversation search: an HTTP search API for conversations, over OpenSearch.

    Commands find the cluster by OPENSEARCH_URL, or else the local node that runs in the same --data folder.
    """


@cli.command("run")
@HOST_OPTION
@PORT_OPTION
@DATA_OPTION
@click.option("--empty", is_flag=True, help="Do not load the sample conversations.")
@URL_OPTION
def run_command(host: str, port: int, data: Path | None, empty: bool, opensearch_url: str | None) -> None:
    """Start everything on this machine and serve the API until ctrl-C."""
    settings = Settings.load().but(data=data, opensearch_url=opensearch_url)
    run(settings, host=host, port=port, sample=not empty)


@cli.command("serve")
@HOST_OPTION
@PORT_OPTION
@DATA_OPTION
@URL_OPTION
def serve_command(host: str, port: int, data: Path | None, opensearch_url: str | None) -> None:
    """Serve the API on a cluster that runs already."""
    settings = Settings.load().but(data=data, opensearch_url=opensearch_url)
    if settings.token_secret is None and settings.opensearch_url is None:
        settings = with_token_secret(settings)
    with listening(host, port) as listener:
        progress.say(f"Serving on http://{host}:{listener.getsockname()[1]}")
        serve(settings, _url(settings), listener)


@cli.command("node")
@DATA_OPTION
def node_command(data: Path | None) -> None:
    """Run the local OpenSearch node alone, until ctrl-C. Prints its address."""
    with local_node(Settings.load().but(data=data)) as node:
        print(node.url, flush=True)
        words = node.wait()
    raise ConversationsError(f"OpenSearch ended. Its last log lines:\n{words}")


@cli.command("create")
@DATA_OPTION
@URL_OPTION
def create_command(data: Path | None, opensearch_url: str | None) -> None:
    """Create the index and its alias, if they are not there."""
    settings = Settings.load().but(data=data, opensearch_url=opensearch_url)
    name, made = _with_client(settings, lambda client: lifecycle.ensure(client, settings.alias, mapping.load()))
    _print({"index": name, "created": made})


@cli.command("status")
@DATA_OPTION
@URL_OPTION
def status_command(data: Path | None, opensearch_url: str | None) -> None:
    """Print cluster, index, alias, counts and mapping as JSON. Exits 1 if the service could not serve this index."""
    settings = Settings.load().but(data=data, opensearch_url=opensearch_url)
    found = _with_client(settings, lambda client: lifecycle.status(client, settings.alias, mapping.load()))
    _print(found.record())
    if found.problem is not None:
        raise ConversationsError(found.problem)


@cli.command("token")
@click.option("--organization", "organizations", type=_Uuid(), multiple=True, required=True, help="Repeatable.")
@click.option("--default", type=_Uuid(), help="The default organization; one of those given.")
@click.option("--user", default="developer", show_default=True, help="The token's sub.")
@click.option("--scope", "scopes", multiple=True, help="Repeatable, such as conversations:write.")
@click.option("--expires", type=_Duration(), default="12h", show_default=True, help="Lifetime: 30m, 12h, 7d.")
@DATA_OPTION
def token_command(
    organizations: tuple[UUID, ...],
    default: UUID | None,
    user: str,
    scopes: tuple[str, ...],
    expires: timedelta,
    data: Path | None,
) -> None:
    """Mint a token, signed with CONVERSATIONS_TOKEN_SECRET or the data folder's own secret."""
    if default is not None and default not in organizations:
        raise Misconfigured("--default must be one of the organizations given")
    tokens = Tokens(with_token_secret(Settings.load().but(data=data)))
    print(tokens.mint(user, list(organizations), default=default, scopes=scopes, lifetime=expires))


@cli.command("load")
@click.argument("files", nargs=-1, required=True, metavar="FILE...")
@REJECTS_OPTION
@DATA_OPTION
@URL_OPTION
def load_command(files: tuple[str, ...], rejects: Path, data: Path | None, opensearch_url: str | None) -> None:
    """Load conversations from NDJSON files (plain or gzip); - is standard input.

    Loading twice changes nothing, and an older copy never replaces a newer one: the version is updated_on.
    Rejected lines go to the rejects file; all others are loaded, and the exit code is then 1.
    """
    settings = Settings.load().but(data=data, opensearch_url=opensearch_url)
    sizes = [ndjson.size(file) for file in files]
    total = None if None in sizes else sum(size or 0 for size in sizes)
    with Rejects(rejects) as rejected, progress.track("Loading", total, "bytes") as advance:

        def conversations() -> Iterator[tuple[ndjson.Line, Conversation]]:
            for file in files:
                for line in ndjson.read(file, advance=advance):
                    if line.conversation is None:
                        rejected.add(line.source, line.number, line.reason or "", line.text)
                    else:
                        yield line, line.conversation

        tally = _load(
            settings,
            conversations(),
            lambda line, reason: rejected.add(line.source, line.number, reason, line.text),
        )
    _summary(tally, rejected)


@cli.command("import-mail")
@click.argument("paths", nargs=-1, required=True, type=click.Path(exists=True), metavar="PATH...")
@click.option("--organization", type=_Uuid(), required=True, help="The organization that the mail belongs to.")
@click.option("--own-address", "own_addresses", multiple=True, help="An address of the organization's. Repeatable.")
@click.option("--own-domain", "own_domains", multiple=True, help="A mail domain of the organization's. Repeatable.")
@click.option("--output", type=click.File("w"), help="Write NDJSON there (- is standard output) and load nothing.")
@REJECTS_OPTION
@DATA_OPTION
@URL_OPTION
def import_mail_command(
    paths: tuple[str, ...],
    organization: UUID,
    own_addresses: tuple[str, ...],
    own_domains: tuple[str, ...],
    output: Any,
    rejects: Path,
    data: Path | None,
    opensearch_url: str | None,
) -> None:
    """Turn mailboxes into conversations, one a thread, and load them.

    PATH is an mbox file (Mailman's archives too), a Maildir, an .eml file, a folder of these, or a .gz of a file.
    Name all parts of an archive in one call, so that threads which cross them stay whole.
    """
    settings = Settings.load().but(data=data, opensearch_url=opensearch_url)
    own = mail.Own(frozenset(map(str.lower, own_addresses)), frozenset(map(str.lower, own_domains)))
    with Rejects(rejects) as rejected, progress.track("Reading", None, "messages") as advance:
        found = mail.conversations(paths, organization, own, reject=rejected.add, advance=advance)
        if output is not None:
            tally = bulk.Tally()
            for conversation in found:
                output.write(conversation.model_dump_json() + "\n")
                tally.count("written")
        else:
            tally = _load(
                settings,
                ((conversation, conversation) for conversation in found),
                lambda conversation, reason: rejected.add(str(conversation.uid), 0, reason, b""),
            )
    _summary(tally, rejected)


Origin = TypeVar("Origin")


def _load(
    settings: Settings,
    conversations: Iterable[tuple[Origin, Conversation]],
    reject: Callable[[Origin, str], None],
) -> bulk.Tally:
    async def load(client: Client) -> bulk.Tally:
        await lifecycle.ensure(client, settings.alias, mapping.load())
        return await bulk.load(client, settings.alias, conversations, reject=reject)

    return _with_client(settings, load)


def _summary(tally: bulk.Tally, rejected: Rejects) -> None:
    _print({"written": tally.written, "unchanged": tally.unchanged, "rejected": rejected.count})
    if rejected.count:
        raise ConversationsError(f"{rejected.count} rejected: see {rejected.path}; everything else was taken")


def _with_client(settings: Settings, action: Callable[[Client], Awaitable[Result]]) -> Result:
    async def act() -> Result:
        client = connect(settings, _url(settings))
        try:
            return await action(client)
        finally:
            await client.close()

    return asyncio.run(act())


def _url(settings: Settings) -> str:
    """The cluster's address: what was set, else the local node that runs in the data folder."""
    url = settings.opensearch_url or running_url(settings.data)
    if url is None:
        raise Misconfigured(
            f"no OpenSearch: set OPENSEARCH_URL, or start a local one with 'conversations run' "
            f"or 'conversations node' (none runs in {settings.data})"
        )
    return url


def _print(record: dict[str, Any]) -> None:
    print(json.dumps(record, indent=2, ensure_ascii=False))


def main() -> None:
    """The console script: every failure is one line on standard error and a non-zero exit code."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell in the background has it ignored
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
