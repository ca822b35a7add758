"""Creates the ASGI application. Only this module knows all of its parts."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ASGIApp

from service import log_lines, telemetry
from service.api import readiness
from service.api.auth import Tokens
from service.api.client_address import ClientAddresses
from service.api.documentation import PAGES
from service.api.errors import error_response
from service.api.home import home
from service.api.limits import Limits
from service.api.metrics import Metrics
from service.api.middleware.access_log import AccessLog
from service.api.middleware.address_rate import AddressRate
from service.api.middleware.answer_bytes import AnswerBytes
from service.api.middleware.compression import Compression
from service.api.middleware.cors import Cors
from service.api.middleware.deadline import Deadline
from service.api.middleware.disconnect import Disconnect
from service.api.middleware.faults import Faults
from service.api.middleware.head import Head
from service.api.middleware.hosts import Hosts
from service.api.middleware.operations_address import OperationsAddress
from service.api.middleware.paths import Paths
from service.api.middleware.rate_headers import RateLimit
from service.api.middleware.search_slots import SearchSlots
from service.api.middleware.security_headers import SecurityHeaders
from service.api.readiness import Readiness
from service.api.routes import HANDLERS, Parts
from service.api.sign_in import SignInCodes, sign_in
from service.api.web import web_file
from service.api.writes import Writes
from service.audit import Audit
from service.client import Client, answering, connect
from service.client.responses import SearchAnswer
from service.identity.api_keys import Store
from service.identity.key_ring import KeyRing
from service.index import aliases, mapping, silent_nodes
from service.index.compatibility import CompatibilityCheck
from service.index.disk_space import full_disks
from service.index.write_check import check_writable
from service.index.write_targets import holders, writes_alias
from service.index.writer import Writer
from service.operations.status import status
from service.search.paging.cursors import Cursors
from service.search.paging.rank_descent import Windows
from service.search.searcher import Searcher
from service.settings import Settings

WRITE_SHARE = 0.8  # of a request's deadline, for a write to OpenSearch
LOOK_SHARE = 0.8  # of a request's deadline, for checks of the index; the rest is for finding out why they failed


def create_app(
    settings: Settings,
    opensearch_url: str,
    *,
    windows: Windows | None = None,
    codes: SignInCodes | None = None,
    folder: Path | None = None,
) -> ASGIApp:
    """Creates the ASGI application. Does not connect to OpenSearch yet. Raises Misconfigured for unusable settings.

    `codes` are the one-time codes that sign people in to the page; without them, there is no route for it. `folder`
    holds the files that several workers share.
    """
    searches = connect(
        settings, opensearch_url, answer=SearchAnswer, timeout=settings.request_timeout, report=log_lines.node_changed
    )
    admin = connect(settings, opensearch_url, timeout=settings.request_timeout, same_cluster_as=searches)
    telemetry.pool.labels("size").set(2 * settings.opensearch_connections)  # each client has its own connections
    tokens = Tokens(settings, KeyRing(Store(admin, settings.alias).all))
    limits = Limits.of(settings)
    searcher = Searcher(
        searches,
        settings.alias,
        deadline=settings.request_timeout,
        cursors=Cursors(*tokens.cursor_secrets),
        windows=windows,
        points=limits.points,
    )
    expected = mapping.load()

    async def disk() -> str | None:
        return await full_disks(admin, seconds=settings.request_timeout * (1 - LOOK_SHARE) / 2)

    looking = settings.request_timeout * LOOK_SHARE
    fits = CompatibilityCheck(lambda: aliases.check(admin, settings.alias, expected), seconds=looking, reason=disk)
    parts = Parts(
        tokens=tokens,
        searcher=searcher,
        writes=Writes(
            Writer(
                admin,
                settings.alias,
                lease=settings.write_lease,
                patience=settings.request_timeout * WRITE_SHARE,
                awaits_dead=False,
            ),
            searcher,
            max_ahead=timedelta(seconds=settings.max_ahead),
        ),
        metrics=Metrics(lambda: status(admin, settings.alias, expected, refresh=False), folder=folder),
        limits=limits,
        index_fits=fits,
        ready=_readiness(settings, admin, searcher, fits, disk),
    )

    @asynccontextmanager
    async def closing(_app: Litestar) -> AsyncIterator[None]:
        yield
        await fits.close()
        await tokens.close()
        await searcher.close()
        await admin.close()
        await searches.close()

    signing = [] if codes is None else [sign_in(codes)]  # this route reads bodies of requests without a token
    application = Litestar(
        route_handlers=[*HANDLERS, home(HANDLERS, tokens.providers), web_file, *signing, *PAGES],
        state=State({"parts": parts, "audit": Audit(settings.audit_file)}),
        openapi_config=None,  # service.api.openapi makes the document
        exception_handlers={Exception: error_response},
        middleware=[lambda app: Deadline(app, seconds=settings.request_timeout, body_seconds=settings.body_seconds)],
        lifespan=[closing],
        logging_config=None,
    )
    return _wrapped(application, settings, tokens, limits)


def _wrapped(application: ASGIApp, settings: Settings, tokens: Tokens, limits: Limits) -> ASGIApp:
    """The application in its middlewares. The outermost one, which sees a request first, is Paths."""
    clients = ClientAddresses(settings.trusted_proxies)
    placed = SearchSlots(Compression(application), tokens=tokens, limits=limits, seconds=settings.request_timeout)
    known = AddressRate(placed, tokens=tokens, callers=limits.callers, addresses=limits.addresses, clients=clients)
    limited = RateLimit(AnswerBytes(known), callers=limits.callers)
    named = _named(settings, Faults(Head(Disconnect(limited))))  # the answer to a fault has the headers of CORS, too
    return Paths(AccessLog(SecurityHeaders(Faults(named))))


def _named(settings: Settings, app: ASGIApp) -> ASGIApp:
    """Adds the middlewares for host names, CORS and the operations address, where the settings have these."""
    operations = settings.operations_host_and_port
    port = None if operations is None else operations[1]
    if port is not None:
        app = OperationsAddress(app, port=port)
    if settings.cors_origins is not None:
        app = Cors(app, origins=frozenset(settings.cors_origins.encode().split()))
    if settings.allowed_hosts is not None:
        app = Hosts(app, allowed=frozenset(settings.allowed_hosts.split()), operations_port=port)
    return app


def _readiness(
    settings: Settings,
    admin: Client,
    searcher: Searcher,
    fits: CompatibilityCheck,
    disk: Callable[[], Awaitable[str | None]],
) -> Readiness:
    """The service is ready if the index fits, a search works, and all indices that receive writes accept them."""

    async def takes_writes() -> None:
        names = sorted(await holders(admin, settings.alias, writes_alias(settings.alias)))
        if names:  # without any, the search reports what is missing
            await check_writable(admin, names, seconds=settings.request_timeout)

    seconds = min(readiness.SECONDS, settings.request_timeout * LOOK_SHARE)
    return Readiness(
        searcher.ping,
        {"whether the index fits this version": fits.now, "whether the index takes writes": takes_writes},
        seconds=seconds,
        reason=disk,
        members=lambda: silent_nodes.members(admin, seconds=seconds * readiness.MEMBERS_SHARE),
        nodes=lambda: answering(admin),
    )
