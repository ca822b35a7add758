"""Gives every request the deadline of the setting `request_timeout`.

The deadline applies until the response begins. Reading the body has its own timeout, which grows with the bytes that
arrive, and the deadline starts again when the body is complete. A streamed response limits the time of its later parts
itself.
"""

from __future__ import annotations

import asyncio
from typing import cast

from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Send

from service import deadline, telemetry
from service.api.limits import WAITED
from service.api.middleware.access_log import note
from service.api.middleware.http import HttpMiddleware
from service.errors import BodyIncomplete, SearchTimeout, SlowRequest
from service.limit_settings import BODY_SPEED, BODY_START_SECONDS, body_time
from service.message_texts import counted

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Deadline(HttpMiddleware):
    """ASGI middleware inside Litestar, so that Litestar's exception handler turns its errors into responses."""

    def __init__(self, app: ASGIApp, *, seconds: float, body_seconds: float) -> None:
        super().__init__(app)
        self._seconds = seconds
        self._body_seconds = body_seconds

    async def handle(self, scope: HTTPScope, receive: Receive, send: Send) -> None:
        """Raises SearchTimeout at the deadline, and SlowRequest if the body is late or too slow.

        Raises BodyIncomplete if the client disconnects before the body is complete.
        """
        clock = asyncio.get_running_loop().time
        reads_since: float | None = None
        received = 0
        is_reading = is_complete = has_begun = False

        def move(ends: float | None) -> None:
            if not limit.expired():  # otherwise, the timeout is already being turned into a response
                limit.reschedule(ends)

        async def read() -> ReceiveMessage:
            nonlocal is_reading, is_complete, reads_since, received
            if is_complete or has_begun:  # only a disconnect can follow
                return await receive()
            is_reading = True
            if reads_since is None:
                reads_since = clock()
            move(reads_since + body_time(self._body_seconds, received))
            message = await receive()
            if message["type"] == "http.disconnect":
                note(scope, client_disconnected=True)
                raise BodyIncomplete("the connection was closed before the body was complete: send all of it again")
            received += len(cast(bytes, message.get("body", b"")))
            if not message.get("more_body"):
                is_reading, is_complete = False, True
                move(clock() + self._seconds)
            return message

        async def begin(message: Message) -> None:
            nonlocal has_begun
            if message["type"] == "http.response.start":
                has_begun = True
                move(None)
            await send(message)

        try:
            waited: float = scope["state"].get(WAITED, 0.0) if "state" in scope else 0.0
            async with deadline.within(max(0.0, self._seconds - waited)) as limit:
                await self.app(scope, read, begin)
        except TimeoutError:
            if not limit.expired():
                raise
            if is_reading:
                telemetry.refused.labels("body_seconds", "own").inc()
                raise SlowRequest(_slow(self._body_seconds)) from None
            raise SearchTimeout(_message(scope["method"] in READING, self._seconds)) from None


def _slow(body_seconds: float) -> str:
    speed = f"and after {BODY_START_SECONDS:g} seconds at {BODY_SPEED:,} bytes a second or more"
    return f"the body must arrive within {body_seconds:g} seconds, {speed}: send less, or faster"


def _message(is_reading: bool, seconds: float) -> str:
    if is_reading:
        return f"the request did not finish within {counted(seconds, 'second')}: narrow it, or try again"
    return f"the write did not finish within {counted(seconds, 'second')} and may be done in part: send all of it again"
