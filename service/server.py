"""Serves the API: in this process, or in several workers that a supervisor starts."""

from __future__ import annotations

import asyncio
import errno
import gc
import resource
import signal
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import uvicorn
from opensearchpy.exceptions import TransportError

from service import limit_settings, log_lines, progress, telemetry
from service.api import web
from service.api.http_protocol import KEEP_ALIVE_SECONDS, BoundedProtocol, ConnectionLimits, bounded
from service.api.sign_in import SignInCodes
from service.api.tls_listener import TlsListener
from service.app import create_app
from service.client import connect
from service.errors import ConversationsError, IndexMissing, IndexUnusable, Misconfigured, NodeFailed, SearchTimeout
from service.index import aliases, mapping
from service.message_texts import counted
from service.node import LocalNode
from service.settings import Settings, child_environment
from service.workers import metric_files, shared_folder
from service.workers.part import Part
from service.workers.supervisor import Supervisor

FIRST_LOOK_SECONDS = 5.0  # timeout of the check of the index at the start; a slower cluster does not prevent the start
OPEN_FILES = 4_096  # more than the connections that the settings allow by default
OTHER_FILES = 200
DRAIN_SECONDS = 2.0  # for which a worker that ends still answers on open connections
DRAIN_LOOK_SECONDS = 0.02
PATIENCE_SECONDS = 10.0  # that a worker may take to end after the time for running requests is over


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
    asyncio.run(check_index(settings, url))
    server = Server(_config(settings, url, tls, codes=codes), announce)
    reasons: list[str] = []
    if node is not None:
        threading.Thread(target=_watch, args=(node, server, reasons), daemon=True).start()
    with _operations(settings, listener) as sockets, _traces(settings):
        server.run(sockets=[listener, *sockets])
    if reasons:
        raise NodeFailed(reasons[0])


def supervise(settings: Settings, url: str, listener: socket.socket, *, workers: int) -> None:
    """Serves the API in several workers until SIGINT or SIGTERM. On SIGHUP, new workers take the place of the old ones.

    Each worker runs the command of this process again, with an option that names its part (`work`). Raises
    KeyboardInterrupt after SIGINT, else SystemExit: after SIGTERM, or with the code of a worker that could not start.
    """
    log_lines.configure(settings, with_pid=True)
    asyncio.run(check_index(settings, url))
    parts = ", ".join(f"{name} {value:,}" for name, value in limit_settings.divided(settings, workers).items())
    progress.say(f"Starting {counted(workers, 'worker')}. The limits are divided among them. Each has: {parts}")
    with _operations(settings, listener) as sockets, shared_folder.made() as folder:
        supervisor = Supervisor(
            command=[sys.executable, "-m", "service", *sys.argv[1:]],
            environment=child_environment(**{metric_files.VARIABLE: str(folder)}),
            count=workers,
            listeners=[listener, *sockets],
            folder=folder,
            patience=DRAIN_SECONDS + _seconds_for_requests(settings) + PATIENCE_SECONDS,
        )
        ended = asyncio.run(supervisor.run())
    if ended is signal.SIGINT:
        raise KeyboardInterrupt
    raise SystemExit(128 + ended if isinstance(ended, signal.Signals) else ended)


def work(settings: Settings, url: str, part: Part, *, tls: Tls | None) -> None:
    """Serves the API as one of several workers, until SIGTERM or the end of the supervisor."""
    log_lines.configure(settings, with_pid=True)
    own = settings.but(**limit_settings.divided(settings, part.count))
    server = Server(_config(own, url, tls, folder=part.folder), drain_seconds=DRAIN_SECONDS)

    def end() -> None:
        server.should_exit = True

    server.announce = lambda: part.begin(orphaned=end)
    with shared_folder.held(part.folder), _traces(settings):
        server.run(sockets=part.sockets())


def _config(
    settings: Settings, url: str, tls: Tls | None, *, codes: SignInCodes | None = None, folder: Path | None = None
) -> uvicorn.Config:
    web.version()  # makes the files of the page, so that the first visitor does not wait for it
    limits = replace(ConnectionLimits.of(settings), connections=allow_open_files(settings))
    return uvicorn.Config(
        create_app(settings, url, codes=codes, folder=folder),
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
        timeout_graceful_shutdown=_seconds_for_requests(settings),
    )


