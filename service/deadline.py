"""The deadline of the current request, in a context variable, so that it need not be passed as a parameter.

The API sets it for each request. A command has none; its searches have the searcher's own timeout.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar

_current: ContextVar[asyncio.Timeout | None] = ContextVar("deadline", default=None)


@asynccontextmanager
async def within(seconds: float) -> AsyncIterator[asyncio.Timeout]:
    """Cancels the block after `seconds` and raises TimeoutError. The yielded Timeout can be rescheduled."""
    async with asyncio.timeout(seconds) as limit:
        before = _current.set(limit)
        try:
            yield limit
        finally:
            _current.reset(before)


def remaining(most: float) -> float:
    """The seconds until the request's deadline, but at most `most`. Without a deadline, `most`."""
    limit = _current.get()
    ends = None if limit is None else limit.when()
    if ends is None:
        return most
    return min(most, max(0.0, ends - asyncio.get_running_loop().time()))
