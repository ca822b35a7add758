"""Measures the processor time that the verification of a token takes, with real keys from an issuer on this machine.

Usage: python -m tests.bench.tokens
"""

from __future__ import annotations

import asyncio
import statistics
import time
import uuid
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import SecretStr

from service.api.auth import Tokens
from service.identity import api_keys
from service.identity.api_keys import ApiKey, Known
from service.identity.key_ring import KeyRing
from service.settings import Settings
from tests.issuer import ALGORITHMS, Issuer, issuer, jwk

TIMES = 300


async def _milliseconds(tokens: Tokens, headers: list[str], *, remembered: bool) -> tuple[float, float]:
    """Median and 99th percentile of the verification of one of the headers."""
    taken = []
    for header in headers:
        if remembered:
            await tokens.verify(header)
        began = time.thread_time()
        await tokens.verify(header)
        taken.append((time.thread_time() - began) * 1_000)
    ordered = sorted(taken)
    return statistics.median(ordered), ordered[int(len(ordered) * 0.99)]


async def _measure(settings: Settings, name: str, headers: list[str]) -> None:
    for remembered in (False, True):
        tokens = Tokens(settings)
        await tokens.verify(headers[0])  # fetches the keys
        median, slow = await _milliseconds(tokens, headers[1:], remembered=remembered)
        print(f"| {name} | {'yes' if remembered else 'no'} | {median:.3f} | {slow:.3f} |")


def _several(served: Issuer, kid: str, algorithm: str, **claims: Any) -> list[str]:
    return [served.token(kid, algorithm, sub=f"user {number}", **claims) for number in range(TIMES)]


def main() -> None:
    print("| token | remembered | median ms | p99 ms |\n|---|---|---|---|")
    with issuer() as served, TemporaryDirectory() as folder:
        served.keys = [jwk(name, name) for name in ALGORITHMS]
        plain = Settings.load().but(token_secret=SecretStr("s" * 32), data=Path(folder))
        settings = plain.but(token_issuer=served.url, token_jwks_url=served.jwks_url)
        shared = Tokens(plain)
        several = [f"Bearer {shared.mint(f'user {number}', [uuid.uuid4()])}" for number in range(TIMES)]
        asyncio.run(_measure(plain, "HS256", several))
        for name in ALGORITHMS:
            asyncio.run(_measure(settings, name, _several(served, name, name)))
        for count in (100, 1_000):
            many = [str(uuid.uuid4()) for _ in range(count)]
            headers = _several(served, "RS256", "RS256", organizations=many)[:40]
            asyncio.run(_measure(settings, f"RS256, {count:,} organizations", headers))
        asyncio.run(_keys(plain))


async def _keys(settings: Settings) -> None:
    """The same for API keys, whose list is in memory."""
    made = {f"{number:016x}": str(number).zfill(43) for number in range(TIMES)}
    stored = {
        key_id: ApiKey(**{**_fields(), "hash": (api_keys.split(f"ck_{key_id}_{secret}") or ("", ""))[1]})
        for key_id, secret in made.items()
    }

    async def read() -> Known:
        return Known(stored)

    tokens = Tokens(settings, KeyRing(read))
    headers = [f"Bearer ck_{key_id}_{secret}" for key_id, secret in made.items()]
    await tokens.verify(headers[0])
    median, slow = await _milliseconds(tokens, headers, remembered=False)
    print(f"| API key | list read | {median:.3f} | {slow:.3f} |")


def _fields() -> dict[str, Any]:
    key = api_keys.new("bench", [uuid.uuid4()], scopes=[], lifetime=timedelta(days=1))
    return {name: getattr(key, name) for name in key.__struct_fields__}


if __name__ == "__main__":
    main()
