"""GET /health/ready: whether this process can serve. The answer is remembered for a second, so that asking is cheap."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from service.errors import ConversationsError, SearchTimeout, SearchUnavailable

REMEMBERED_SECONDS = 1.0


class Readiness:
    """`checks` raise while the service cannot serve; all of them together have `seconds`."""

    def __init__(
        self,
        *checks: Callable[[], Awaitable[None]],
        seconds: float,
        reason: Callable[[], Awaitable[str | None]],
    ) -> None:
        """`reason` is called after a failure: it may know what is behind it, such as a full disk."""
        self._checks = checks
        self._reason = reason
        self._seconds = seconds
        self._turn = asyncio.Lock()
        self._checked_at: float | None = None
        self._error: ConversationsError | None = None

    async def __call__(self) -> None:
        """Raises the first error that a check raised, at this moment or at most a second ago."""
        async with self._turn:  # whoever asks meanwhile is answered from the same look
            if self._checked_at is None or time.monotonic() - self._checked_at > REMEMBERED_SECONDS:
                self._error = await self._explained(await self._look())
                self._checked_at = time.monotonic()
        if self._error is not None:
            raise self._error.with_traceback(None)

    async def _explained(self, error: ConversationsError | None) -> ConversationsError | None:
        if error is None or (reason := await self._reason()) is None:
            return error
        return SearchUnavailable(reason)

    async def _look(self) -> ConversationsError | None:
        try:
            async with asyncio.timeout(self._seconds):
                for check in self._checks:
                    await check()
        except TimeoutError:
            return SearchTimeout("OpenSearch did not answer the health check in time: try again")
        except ConversationsError as error:
            return error
        return None
