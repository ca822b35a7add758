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
    """A run that is told to stop, as by a CI job's time limit, still ends the nodes and services that it started."""
    signal.signal(signal.SIGTERM, lambda _number, _frame: pytest.exit("stopped by SIGTERM", returncode=143))


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """Bytes and long values are named after their argument and numbered: ids stay short, and alike in every process.

    Packed bytes hold the second in which they were packed.
    """
    return argname if isinstance(val, bytes) or len(str(val)) > 80 else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The longest file comes first, then those with a node, so that short ones fill the gaps at the end of a run.

    What looks at what all other tests left behind comes last.
    """

    def order(item: pytest.Item) -> tuple[bool, bool, bool]:
        is_last = item.get_closest_marker("last") is not None
        return is_last, item.path.name not in LONGEST, item.path.parent.name != "node"

    items.sort(key=order)


TOLD = pytest.StashKey[list[str]]()


def pytest_sessionfinish(session: pytest.Session) -> None:
    """At the end of the whole run, whatever its processes logged must tell nothing that the tests stored or sent."""
    if hasattr(session.config, "workerinput"):
        return
    factory: pytest.TempPathFactory = session.config._tmp_path_factory  # type: ignore[attr-defined]
    logs = factory.getbasetemp() / "logs"
    told = session.config.stash[TOLD] = list(logged.telling(logs, logged.hidden(logs)))
    if told and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    failed_before.pytest_terminal_summary(terminalreporter, config)
    if told := config.stash.get(TOLD, []):
        terminalreporter.section("what must not be in a log", red=True)
        terminalreporter.write_line("\n".join(told))


@pytest.fixture(scope="session")
def logs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for what this process of the run has logged: applications in its threads, and processes that it starts."""
    return logged.begin(tmp_path_factory.getbasetemp())


@pytest.fixture(scope="session", autouse=True)
def _logged(logs: Path) -> Iterator[None]:
    """Applications that run in a thread of a test log into a file, everything that they would log elsewhere."""
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


@pytest.fixture
def bare_settings(tmp_path: object) -> Settings:
    """Settings with a secret, and nothing else of the environment's that matters here."""
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
