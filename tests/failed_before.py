"""Part of tests/conftest.py: reports which tests failed at first and passed when they ran again.

It reports in a run with --last-failed, such as the second one of .ci/run. Otherwise, nobody would notice a flaky test.
"""

from __future__ import annotations

import pytest

_KNOWN = pytest.StashKey[frozenset[str]]()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remembers what failed in the run before, which this run will overwrite."""
    cache = getattr(session.config, "cache", None)  # missing with -p no:cacheprovider
    known = cache.get("cache/lastfailed", {}) if cache is not None and session.config.getoption("lf") else {}
    session.config.stash[_KNOWN] = frozenset(known)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Writes their count and names, above the last line of pytest."""
    known = config.stash.get(_KNOWN, frozenset())
    if not known:
        return
    failed = {report.nodeid for kind in ("failed", "error") for report in terminalreporter.stats.get(kind, [])}
    passed = sorted(({report.nodeid for report in terminalreporter.stats.get("passed", [])} & known) - failed)
    terminalreporter.section(f"tests that failed before and passed now: {len(passed)}")
    for name in passed:
        terminalreporter.write_line(name)
