"""create_app(settings): wires the parts. The only module that knows them all."""

from __future__ import annotations

import logging
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import msgspec
import structlog
from litestar import Litestar
from litestar.config.compression import CompressionConfig
from litestar.datastructures import State
from litestar.types import ASGIApp

from service import terminal
from service.api import openapi
from service.api.access_log import AccessLog
from service.api.auth import Tokens
from service.api.errors import answer_error
from service.api.hang_up import HangUp
from service.api.metrics import Metrics
from service.api.routes import HANDLERS, Parts
from service.api.writes import Writes
from service.client import Client, SearchAnswer, connect
from service.index import lifecycle, mapping
from service.index.bulk import Writer
from service.index.status import status
from service.search.cursors import Cursors
from service.search.paging import Windows
from service.search.searcher import Searcher
from service.settings import Settings

COMPRESSED_BYTES = 2_000  # a smaller answer fits a packet or two anyhow
COMPRESSION_LEVEL = 1  # a page of 25 shrinks to a fifth in 0.2 ms; level 9 saves a tenth more in five times as long


def create_app(settings: Settings, opensearch_url: str, *, windows: Windows | None = None) -> ASGIApp:
    """The ASGI application. Raises Misconfigured where the settings cannot work; does not need OpenSearch yet."""
    searches = connect(settings, opensearch_url, answer=SearchAnswer, timeout=settings.request_timeout)
    admin = connect(settings, opensearch_url, timeout=settings.request_timeout)
    tokens = Tokens(settings)
    searcher = Searcher(
        searches,
        settings.alias,
        deadline=settings.request_timeout,
        cursors=Cursors(*tokens.secrets),
        windows=windows,
    )
    parts = Parts(
        tokens=tokens,
        searcher=searcher,
        writes=Writes(
            Writer(admin, settings.alias, lease=settings.write_lease, patience=settings.request_timeout / 2), searcher
        ),
        metrics=Metrics(lambda: status(admin, settings.alias, mapping.load(), refresh=False)),
        index_fits=_once_index_fits(admin, settings.alias),
    )

    @asynccontextmanager
    async def clients(_app: Litestar) -> AsyncIterator[None]:
        yield
        await searcher.close()
        await searches.close()
        await admin.close()

    return AccessLog(
        HangUp(
            Litestar(
                route_handlers=[*HANDLERS, openapi.assets()],
                state=State({"parts": parts}),
                openapi_config=openapi.config(),
                exception_handlers={Exception: answer_error},
                compression_config=CompressionConfig(
                    "gzip", minimum_size=COMPRESSED_BYTES, gzip_compress_level=COMPRESSION_LEVEL
                ),
                lifespan=[clients],
                logging_config=None,
            )
        )
    )


def _once_index_fits(admin: Client, alias: str) -> Callable[[], Awaitable[None]]:
    """Checks that the index fits the mapping until it does, once; an index never changes, only the alias does.

    So a service may start before its cluster, and still never reads an index that it does not understand.
    """
    expected = mapping.load()
    fits = False

    async def index_fits() -> None:
        nonlocal fits
        if not fits:
            await lifecycle.check(admin, alias, expected)
            fits = True

    return index_fits


def configure_logging(settings: Settings) -> None:
    """structlog to standard error, as JSON or for a console. The libraries' own loggers say only what is wrong."""
    as_json = settings.log_format == "json"
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer(serializer=lambda event, **_options: msgspec.json.encode(event))
        if as_json
        else structlog.dev.ConsoleRenderer(colors=terminal.has_colors(sys.stderr))
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        logger_factory=(
            structlog.BytesLoggerFactory(sys.stderr.buffer) if as_json else structlog.PrintLoggerFactory(sys.stderr)
        ),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    for name in (
        "opensearch",
        "opensearchpy.trace",
    ):  # they would log requests, and failed ones with their text
        logging.getLogger(name).setLevel(logging.CRITICAL)
