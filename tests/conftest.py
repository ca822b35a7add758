"""Fixtures for the pure tests."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from service.settings import Settings


@pytest.fixture
def bare_settings(tmp_path: object) -> Settings:
    """Settings with a secret, and nothing else of the environment's that matters here."""
    return Settings.load().but(token_secret=SecretStr("s" * 32))
