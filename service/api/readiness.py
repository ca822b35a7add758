"""GET /health/ready: whether this process can serve requests. The result is cached for a second."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from service.errors import ConversationsError, SearchTimeout, SearchUnavailable

REMEMBERED_SECONDS = 1.0


class Readiness:
    """Runs `checks`, which raise errors while the service cannot serve. `seconds` is their common timeout."""

    def __init__(
        self,
        *checks: Callable[[], Awaitable[None]],
        seconds: float,
        reason: Callable[[], Awaitable[str | None]],
    ) -> None:
        """`reason` is called after a failed check. It returns the cause, such as a full disk, or None if unknown."""
        self._checks = checks
        self._reason = reason
        self._seconds = seconds
        self._lock = asyncio.Lock()
        self._checked_at: float | None = None
        self._error: ConversationsError | None = None

    async def __call__(self) -> None:
        """Raises the first error of the checks, from a run that ended at most REMEMBERED_SECONDS ago."""
        async with self._lock:  # concurrent requests wait for one run of the checks and share its result
            if self._checked_at is None or time.monotonic() - self._checked_at > REMEMBERED_SECONDS:
                self._error = await self._explained(await self._run_checks())
                self._checked_at = time.monotonic()
        if self._error is not None:
            raise self._error.with_traceback(None)

    async def _explained(self, error: ConversationsError | None) -> ConversationsError | None:
        if error is None or (reason := await self._reason()) is None:
            return error
        return SearchUnavailable(reason)

    async def _run_checks(self) -> ConversationsError | None:
        try:
            async with asyncio.timeout(self._seconds):
                for check in self._checks:
                    await check()
        except TimeoutError:
            return SearchTimeout("OpenSearch did not respond to the health check in time: try again")
        except ConversationsError as error:
            return error
        return None
