"""Whether the index behind the alias is one that this version of the service can serve, asked again as time goes by.

An index never changes, but the alias may be moved to another one at any time: by a reindex, a rollback or a person.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress

from service.errors import ConversationsError, IndexUnusable, SearchTimeout, SearchUnavailable

FRESH_SECONDS = 10.0


class CompatibilityCheck:
    """Remembers the answer of `check`, which raises where the index does not fit.

    An answer is fresh for `fresh` seconds. For as long again it is still used, while it is asked anew in the
    background; an older one is waited for. So a moved alias is noticed within twice `fresh` plus the time of one
    check, and no request of a busy service waits. Only a good answer is remembered: after a failed check the next
    request checks.
    """

    def __init__(
        self,
        check: Callable[[], Awaitable[object]],
        *,
        seconds: float,
        fresh: float = FRESH_SECONDS,
        reason: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        """`reason` is called after a time-out: it may know what is behind it, such as a full disk."""
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
        """The same, asked at this moment."""
        await asyncio.shield(self._begin())

    async def close(self) -> None:
        """Ends a check that is under way."""
        if self._checking is not None:
            self._checking.cancel()
            with suppress(asyncio.CancelledError, ConversationsError):
                await self._checking

    def _age(self) -> float | None:
        return None if self._good_at is None else asyncio.get_running_loop().time() - self._good_at

    def _begin(self) -> asyncio.Task[None]:
        """The check that is under way, or a new one: there is never more than one."""
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
                raise SearchUnavailable(reason) from error
            raise SearchTimeout("OpenSearch did not tell in time which index the alias means: try again") from error
        except IndexUnusable:
            self._good_at = None
            raise
        self._good_at = asyncio.get_running_loop().time()


def _retrieved(task: asyncio.Task[None]) -> None:
    """What a check in the background found is told by the next one that is waited for."""
    if not task.cancelled():
        task.exception()
