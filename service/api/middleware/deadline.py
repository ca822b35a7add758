"""Gives every request the deadline of the settings, whatever its route does.

The time counts until the answer begins. A body that the route reads has its own time, and the deadline begins anew
when the body is complete. An answer that is streamed sets the time of its later parts itself.
"""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Message, Receive, Scope, Send

from service import deadline
from service.api.http_protocol import BODY_SECONDS
from service.api.middleware.access_log import note
from service.errors import BodyIncomplete, SearchTimeout, SlowRequest
from service.message_texts import counted

READING = frozenset({"GET", "HEAD", "OPTIONS"})


class Deadline:
    """ASGI middleware inside Litestar, whose exception handlers make an answer of what is raised here."""

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self.app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Raises SearchTimeout at the deadline, SlowRequest where the body was not complete within BODY_SECONDS."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        clock = asyncio.get_running_loop().time
        body_ends = clock() + BODY_SECONDS
        is_reading = is_complete = has_begun = False

        def move(ends: float | None) -> None:
            if not limit.expired():  # else an error of the same moment is being answered
                limit.reschedule(ends)

        async def read() -> Any:
            nonlocal is_reading, is_complete
            if is_complete or has_begun:  # the server only waits for the client to go away
                return await receive()
            is_reading = True
            move(body_ends)
            message = await receive()
            if message["type"] == "http.disconnect":
                note(scope, hung_up=True)
                raise BodyIncomplete("the body ended before it was complete: send all of it again")
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
            async with deadline.within(self._seconds) as limit:
                await self.app(scope, read, begin)
        except TimeoutError:
            if not limit.expired():
                raise
            if is_reading:
                raise SlowRequest(f"the body must arrive within {BODY_SECONDS:.0f} seconds: send less") from None
            raise SearchTimeout(_message(scope["method"] in READING, self._seconds)) from None


def _message(is_reading: bool, seconds: float) -> str:
    if is_reading:
        return f"the request did not end within {counted(seconds, 'second')}: narrow it, or try again"
    return f"the write did not end within {counted(seconds, 'second')} and may be done in part: send all of it again"
