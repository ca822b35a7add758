"""Cancels a request, and the search behind it, when its client disconnects.

Only requests that run longer than MOMENT_SECONDS are watched, because watching costs more than a quick request.
"""

from __future__ import annotations

import asyncio

from litestar.types import HTTPScope, Message, Receive, ReceiveMessage, Send

from service.api.middleware.access_log import note
from service.api.middleware.http import HttpMiddleware

MOMENT_SECONDS = 0.05
WATCHED_METHODS = frozenset({"GET", "POST"})  # a DELETE concerns one conversation, and is completed
WATCHED_PATHS = "/api/"


class Disconnect(HttpMiddleware):
    """ASGI middleware. It reads from `receive` only when no handler does: during a GET, or after the body was read.

    A bulk write that is cancelled may be done in part. It is safe to send all of it again.
    """

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        if scope["method"] not in WATCHED_METHODS or not scope["path"].startswith(WATCHED_PATHS):
            await self.app(scope, receive, send)
            return
        work = asyncio.current_task()
        assert work is not None
        watchers: list[asyncio.Task[None]] = []
        is_complete = False
        moment: asyncio.TimerHandle | None = None

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

        def begin_soon() -> asyncio.TimerHandle:
            return asyncio.get_running_loop().call_later(MOMENT_SECONDS, begin)

        async def read() -> ReceiveMessage:
            nonlocal moment
            message = await receive()
            if moment is None and message["type"] == "http.request" and not message.get("more_body"):
                moment = begin_soon()
            return message

        if scope["method"] == "GET":
            moment = begin_soon()
        try:
            await self.app(scope, read, noted)
        except asyncio.CancelledError as error:
            if error.args != (_DISCONNECTED,):
                raise
            work.uncancel()
        finally:
            if moment is not None:
                moment.cancel()
            for watcher in watchers:
                watcher.cancel()


_DISCONNECTED = "the client disconnected"
