"""Checks repeatedly whether this version of the service can use the index behind the alias.

An index never changes, but a reindex, a rollback or a person may move the alias to another one at any time.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from service.errors import ConversationsError, IndexUnusable, SearchTimeout, SearchUnavailable

FRESH_SECONDS = 10.0


class CompatibilityCheck:
    """Remembers that `check` succeeded. `check` raises an error if the index does not fit.

    The result is fresh for `fresh` seconds. For the same time again it is still used, while a new check runs in the
    background. After that, requests wait for a new check. So a moved alias is noticed within twice `fresh` plus the
    time of one check, and the requests of a busy service do not wait. After a failed check, the next request checks
    again.
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[object]],
        *,
        seconds: float,
        fresh: float = FRESH_SECONDS,
        reason: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """`reason` is called after a timeout. It may return the cause, such as a full disk."""
        self._check = check
        self._reason = reason
        self._seconds = seconds
        self._fresh = fresh
        self._good_at: float | None = None
        self._checking: asyncio.Task[None] | None = None

    async def __call__(self) -> None:
        """Raises IndexUnusable, SearchUnavailable or SearchTimeout while the index cannot be served."""
        age = self._age()
        if age is not None and age <= self._fresh:
            return
        checking = self._begin()
        if age is None or age > 2 * self._fresh:
            await asyncio.shield(checking)

    async def now(self) -> None:
        """Checks now, even if the last result is fresh. Raises the same errors."""
        await asyncio.shield(self._begin())

    async def close(self) -> None:
        """Cancels a running check."""
        if self._checking is not None:
            self._checking.cancel()
            with suppress(asyncio.CancelledError, ConversationsError):
                await self._checking

    def _age(self) -> float | None:
        return None if self._good_at is None else asyncio.get_running_loop().time() - self._good_at

    def _begin(self) -> asyncio.Task[None]:
        """The running check, or a new one. There is never more than one."""
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._ask())
            self._checking.add_done_callback(_retrieved)
        return self._checking

    async def _ask(self) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await self._check()
        except TimeoutError as error:
            if self._reason is not None and (reason := await self._reason()) is not None:
                raise SearchUnavailable(reason).for_operators() from error
            late = SearchTimeout("OpenSearch did not say in time to which index the alias points: try again")
            late.to_callers = "OpenSearch did not answer in time: try again"
            raise late from error
        except IndexUnusable:
            self._good_at = None
            raise
        self._good_at = asyncio.get_running_loop().time()


def _retrieved(task: asyncio.Task[None]) -> None:
    """Retrieves the error of a check in the background. The next request checks again and reports it."""
    if not task.cancelled():
        task.exception()
