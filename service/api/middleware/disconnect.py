"""Cancels a request, and the search behind it, when its client disconnects.

Only requests that run longer than MOMENT_SECONDS are watched, because watching costs more than a quick request.
"""

from __future__ import annotations

import asyncio

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service.api.middleware.access_log import note

MOMENT_SECONDS = 0.05
WATCHED_METHODS = frozenset({"GET"})  # a write is completed even if its client disconnects
WATCHED_PATHS = "/api/"


class Disconnect:
    """ASGI middleware. It reads from `receive`, so handlers of the watched methods must not read a body."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if (
            scope["type"] != ScopeType.HTTP
            or scope["method"] not in WATCHED_METHODS
            or not scope["path"].startswith(WATCHED_PATHS)
        ):
            await self.app(scope, receive, send)
            return
        work = asyncio.current_task()
        assert work is not None
        watchers: list[asyncio.Task[None]] = []
        is_complete = False

        async def watch() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass
            if not is_complete:  # a disconnect after the whole response is normal
                note(scope, client_disconnected=True)
                work.cancel(_DISCONNECTED)

        async def noted(message: Message) -> None:
            nonlocal is_complete
            await send(message)
            if message["type"] == "http.response.body" and not message.get("more_body"):
                is_complete = True

        def begin() -> None:
            watchers.append(asyncio.create_task(watch()))

        moment = asyncio.get_running_loop().call_later(MOMENT_SECONDS, begin)
        try:
            await self.app(scope, receive, noted)
        except asyncio.CancelledError as error:
            if error.args != (_DISCONNECTED,):
                raise
            work.uncancel()
        finally:
            moment.cancel()
            for watcher in watchers:
                watcher.cancel()


_DISCONNECTED = "the client disconnected"
