"""Asks an application that has no cluster."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx

from service.api.sign_in import SignInCodes
from service.app import create_app
from service.settings import Settings

NOWHERE = "http://127.0.0.1:1"


def ask(
    settings: Settings,
    *requests: dict[str, Any],
    base: str = "http://search.example.com",
    codes: SignInCodes | None = None,
) -> list[httpx.Response]:
    """The answers of an application without a cluster."""

    async def run() -> list[httpx.Response]:
        app: Any = create_app(settings, NOWHERE, codes=codes)
        transport = httpx.ASGITransport(app)
        async with started(app), httpx.AsyncClient(transport=transport, base_url=base) as client:
            return [await client.request(**{"method": "GET", "url": "/", **request}) for request in requests]

    return asyncio.run(run())


@asynccontextmanager
async def started(app: Any) -> AsyncIterator[None]:
    """Starts the application and ends it, as a server does."""
    to_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    from_app: asyncio.Queue[dict[str, str]] = asyncio.Queue()
    running = asyncio.create_task(app({"type": "lifespan", "state": {}}, to_app.get, from_app.put))
    for step in ("startup", "shutdown"):
        await to_app.put({"type": f"lifespan.{step}"})
        assert await from_app.get() == {"type": f"lifespan.{step}.complete"}
        if step == "startup":
            yield
    await running
