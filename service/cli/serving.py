"""Commands that run something until they are told to stop: run, serve, node; and the token to ask it with."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import click

from service import progress
from service.api.auth import Tokens
from service.cli.options import Duration, Uuid, cluster_options, cluster_url, local_options
from service.errors import ConversationsError, Misconfigured
from service.run import listening, local_node, run, serve, with_token_secret
from service.settings import Settings

_HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
_PORT = click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on."
)


@click.command("run")
@_HOST
@_PORT
@click.option("--empty", is_flag=True, help="Do not load the sample conversations.")
@cluster_options
def run_command(settings: Settings, host: str, port: int, empty: bool) -> None:
    """Start everything on this machine and serve the API until ctrl-C."""
    run(settings, host=host, port=port, sample=not empty)


@click.command("serve")
@_HOST
@_PORT
@cluster_options
def serve_command(settings: Settings, host: str, port: int) -> None:
    """Serve the API on a cluster that runs already."""
    if settings.token_secret is None and settings.opensearch_url is None:
        settings = with_token_secret(settings)
    with listening(host, port) as listener:
        progress.say(f"Serving on http://{host}:{listener.getsockname()[1]}")
        serve(settings, cluster_url(settings), listener)


@click.command("node")
@local_options
def node_command(settings: Settings) -> None:
    """Run the local OpenSearch node alone, until ctrl-C. Prints its address."""
    with local_node(settings) as node:
        print(node.url, flush=True)
        words = node.wait()
    raise ConversationsError(f"OpenSearch ended. Its last log lines:\n{words}")


@click.command("token")
@click.option("--organization", "organizations", type=Uuid(), multiple=True, required=True, help="Repeatable.")
@click.option("--default", type=Uuid(), help="The default organization; one of those given.")
@click.option("--user", default="developer", show_default=True, help="The token's sub.")
@click.option("--scope", "scopes", multiple=True, help="Repeatable, such as conversations:write.")
@click.option("--expires", type=Duration(), default="12h", show_default=True, help="Lifetime: 30m, 12h, 7d.")
@local_options
def token_command(
    settings: Settings,
    organizations: tuple[UUID, ...],
    default: UUID | None,
    user: str,
    scopes: tuple[str, ...],
    expires: timedelta,
) -> None:
    """Mint a token, signed with CONVERSATIONS_TOKEN_SECRET or the data folder's own secret."""
    if default is not None and default not in organizations:
        raise Misconfigured("--default must be one of the organizations given")
    tokens = Tokens(with_token_secret(settings))
    print(tokens.mint(user, list(organizations), default=default, scopes=scopes, lifetime=expires))


COMMANDS = (run_command, serve_command, node_command, token_command)
