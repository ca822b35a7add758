"""Runs everything on one machine: the local node, the index, the sample data, a token and the API."""

from __future__ import annotations

import asyncio
import errno
import gc
import os
import resource
import secrets
import signal
import socket
import ssl
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from importlib import resources
from pathlib import Path
from uuid import UUID

import uvicorn
from opensearchpy.exceptions import TransportError
from pydantic import SecretStr

from service import log_lines, progress, telemetry
from service.api.auth import Tokens
from service.api.http_protocol import KEEP_ALIVE_SECONDS, ConnectionLimits, bounded
from service.api.sign_in import LIFETIME, SignInCodes
from service.app import create_app
from service.client import Client, connect
from service.errors import ConversationsError, IndexUnusable, Misconfigured, NodeFailed, SearchTimeout
from service.index import aliases, loader, mapping
from service.index.index_settings import chosen
from service.message_texts import counted
from service.node import LocalCluster, LocalNode, prepare
from service.node.cluster import HEAP
from service.node.folder import make_private, unwritable
from service.node.lock import require_free
from service.reindex import first_index
from service.settings import SECRET_MIN_BYTES, Settings
from service.sources import ndjson
from service.token_settings import EXPORT, WRITE

SAMPLE = "conversations.ndjson.gz"
TOKEN_LIFETIME = timedelta(days=7)
FIRST_LOOK_SECONDS = 5.0  # timeout of the check of the index at the start; a slower cluster does not stop the start
OPEN_FILES = 4_096  # more than the connections that the settings allow by default
OTHER_FILES = 200


@dataclass(frozen=True, slots=True)
class Tls:
    """The files of a certificate (with its chain) and of its private key, both in PEM format."""

    certificate: Path
    key: Path

    @classmethod
    def load(cls, certificate: Path, key: Path) -> Tls:
        """Raises Misconfigured if the files cannot be read, or the key does not belong to the certificate."""
        try:
            ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise Misconfigured(
                f"--tls-certificate {certificate} and --tls-key {key} cannot be used: {error.strerror or error}"
            ) from None
        return cls(certificate, key)


@dataclass(frozen=True, slots=True)
class Prepare:
    """What `run` may write: `create` a missing index, and load the `sample`."""

    create: bool
    sample: bool


def run(settings: Settings, *, host: str, port: int, prepare: Prepare) -> None:
    """Starts everything, prints an example request with a token, and serves until SIGINT or SIGTERM.

    Without OPENSEARCH_URL, it also starts a local node and stops it at the end.
    """
    if settings.opensearch_url is None:
        require_free(settings.data)  # before the port, which a running `run` also has
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
    """A token with every right, if the service accepts tokens that it signs itself."""
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
        raise IndexUnusable(
            f"{settings.alias} does not exist in OpenSearch: check CONVERSATIONS_ALIAS, or create it with --create"
        )
    name, made = await first_index.ensure(client, settings.alias, mapping.load(), settings=chosen(settings))
    progress.say(f"{'Made' if made else 'Found'} the index {name}")


def sample_path() -> str:
    """The path of the sample conversations, in an installed package or in a source checkout."""
    packaged = resources.files("service").joinpath("samples", SAMPLE)
    return str(packaged if packaged.is_file() else Path(__file__).parents[1] / "tests" / "samples" / SAMPLE)


def serve(
    settings: Settings,
    url: str,
    listener: socket.socket,
    *,
    node: LocalNode | None = None,
    announce: Callable[[], None] = lambda: None,
    codes: SignInCodes | None = None,
    tls: Tls | None = None,
) -> None:
    """Serves the API until SIGINT or SIGTERM, and then completes the running requests.

    Raises IndexUnusable at the start if the index does not fit the mapping, and NodeFailed when `node` dies. A cluster
    that cannot be reached yet, or has no index yet, does not prevent the start.
    """
    log_lines.configure(settings)
    if settings.traces_endpoint is not None and not settings.telemetry_off:
        telemetry.tracing.switch_on(settings.alias)
    asyncio.run(_check_index(settings, url))
    limits = replace(ConnectionLimits.of(settings), connections=_allow_open_files(settings))
    config = uvicorn.Config(
        create_app(settings, url, codes=codes),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # neither the caller's address nor the scheme is used for anything
        http=bounded(limits),
        ws="none",
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        lifespan="on",
        ssl_certfile=None if tls is None else tls.certificate,
        ssl_keyfile=None if tls is None else tls.key,
        timeout_graceful_shutdown=int(settings.request_timeout) + 5,
    )
    server = _Server(config, announce)
    reasons: list[str] = []
    if node is not None:
        threading.Thread(target=_watch, args=(node, server, reasons), daemon=True).start()
    with _operations(settings, listener) as sockets:
        server.run(sockets=[listener, *sockets])
    telemetry.tracing.switch_off()
    if reasons:
        raise NodeFailed(reasons[0])