def _seconds_for_requests(settings: Settings) -> int:
    """How long running requests may take when the service ends."""
    return int(settings.request_timeout) + 5


@contextmanager
def _traces(settings: Settings) -> Iterator[None]:
    if settings.traces_endpoint is not None and not settings.telemetry_off:
        telemetry.tracing.switch_on(settings.alias)
    yield
    telemetry.tracing.switch_off()


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


def allow_open_files(settings: Settings) -> int:
    """Raises the soft limit on open files, often 1,024. Each connection of a client or to OpenSearch needs one.

    Returns how many connections of clients fit into it, at most `settings.connections`.
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


async def check_index(settings: Settings, url: str) -> None:
    """Raises errors that will not go away by waiting. Prints a note about others, such as an unreachable cluster."""
    client = connect(settings, url, timeout=FIRST_LOOK_SECONDS)
    try:
        async with asyncio.timeout(FIRST_LOOK_SECONDS):
            await aliases.check(client, settings.alias, mapping.load())
    except Exception as error:  # while a cluster or its proxy starts, any answer is possible
        if _is_lasting(error):
            raise
        progress.say(f"Not ready yet: {_reason(error)}. Requests are refused until it is.")
    finally:
        await client.close()


def _is_lasting(error: Exception) -> bool:
    return isinstance(error, Misconfigured) or (
        isinstance(error, IndexUnusable) and not isinstance(error, IndexMissing)  # which may be made at any time
    )


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError | SearchTimeout):
        return f"OpenSearch did not answer within {FIRST_LOOK_SECONDS:g} s"
    if isinstance(error, ConversationsError):
        return str(error)
    if isinstance(error, TransportError):
        return f"OpenSearch responds with {error.status_code} ({error.error})"
    return f"its response cannot be parsed ({type(error).__name__})"


class Server(uvicorn.Server):
    """Calls `announce` when it is ready. When it ends, it still answers on open connections for `drain_seconds`.

    These answers announce that the connection will be closed. Otherwise a client could lose a request that it sends
    at the moment when its connection is closed.
    """

    def __init__(
        self, config: uvicorn.Config, announce: Callable[[], None] = lambda: None, *, drain_seconds: float = 0.0
    ) -> None:
        super().__init__(config)
        self.announce = announce
        self._drain_seconds = drain_seconds

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        # Without this, a recently closed connection could prevent the socket from listening after a restart.
        for listener in sockets or ():
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        context = self.config.ssl
        await super().startup(sockets=sockets if context is None else [])
        if context is not None:
            self._begin_tls(context, sockets or [])
        gc.freeze()  # the objects so far live until the end, so the garbage collector can skip them
        self.announce()

    def _begin_tls(self, context: ssl.SSLContext, sockets: list[socket.socket]) -> None:
        http = self.config.http_protocol_class
        assert issubclass(http, BoundedProtocol)
        state = self.server_state
        listener = TlsListener(
            sockets,
            lambda: http(self.config, state, self.lifespan.state),
            http=http,
            context=context,
            connections=state.connections,
        )
        listener.start(backlog=self.config.backlog)
        self.servers.append(cast(asyncio.Server, listener))

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for server in self.servers:
            server.close()
        state = self.server_state
        state.default_headers = [*state.default_headers, (b"connection", b"close")]
        for connection in state.connections:
            if isinstance(connection, BoundedProtocol):
                connection.announce_end()
        for _look in range(round(self._drain_seconds / DRAIN_LOOK_SECONDS)):
            if self.force_exit or not state.connections:
                break
            await asyncio.sleep(DRAIN_LOOK_SECONDS)
        await super().shutdown(sockets=sockets)


def _watch(node: LocalNode, server: uvicorn.Server, reasons: list[str]) -> None:
    reason = node.wait()
    if not server.should_exit:
        reasons.append(reason)
        server.should_exit = True


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
