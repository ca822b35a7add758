"""Commands that run until they are stopped (run, serve, node), the health check, and tokens."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import click

from service import progress, variables
from service.audit import Audit
from service.cli import global_options
from service.cli.connectivity import check_ca_file, problem_at, require_opensearch
from service.cli.options import (
    Duration,
    Uuid,
    agents_option,
    check_default,
    cluster_options,
    cluster_url,
    default_option,
    local_options,
    parties_option,
)
from service.cli.service_http import NO_PATH, another_program, send
from service.errors import ConversationsError, Misconfigured
from service.settings import Settings
from service.terminal import json_text
from service.token_settings import SCOPES

_HOST = click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
_PORT = click.option(
    "--port", type=click.IntRange(0, 65535), default=8000, show_default=True, help="Port to listen on."
)


@click.command("run")
@_HOST
@_PORT
@click.option("--empty", is_flag=True, help="Do not load the sample conversations into the local node.")
@click.option("--sample", is_flag=True, help="Load the sample conversations into the cluster of --opensearch-url too.")
@click.option("--create", is_flag=True, help="Create the index in the cluster of --opensearch-url, if it has none.")
@click.option("--reindex", is_flag=True, help="First reindex an index that does not fit this version of the service.")
@cluster_options
def run_command(
    settings: Settings, host: str, port: int, empty: bool, sample: bool, create: bool, reindex: bool
) -> None:
    """Start everything on this machine and serve the API until ctrl-C.

    A local node gets an index and the sample conversations. With --opensearch-url or OPENSEARCH_URL, the service uses
    that cluster. It creates an index there only with --create, and loads the sample only with --sample.

    An index with the mapping of another version is refused; --reindex reindexes it first.
    """
    from service.run import Prepare, run

    if empty and sample:
        raise Misconfigured("--empty and --sample contradict each other: give one of them")
    _refuse_ignored(settings, empty=empty, sample=sample, create=create)
    variables.warn()
    Audit(settings.audit_file).require_writable()
    if settings.opensearch_url is not None:
        asyncio.run(require_opensearch(settings, settings.opensearch_url))
    is_local = settings.opensearch_url is None
    prepare = Prepare(create=is_local or create, sample=sample or (is_local and not empty), reindex=reindex)
    run(settings, host=host, port=port, prepare=prepare)


def _refuse_ignored(settings: Settings, *, empty: bool, sample: bool, create: bool) -> None:
    """Raises Misconfigured for an option that would change nothing here."""
    if settings.opensearch_url is None and (sample or create):
        raise Misconfigured(
            f"{'--sample' if sample else '--create'} is for the cluster of --opensearch-url: "
            "leave it out, because a local node always gets an index, and the sample unless --empty is given"
        )
    if settings.opensearch_url is not None and empty:
        raise Misconfigured(
            "--empty is for a local node: leave it out, because a cluster gets the sample only with --sample"
        )


_FILE = click.Path(path_type=Path, dir_okay=False)


@click.command("serve")
@_HOST
@_PORT
@click.option("--tls-certificate", type=_FILE, help="Serve HTTPS with this certificate (PEM, with its chain).")
@click.option("--tls-key", type=_FILE, help="The certificate's private key (PEM).")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    envvar="CONVERSATIONS_WORKERS",
    show_envvar=True,
    help="Serve with this many processes, and divide the limits of a process among them. SIGHUP replaces them one by "
    "one, and no request is lost. Without it, one process serves.",
)
@click.option("--as-worker", hidden=True, help="Used by --workers for the processes that it starts.")
@cluster_options
def serve_command(
    settings: Settings,
    host: str,
    port: int,
    tls_certificate: Path | None,
    tls_key: Path | None,
    workers: int | None,
    as_worker: str | None,
) -> None:
    """Serve the API for a cluster that runs already: OPENSEARCH_URL, or the local node in --data."""
    from service.api.auth import Tokens
    from service.run import with_token_secret
    from service.server import Tls, listening, serve, supervise, work
    from service.workers.part import Part

    if (tls_certificate is None) != (tls_key is None):
        raise Misconfigured("--tls-certificate and --tls-key go together: give both, or neither")
    tls = None if tls_certificate is None or tls_key is None else Tls.load(tls_certificate, tls_key)
    if settings.token_secret is None and settings.opensearch_url is None:
        settings = with_token_secret(settings)
    _ = Tokens(settings).cursor_secrets  # raises an error for a missing secret before anything is served
    check_ca_file(settings, cluster_url(settings))
    Audit(settings.audit_file).require_writable()
    if as_worker is not None:
        work(settings, cluster_url(settings), Part.parse(as_worker), tls=tls)
        return
    variables.warn()
    with listening(host, port) as listener:
        scheme = "http" if tls is None else "https"
        progress.say(f"Serving on {scheme}://{host}:{listener.getsockname()[1]}")
        problem = asyncio.run(problem_at(settings, cluster_url(settings)))
        if problem is not None:
            progress.say(f"Not ready yet: {problem}")
        if workers is None:
            serve(settings, cluster_url(settings), listener, tls=tls)
        else:
            supervise(settings, cluster_url(settings), listener, workers=workers)


@click.command("healthy")
@click.option(
    "--url",
    envvar="CONVERSATIONS_URL",
    show_envvar=True,
    help="The URL of the service. [default: http://127.0.0.1:8000]",
)
@click.option(
    "--timeout",
    type=click.FloatRange(min=0.1),
    default=5.0,
    show_default=True,
    help="How many seconds to wait for the answer.",
)
@local_options
def healthy_command(settings: Settings, url: str | None, timeout: float) -> None:
    """Check whether a running service is ready.

    The exit code is 0 if it is, and 1 with the reason if it is not. An HTTPS certificate is checked with
    OPENSEARCH_CA_FILE if that is set.
    """
    if global_options.is_typed("url"):
        settings = global_options.settings(url=url)
    url = settings.url or _LOCAL_URL
    answer = send(settings, url, "/health/ready", timeout=timeout)
    body = answer.json()
    if not isinstance(body, dict) or "status" not in body:
        raise ConversationsError(another_program(url, answer))
    if answer.status != 200:
        error = body.get("error")
        message = error.get("message") if isinstance(error, dict) else None
        elsewhere = _ELSEWHERE if message == NO_PATH else ""
        raise ConversationsError(f"not ready ({answer.status}): {message or body['status']}{elsewhere}")
    print(json_text(body, sys.stdout, indent=None))


_LOCAL_URL = "http://127.0.0.1:8000"
_ELSEWHERE = (
    ": give the URL of the service without a path; if the service has CONVERSATIONS_OPERATIONS_ADDRESS, give that "
    "address, because /health/ready is answered there only"
)


@click.command("node")
@click.option(
    "--nodes",
    "count",
    type=click.IntRange(1, 9),
    default=1,
    show_default=True,
    help="How many nodes to run, as one cluster. A cluster of 3 goes on when one of them dies.",
)
@local_options
def node_command(settings: Settings, count: int) -> None:
    """Run the local OpenSearch node alone, until ctrl-C. It prints the node's address.

    With --nodes 3, it runs three processes that are one cluster, and prints the address of each. A new index then gets
    one replica. If a node dies, the command reports it. The other nodes go on while more than half of the nodes run;
    after that, the command ends with exit code 1. A dead node cannot be started alone: stop the command and start it
    again. The nodes keep their addresses. Each node takes about 700 MB of memory; CONVERSATIONS_NODE_HEAP sets the heap
    of each. A data folder is for one node or for one cluster: give the cluster its own folder with --data.

    The nodes have no password, so every user of this machine can read and write them.
    """
    from service.run import local_cluster, local_node, until_too_few

    if count > 1:
        with local_cluster(settings, count) as cluster:
            print("\n".join(cluster.urls), flush=True)
            words = until_too_few(cluster)
        raise ConversationsError(words)
    with local_node(settings) as node:
        print(node.url, flush=True)
        words = node.wait()
    raise ConversationsError(words)


@click.command("token")
@click.option(
    "--organization",
    "organizations",
    type=Uuid(),
    multiple=True,
    required=True,
    help="An organization that the token may read. Repeatable.",
)
@default_option
@click.option("--user", default="developer", show_default=True, help="The user of the token (its claim sub).")
@click.option(
    "--scope",
    "scopes",
    type=click.Choice(SCOPES),
    multiple=True,
    help="A right of the token. Repeatable; without it, the token may read and export.",
)
@agents_option
@parties_option
@click.option(
    "--expires", type=Duration(), default="12h", show_default=True, help="How long it is valid, such as 30m, 12h or 7d."
)
@local_options
def token_command(
    settings: Settings,
    organizations: tuple[UUID, ...],
    default: UUID | None,
    user: str,
    scopes: tuple[str, ...],
    agents: tuple[UUID, ...],
    parties: tuple[UUID, ...],
    expires: timedelta,
) -> None:
    """Make a token, signed with CONVERSATIONS_TOKEN_SECRET or with the secret of the data folder.

    Without --scope, the token names no scope, and the service gives it those of CONVERSATIONS_DEFAULT_SCOPES (reading
    and exporting), as it does for such tokens of an identity provider. 'conversations key create' requires --scope: a
    key lasts for weeks, and should have only the rights that its program needs.
    """
    from service.api.auth import Tokens
    from service.run import with_token_secret

    check_default(default, organizations)
    tokens = Tokens(with_token_secret(settings))
    print(
        tokens.mint(
            user, list(organizations), default=default, scopes=scopes, lifetime=expires, agents=agents, parties=parties
        )
    )


COMMANDS = (run_command, serve_command, node_command, healthy_command, token_command)
