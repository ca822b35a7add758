"""The deadline of the request that is being answered, known to everything that works for it without being handed on.

The API sets one for each request; a command has none, and every search of it has the searcher's own time.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

_current: ContextVar[asyncio.Timeout | None] = ContextVar("deadline", default=None)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Ends the block after `seconds` with TimeoutError; the Timeout can be rescheduled, None meaning no deadline."""
    async with asyncio.timeout(seconds) as limit:
        before = _current.set(limit)
        try:
            yield limit
        finally:
            _current.reset(before)


def remaining(most: float) -> float:
    """Seconds until the request's deadline, or `most` where that is sooner or there is no deadline."""
    limit = _current.get()
    ends = None if limit is None else limit.when()
    if ends is None:
        return most
    return min(most, max(0.0, ends - asyncio.get_running_loop().time()))
