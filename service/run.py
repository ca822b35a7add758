"""Runs everything on one machine: the local node, the index, the sample data, a token and the API."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from importlib import resources
from pathlib import Path
from uuid import UUID

from pydantic import SecretStr

from service import progress
from service.api.auth import Tokens
from service.api.sign_in import LIFETIME, SignInCodes
from service.client import Client, connect
from service.errors import IndexMissing, IndexUnusable, Misconfigured
from service.index import aliases, loader, mapping
from service.index.index_settings import chosen
from service.message_texts import counted
from service.node import LocalCluster, LocalNode, prepare
from service.node.cluster import HEAP_OF_EACH
from service.node.folder import make_private, require_shape, unwritable
from service.node.folder_lock import require_free
from service.reindex import commands, first_index, lock
from service.reindex.context import Job
from service.server import listening, serve
from service.settings import SECRET_MIN_BYTES, Settings
from service.sources import ndjson
from service.token_settings import EXPORT, WRITE

SAMPLE = "conversations.ndjson.gz"
TOKEN_LIFETIME = timedelta(days=7)
WITH_REINDEX = "'scripts/run --reindex' or 'conversations run --reindex'"
REINDEX_SECONDS = 5  # how long a small index takes, without the wait for the lease


@dataclass(frozen=True, slots=True)
class Prepare:
    """What `run` may write: `create` a missing index, `reindex` one that does not fit, and load the `sample`."""

    create: bool
    sample: bool
    reindex: bool = False


def run(settings: Settings, *, host: str, port: int, prepare: Prepare) -> None:
    """Starts everything, prints an example request with a token, and serves until SIGINT or SIGTERM.

    Without OPENSEARCH_URL, it also starts a local node and stops it at the end.
    """
    if settings.opensearch_url is None:
        require_free(settings.data)  # before the port is checked, which a running `run` also uses
    with listening(host, port) as listener:
        settings = with_token_secret(settings)
        if settings.opensearch_url is not None:
            _serve_prepared(settings, settings.opensearch_url, listener, prepare, node=None)
        else:
            with local_node(settings) as node:
                _serve_prepared(settings, node.url, listener, prepare, node=node)


def _serve_prepared(
    settings: Settings, url: str, listener: socket.socket, prepare: Prepare, *, node: LocalNode | None
) -> None:
    organizations = asyncio.run(_prepare(settings, url, prepare))
    token = _token(Tokens(settings), organizations)
    host, port = listener.getsockname()[:2]
    codes = SignInCodes()

    def announce() -> None:
        _announce(f"http://{host}:{port}", token, None if token is None else codes.make(token))

    serve(settings, url, listener, node=node, announce=announce, codes=codes)


def _token(tokens: Tokens, organizations: list[UUID]) -> str | None:
    """A token that may read, write and export, if the service accepts tokens that it signs itself."""
    if not tokens.mints:
        return None
    return tokens.mint(
        "developer", organizations, default=organizations[0], scopes=(WRITE, EXPORT), lifetime=TOKEN_LIFETIME
    )


def _announce(address: str, token: str | None, code: str | None) -> None:
    minutes = int(LIFETIME.total_seconds() / 60)
    once = f" (this link signs you in, once and within {minutes} minutes)" if code is not None else ""
    page = f"{address}/#sign-in={code}" if code is not None else f"{address}/"
    known = f"\nThe token, valid for {TOKEN_LIFETIME.days} days:\n  {token}\n" if token is not None else ""
    print(
        f"\nOpen it in a browser{once}:\n  {page}\n"
        f"\nOr ask the API:\n  curl -s -H 'Authorization: Bearer {token or 'TOKEN'}' "
        f"'{address}/api/conversations?per_page=3'\n{known}"
        f"\nThe API's documentation:\n  {address}/docs\n\nctrl-C stops everything.",
        flush=True,
    )


async def _prepare(settings: Settings, url: str, prepare: Prepare) -> list[UUID]:
    """Creates the index and loads the sample as far as allowed. Returns the organizations for the token."""
    client = connect(settings, url)
    try:
        await _index(client, settings, prepare)
        lines = list(ndjson.read(sample_path())) if prepare.sample else []
        if lines:
            pairs = [(line, line.conversation) for line in lines if line.conversation is not None]
            tally = await loader.load(client, settings.alias, pairs, reject=lambda line, why: None)
            progress.say(f"The sample: {counted(tally.written, 'conversation')} loaded, {tally.unchanged} were there")
        return sorted({line.conversation.organization_uid for line in lines if line.conversation}) or [
            UUID("6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f")
        ]
    finally:
        await client.close()


async def _index(client: Client, settings: Settings, prepare: Prepare) -> None:
    """Finds the index, or creates it if that is allowed. Raises IndexUnusable."""
    if not prepare.create and await aliases.current_index(client, settings.alias) is None:
        raise IndexMissing(
            f"{settings.alias} does not exist in OpenSearch: check CONVERSATIONS_ALIAS, or create it with --create"
        )
    await _fit(client, settings, may_reindex=prepare.reindex)
    name, made = await first_index.ensure(client, settings.alias, mapping.load(), settings=chosen(settings))
    progress.say(f"{'Made' if made else 'Found'} the index {name}")


async def _fit(client: Client, settings: Settings, *, may_reindex: bool) -> None:
    """Reindexes an index that does not fit this version, if that is allowed. Raises IndexUnusable if it is not.

    A reindex that was interrupted is resumed; one from files needs its own command, and its error says so.
    """
    current, needed = await aliases.current_index(client, settings.alias), mapping.load()
    problem = None if current is None else await aliases.drift(client, current, needed)
    if problem is None:
        return
    if not may_reindex:
        raise IndexUnusable(f"{problem}. To reindex at the start, type {WITH_REINDEX}, with your other options")
    progress.say(f"Reindexing, in about {settings.write_lease + REINDEX_SECONDS:.0f} s or more: {problem}")
    job = Job(client, settings.alias, needed, lease=settings.write_lease, index_settings=chosen(settings))
    begun = await lock.read(client, settings.alias)
    is_interrupted = begun is not None and begun.action == "reindex" and begun.step != lock.LOOK and not begun.files
    await (commands.resume(job) if is_interrupted else commands.begin(job))
    progress.say("The previous index is kept, and also receives writes, until 'conversations prune' removes it")


def sample_path() -> str:
    """The path of the sample conversations, in an installed package or in a source checkout."""
    packaged = resources.files("service").joinpath("samples", SAMPLE)
    return str(packaged if packaged.is_file() else Path(__file__).parents[1] / "tests" / "samples" / SAMPLE)


@contextmanager
def local_node(settings: Settings) -> Iterator[LocalNode]:
    """Runs a local node while the block runs. Ignores ctrl-C while the node stops, so that it does stop."""
    require_free(settings.data)
    require_shape(settings.data, 1)
    node = LocalNode(settings.data, prepare(settings.cache, java_home=settings.java_home), heap=settings.node_heap)
    progress.say("Starting OpenSearch")
    try:
        node.start()
        progress.say(
            f"OpenSearch answers at {node.url}, without a password: every user of this machine can read and write it"
        )
        yield node
    finally:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        node.stop()
        signal.signal(signal.SIGINT, before)


@contextmanager
def local_cluster(settings: Settings, count: int) -> Iterator[LocalCluster]:
    """Runs a cluster of this many local nodes while the block runs. ctrl-C is ignored while they stop."""
    require_free(settings.data)
    require_shape(settings.data, count)
    heap = settings.node_heap if "node_heap" in settings.model_fields_set else HEAP_OF_EACH
    distribution = prepare(settings.cache, java_home=settings.java_home)
    cluster = LocalCluster(settings.data, distribution, count=count, heap=heap)
    progress.say(f"Starting {counted(count, 'node')} of OpenSearch, with a heap of {heap} each")
    try:
        cluster.start()
        progress.say(
            f"{counted(count, 'node')} are one cluster, without a password: every user of this machine can read and "
            "write it. A new index gets a copy of each shard on a second node."
        )
        for node in cluster.nodes:
            progress.say(f"  {node.name} answers at {node.url} (process {node.pid}, data in {node.data})")
        yield cluster
    finally:
        before = signal.signal(signal.SIGINT, signal.SIG_IGN)
        cluster.stop()
        signal.signal(signal.SIGINT, before)


def until_too_few(cluster: LocalCluster) -> str:
    """Reports each node that dies. When too few are left to elect a manager, returns a sentence that says so."""
    count = len(cluster.nodes)
    for node, reason in cluster.deaths():
        left = len(cluster.running())
        words = f"{node.name} at {node.url} {reason}"
        if left <= count // 2:
            break
        cluster.write_running()
        progress.say(
            f"{words}. The other {left} of {counted(count, 'node')} go on. One node cannot be started alone: stop the "
            "command, which stops the cluster, and start it again. The addresses stay the same."
        )
    return f"{words}, and {left} of {counted(count, 'node')} are too few to go on. The log is {node.log}"


def with_token_secret(settings: Settings) -> Settings:
    """The settings with a token secret. If none is set, it is read from the data folder, or created there.

    Raises Misconfigured if its file cannot be created or read, or has no valid secret.
    """
    if settings.token_secret is not None:
        return settings
    path = settings.data / "token-secret"
    if not os.path.lexists(path):
        try:
            make_private(settings.data)
            _make_whole(path, secrets.token_urlsafe(48))
        except OSError as error:
            raise Misconfigured(unwritable(settings.data, error)) from None
    return settings.but(token_secret=SecretStr(_read_secret(path)))


def _make_whole(path: Path, text: str) -> None:
    """Creates a private file atomically, so that no process reads a part of it. An existing file is kept."""
    written, name = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")  # only the owner can read it
    partial = Path(name)
    try:
        with os.fdopen(written, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        try:
            path.hardlink_to(partial)
        except FileExistsError:
            return  # another process was first, so its secret is used
        except OSError:  # a file system without hard links
            if not os.path.lexists(path):
                partial.rename(path)
    finally:
        partial.unlink(missing_ok=True)


def _read_secret(path: Path) -> str:
    way_out = "remove it to have a new one made, or set CONVERSATIONS_TOKEN_SECRET"
    try:
        secret = path.read_bytes().strip().decode()
    except OSError as error:
        raise Misconfigured(f"the token secret in {path} cannot be read ({error.strerror}): {way_out}") from None
    except UnicodeDecodeError:
        raise Misconfigured(f"the token secret in {path} is not text in UTF-8: {way_out}") from None
    if len(secret.encode()) < SECRET_MIN_BYTES:
        raise Misconfigured(
            f"the token secret in {path} has {len(secret.encode())} bytes and needs {SECRET_MIN_BYTES}: {way_out}"
        )
    return secret
