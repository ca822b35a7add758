"""Fixtures for all tests."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from pydantic import SecretStr

from service.settings import Settings
from tests import examples, failed_before, logged, setup_projects
from tests.setup_projects import Project

LONGEST = ("test_at_size.py", "test_hostile_texts.py", "test_load.py")  # several minutes each

examples.register()
pytest_sessionstart = failed_before.pytest_sessionstart


def pytest_configure() -> None:
    """After SIGTERM, as at the time limit of a CI job, the run still ends the nodes and services that it started."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell; child processes inherit it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda _number, _frame: pytest.exit("stopped by SIGTERM", returncode=143))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes and long values are named after their argument and numbered, so ids are short, and equal in every process.

    Compressed bytes differ between processes, because they contain the time of compression.
    """
    return argname if isinstance(val, bytes) or len(str(val)) > 80 else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest files come first, then those that use a node, so that short ones fill the gaps at the end of a run.

    Tests that are marked as `last`, because they check what all others leave, come last.
    """

    def order(item: pytest.Item) -> tuple[bool, bool, bool]:
        is_last = item.get_closest_marker("last") is not None
        return is_last, item.path.name not in LONGEST, item.path.parent.name != "node"

    items.sort(key=order)


LEAKED = pytest.StashKey[list[str]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fails the whole run if the logs of its processes contain what the tests stored or sent."""
    if hasattr(session.config, "workerinput"):
        return
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    logs = factory.getbasetemp() / "logs"
    leaked = session.config.stash[LEAKED] = list(logged.telling(logs, logged.hidden(logs)))
    if leaked and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    failed_before.pytest_terminal_summary(terminalreporter, config)
    if leaked := config.stash.get(LEAKED, []):
        terminalreporter.section("what must not be in a log", red=True)
        terminalreporter.write_line("\n".join(leaked))


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder for this process's logs: of applications in its threads, and of processes that it starts."""
    return logged.begin(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session", autouse=True)
def _logged(logs: Path) -> Iterator[None]:
    """Applications that run in a thread of a test write their whole log to a file."""
    with (logs / "threads").open("w") as file:
        structlog.configure(
            processors=[structlog.processors.add_log_level, structlog.processors.JSONRenderer(ensure_ascii=False)],
            logger_factory=structlog.WriteLoggerFactory(file),
        )
        yield


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates as deploy/certificates makes them; not to be changed."""
    folder = tmp_path_factory.mktemp("certificates")
    script = Path(__file__).parents[1] / "deploy" / "certificates"
    subprocess.run([script, folder], check=True, stdout=subprocess.DEVNULL)
    return folder


@pytest.fixture(scope="session")
def bare_settings() -> Settings:
    """The settings of the environment, with a secret for tokens."""
    return Settings.load().but(token_secret=SecretStr("s" * 32))


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the wheels of the locked packages of `project`."""
    folder = tmp_path_factory.mktemp("wheels")
    setup_projects.write_wheels(folder)
    return folder


@pytest.fixture
def project(tmp_path: Path, wheels: Path) -> Project:
    """A small project with a copy of scripts/setup."""
    return setup_projects.make_project(tmp_path / "checkout", wheels)
