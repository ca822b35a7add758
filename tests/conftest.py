"""Fixtures for all tests."""

from __future__ import annotations

import pytest
import structlog
from pydantic import SecretStr

from service.settings import Settings


@pytest.fixture(scope="session", autouse=True)
def _quiet() -> None:
    """Applications that run in a thread of a test log nowhere; what is logged is tested on a process of its own."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


@pytest.fixture
def bare_settings(tmp_path: object) -> Settings:
    """Settings with a secret, and nothing else of the environment's that matters here."""
    return Settings.load().but(token_secret=SecretStr("s" * 32))
