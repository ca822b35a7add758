"""Keys that an issuer replaces under the same name, or without one: a signature that fails asks for a fetch."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest

from service.api.auth import Tokens
from service.errors import Unauthorized
from service.identity.key_set import UNKNOWN_PAUSE_SECONDS
from service.settings import Settings
from tests.issuer import Issuer, issuer, jwk

SAME: dict[str, Any] = {"kid": "same"}
NONE: dict[str, Any] = {"kid": ...}


@pytest.fixture
def served() -> Iterator[Issuer]:
    with issuer() as found:
        yield found


def key(name: str, algorithm: str, named: dict[str, Any]) -> dict[str, Any]:
    return {member: value for member, value in (jwk(name, algorithm) | named).items() if value is not ...}


def token(served: Issuer, name: str, algorithm: str, named: dict[str, Any], **changes: Any) -> str:
    return served.token(name, algorithm, headers=named, **changes)


class Verified:
    """Tokens of the issuer, with a clock that tests move."""

    def __init__(self, settings: Settings, served: Issuer) -> None:
        self.tokens = Tokens(settings.but(token_issuer=served.url, token_jwks_url=served.jwks_url))
        (verifier,) = self.tokens._verifiers
        assert verifier.keys is not None
        self.now = 0.0
        verifier.keys._clock = lambda: self.now

    async def takes(self, token: str) -> bool:
        try:
            await self.tokens.verify(token)
        except Unauthorized:
            return False
        return True


@pytest.mark.parametrize("named", [SAME, NONE], ids=str)
@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
def test_a_key_that_is_replaced_under_its_name_is_found(
    bare_settings: Settings, served: Issuer, named: dict[str, Any], algorithm: str
) -> None:
    """Also one of another type, which no known key fits."""
    served.keys = [key("first", "RS256", named)]

    async def action() -> None:
        one = Verified(bare_settings, served)
        assert await one.takes(token(served, "first", "RS256", named))
        served.keys = [key("second", algorithm, named)]
        assert await one.takes(token(served, "second", algorithm, named))
        assert len(served.requests) == 2
        served.keys = [key("third", "RS256", named)]
        assert not await one.takes(token(served, "third", "RS256", named))
        one.now += UNKNOWN_PAUSE_SECONDS
        assert await one.takes(token(served, "third", "RS256", named))
        assert not await one.takes(token(served, "first", "RS256", named, sub="eve"))
        assert len(served.requests) == 3
        await one.tokens.close()

    asyncio.run(action())


@pytest.mark.slow
@pytest.mark.parametrize("is_down", [False, True])
@pytest.mark.parametrize("is_warm", [False, True])
@pytest.mark.parametrize("at_once", [False, True])
@pytest.mark.parametrize("named", [SAME, NONE], ids=str)
def test_a_thousand_bad_signatures_make_one_fetch(
    bare_settings: Settings, served: Issuer, named: dict[str, Any], at_once: bool, is_warm: bool, is_down: bool
) -> None:
    served.keys = [key("first", "RS256", named)]
    good, bad = (token(served, name, "RS256", named) for name in ("first", "second"))

    async def action() -> None:
        one = Verified(bare_settings, served)
        if is_warm or is_down:
            assert await one.takes(good)
        before = len(served.requests)
        served.status = 500 if is_down else 200
        if at_once:
            assert not any(await asyncio.gather(*(one.takes(bad) for _ in range(1_000))))
        else:
            for _ in range(1_000):
                assert not await one.takes(bad)
                one.now += 29.9 / 1_000
        assert len(served.requests) == before + 1
        assert await one.takes(token(served, "first", "RS256", named, sub="somebody else"))
        await one.tokens.close()

    asyncio.run(action())
