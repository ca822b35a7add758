"""Log lines of libraries keep constant words, numbers and code positions. Values are left out."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import time
from pathlib import Path

import pytest
import structlog
from structlog.typing import EventDict

from service.log_lines import LOGGER, Libraries

SECRET = "zqxj@example.com"
NAME = "some.library"


@pytest.fixture
def library() -> logging.Logger:
    logger = logging.Logger(NAME)  # which no handler of the tests' own sees
    logger.addHandler(Libraries())
    return logger


@pytest.mark.parametrize(
    ("message", "values", "event"),
    [
        ("Executing %r took %.3f seconds", (SECRET, 0.25), "Executing … took 0.250 seconds"),
        ("%s of %d: %5s", (SECRET, 7, [SECRET]), "… of 7:     …"),
        ("%(who)s asked %(count)d times", ({"who": SECRET, "count": 3},), "… asked 3 times"),
        (f"Task exception was never retrieved\nfuture: <Task {SECRET}>", (), "Task exception was never retrieved"),
        ("%d searches", (SECRET,), "%d searches"),
        ("100 %", (), "100 %"),
        ("%s and %s", (SECRET,), "%s and %s"),
        (ValueError(SECRET), (), "ValueError"),
    ],
)
def test_a_line_of_a_library_shows_no_value(
    library: logging.Logger, message: object, values: tuple[object, ...], event: str
) -> None:
    with structlog.testing.capture_logs() as lines:
        library.warning(message, *values)
    assert lines == [{"event": event, "log_level": "warning", "logger": NAME}]


def test_only_the_type_and_the_code_positions_of_an_exception_are_logged(library: logging.Logger) -> None:
    with structlog.testing.capture_logs() as lines:
        try:
            raise RuntimeError(SECRET) from ValueError(SECRET)
        except RuntimeError:
            library.exception("Exception in ASGI application\n")
    (line,) = lines
    assert (line["event"], line["error"], line["log_level"]) == (
        "Exception in ASGI application",
        "RuntimeError",
        "error",
    )
    assert [Path(place.rpartition(":")[0]).name for place in line["places"]] == [Path(__file__).name]
    assert SECRET not in str(lines)


def test_a_slow_task_shows_neither_its_name_nor_its_result() -> None:
    """asyncio's debug mode reports steps above 0.1 s. On a busy machine, any step may take so long."""
    lines = _asyncio_says(_slow())
    assert [line["event"] for line in lines if "Executing" in line["event"]]
    for line in lines:
        assert "running" not in line["event"]
        assert SECRET not in str(line)


def test_a_task_that_failed_and_was_forgotten_shows_no_text() -> None:
    (line,) = _asyncio_says(_forgotten())
    assert (line["event"], line["error"]) == ("Task exception was never retrieved", "ValueError")
    assert SECRET not in str(line)


async def _slow() -> None:
    async def step() -> str:
        time.sleep(0.15)  # noqa: ASYNC251 (it is what is told of)
        await asyncio.sleep(0)
        time.sleep(0.15)  # noqa: ASYNC251
        return SECRET

    await asyncio.create_task(step(), name=SECRET)


async def _forgotten() -> None:
    async def fail() -> None:
        raise ValueError(SECRET)

    task = asyncio.create_task(fail(), name=SECRET)
    await asyncio.wait([task])
    del task


def _asyncio_says(work: object) -> list[EventDict]:
    logger, handler = logging.getLogger("asyncio"), Libraries()
    handler.setLevel(logging.WARNING)
    logger.addHandler(handler)
    logger.propagate = False
    try:
        with structlog.testing.capture_logs() as lines:
            asyncio.run(work, debug=True)  # type: ignore[arg-type]
    finally:
        logger.removeHandler(handler)
        logger.propagate = True
    return list(lines)


def test_the_service_logs_lines_of_libraries_in_its_own_format() -> None:
    """In a process of its own, because the configuration is for a whole process."""
    script = (
        "import logging; from service import log_lines; from service.settings import Settings; "
        "log_lines.configure(Settings.load().but(log_format='json')); "
        f"logging.getLogger('{NAME}').error('failed for %s', '{SECRET}'); "
        "logging.getLogger('opensearch').error('a query'); logging.getLogger('asyncio').info('quiet')"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    (line,) = said.stderr.splitlines()
    assert '"event":"failed for …"' in line
    assert f'"logger":"{NAME}"' in line
    assert LOGGER not in line