@contextmanager
def _operations(settings: Settings, listener: socket.socket) -> Iterator[list[socket.socket]]:
    """Yields the socket of /metrics and /health/ready, if they have an address of their own."""
    address = settings.operations_host_and_port
    if address is None:
        yield []
        return
    if address[1] == listener.getsockname()[1]:
        raise Misconfigured("CONVERSATIONS_OPERATIONS_ADDRESS must have another port than the API")
    try:
        with listening(*address) as own:
            yield [own]
    except Misconfigured as error:
        raise Misconfigured(f"CONVERSATIONS_OPERATIONS_ADDRESS: {error}") from None


def _allow_open_files(settings: Settings) -> int:
    """Raises the soft limit on open files, often 1,024. Each connection of a client or to OpenSearch needs one.

    Returns how many connections of clients it has room for, at most those of the settings.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    others = 2 * settings.opensearch_connections + OTHER_FILES
    needed = max(OPEN_FILES, settings.connections + others)
    wanted = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    room = settings.connections if soft == resource.RLIM_INFINITY else max(soft, wanted) - others
    if room < settings.connections:
        progress.say(f"The limit on open files leaves room for {max(1, room):,} connections only: raise it (ulimit -n)")
    return max(1, min(settings.connections, room))


async def _check_index(settings: Settings, url: str) -> None:
    """Raises errors that will not go away by waiting. Prints a note about others, such as an unreachable cluster."""
    client = connect(settings, url, timeout=FIRST_LOOK_SECONDS)
    try:
        async with asyncio.timeout(FIRST_LOOK_SECONDS):
            await aliases.check(client, settings.alias, mapping.load())
    except Exception as error:  # a cluster, or a proxy before one, that is just starting may answer anything
        if _is_lasting(error):
            raise
        progress.say(f"Not ready yet: {_reason(error)}. Requests are refused until it is.")
    finally:
        await client.close()


def _is_lasting(error: Exception) -> bool:
    return isinstance(error, Misconfigured) or (
        isinstance(error, IndexUnusable) and "does not exist" not in str(error)  # which may be made at any time
    )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError | SearchTimeout):
        return f"OpenSearch did not answer within {FIRST_LOOK_SECONDS:g} s"
    if isinstance(error, ConversationsError):
        return str(error)
    if isinstance(error, TransportError):
        return f"OpenSearch responds with {error.status_code} ({error.error})"
    return f"its response cannot be parsed ({type(error).__name__})"


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Without this, a recently closed connection could prevent the socket from listening after a restart.
        for listener in sockets or ():
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        await super().startup(sockets=sockets)
        gc.freeze()  # the objects so far live until the end, so the garbage collector can skip them
        self._announce()


def _watch(node: LocalNode, server: uvicorn.Server, reasons: list[str]) -> None:
    reason = node.wait()
    if not server.should_exit:
        reasons.append(reason)
        server.should_exit = True


@contextmanager
def local_node(settings: Settings) -> Iterator[LocalNode]:
    """Runs a local node while the block runs. ctrl-C is ignored while the node stops, because it would stay running."""
    require_free(settings.data)
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
    """Runs a cluster of so many local nodes while the block runs. ctrl-C is ignored while they stop."""
    require_free(settings.data)
    heap = settings.node_heap if "node_heap" in settings.model_fields_set else HEAP
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
    """Tells each death of a node. Returns when too few are left to elect a manager, with a sentence that says so."""
    count = len(cluster.nodes)
    for node, reason in cluster.deaths():
        left = len(cluster.running())
        words = f"{node.name} at {node.url} {reason}"
        if left <= count // 2:
            break
        cluster.write_running()
        progress.say(
            f"{words}. The other {left} of {counted(count, 'node')} go on; start again to have {node.name} back."
        )
    return f"{words}, and {left} of {counted(count, 'node')} are too few to go on. The log is {node.log}"


@contextmanager
def listening(host: str, port: int) -> Iterator[socket.socket]:
    """Yields a socket that is bound to the address but does not listen yet. Raises Misconfigured if binding fails.

    Linux allows two sockets that do not listen yet to bind to one port if both have SO_REUSEADDR. So the option is off
    between binding and listening: otherwise a second start could take the port of the first.
    """
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "no such port"
            is_host = isinstance(error, socket.gaierror) or getattr(error, "errno", None) == errno.EADDRNOTAVAIL
            advice = "choose an address of this machine with --host" if is_host else "choose another port with --port"
            raise Misconfigured(f"cannot listen on {host}:{port} ({reason}): {advice}") from None
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 0)
        yield listener


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
    """Creates a private file atomically, so that it is never seen half-written. An existing file is kept."""
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
