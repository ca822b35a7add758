"""Configures logging: structlog for the service's own lines, and lines of libraries without values from callers.

A library may put any value into a line: asyncio shows the results of slow tasks, and uvicorn the texts of exceptions.
So a library's line keeps only its constant words and its numbers; an exception keeps its type and its lines of code.
"""

from __future__ import annotations

import logging
import os
import sys
import traceback
from types import TracebackType

import msgspec
import structlog

from service import terminal
from service.settings import Settings

LOGGER = "conversations.libraries"
HIDDEN = "…"
PLACES = 6


def configure(settings: Settings, *, with_pid: bool = False) -> None:
    """Makes structlog write to standard error, as JSON or for a console. Libraries log only warnings and errors."""
    pid = os.getpid()

    def add_pid(_logger: object, _method: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
        return {**event, "pid": pid}

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
            *([add_pid] if with_pid else []),
            renderer,
        ],
        logger_factory=(
            structlog.BytesLoggerFactory(sys.stderr.buffer) if as_json else structlog.PrintLoggerFactory(sys.stderr)
        ),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[Libraries()])
    for name in ("opensearch", "opensearchpy.trace"):  # they would log requests, and the bodies of failed ones
        logging.getLogger(name).setLevel(logging.CRITICAL)


class Libraries(logging.Handler):
    """Logs the lines of libraries, without any values but numbers."""

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        facts = {} if error is None else {"error": type(error).__name__, "places": places(error.__traceback__)}
        level = max(logging.DEBUG, record.levelno)
        structlog.get_logger(LOGGER).log(level, constant_words(record), logger=record.name, **facts)


def constant_words(record: logging.LogRecord) -> str:
    """The first line of the message, with its numbers and with HIDDEN for all other values.

    Further lines, as in messages of asyncio, show objects.
    """
    if not isinstance(record.msg, str):
        return type(record.msg).__name__
    words = record.msg.partition("\n")[0]
    given = record.args or ()
    shown = {name: _shown(value) for name, value in given.items()} if isinstance(given, dict) else None
    try:
        return words % (shown if shown is not None else tuple(map(_shown, given)))
    except (TypeError, ValueError, KeyError):
        return words


def node_changed(url: str, problem: str | None) -> None:
    """Logs that a node of OpenSearch failed, and why, or that it is used again."""
    logger = structlog.get_logger("conversations.opensearch")
    if problem is None:
        logger.info("node_is_back", node=url)
    else:
        logger.warning("node_failed", node=url, reason=problem)


def _shown(value: object) -> object:
    return value if isinstance(value, int | float) else _Hidden()


class _Hidden:
    def __repr__(self) -> str:
        return HIDDEN


def places(where: TracebackType | None) -> list[str]:
    """The last PLACES lines of code in a traceback, as file:line."""
    return [f"{frame.filename}:{frame.lineno}" for frame in traceback.extract_tb(where)[-PLACES:]]
