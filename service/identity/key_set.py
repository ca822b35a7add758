"""Keeps the keys of one issuer: fetched once for all waiting requests, and kept while the issuer is down."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence

import aiohttp
import structlog

from service import telemetry
from service.errors import KeysUnavailable
from service.identity import public_keys
from service.identity.key_sources import FETCH_SECONDS, KeySource
from service.identity.public_keys import Key

UNKNOWN_PAUSE_SECONDS = 30.0  # between two fetches for unknown keys, and for signatures that no known key made
UNKNOWN_SECONDS = 60.0  # for which an unknown key is refused without a fetch
MOST_UNKNOWN = 1_000
RETRY_SECONDS = 30.0  # after a failed fetch, while there are older keys
FIRST_RETRY_SECONDS = 2.0  # after a failed fetch, while there are none
MOST_TRIED = 4  # keys with the same `kid` and algorithm

logger = structlog.get_logger("conversations.keys")


class KeySet:
    """The keys of `issuer`. New keys are found without a restart: after `lifetime` (seconds), or when one is used.

    Only a token that no known key verifies waits for the issuer, `FETCH_SECONDS` at most. Once keys were fetched, a
    timer fetches them again when their lifetime ends, so that even an idle service soon forgets withdrawn keys.
    """

    def __init__(
        self, source: KeySource, *, issuer: str, lifetime: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._issuer = issuer
        self._lifetime = lifetime
        self._clock = clock
        self._keys: list[Key] = []
        self._fresh_until = self._next_try = self._next_for_unknown = float("-inf")
        self.fetches = 0  # that succeeded
        self._is_failing = False
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._fetching: asyncio.Task[None] | None = None
        self._timer: asyncio.TimerHandle | None = None

    async def find(self, kid: str | None, algorithm: str) -> list[Key]:
        """The few keys to try for a token with this `kid`. Without a `kid`, the only key for its algorithm.

        Raises KeysUnavailable if the keys could never be fetched.
        """
        waited = await self._refreshed()
        found = self._chosen(kid, algorithm)
        if found or kid is None or self._has(kid):
            return found
        if not waited and not await self._asked_for(kid):
            return []
        found = self._chosen(kid, algorithm)
        if not self._has(kid) and not self._is_failing:
            self._remember(kid)
        return found

    async def find_newer(self, kid: str | None, algorithm: str, tried: Sequence[Key], *, fetches: int) -> list[Key]:
        """The keys to try after `tried` verified no signature: an issuer may reuse a `kid` for a new key.

        Fetches the keys again, unless they were fetched since `self.fetches` was `fetches`, or a short time ago.
        """
        if kid is not None and not self._has(kid):
            return []  # `find` has just fetched the keys, or must wait before the next fetch
        if self.fetches == fetches and not await self._asked():
            return []
        if not self._is_failing:
            self._pause()
        return [key for key in self._chosen(kid, algorithm) if key not in tried]

    def _chosen(self, kid: str | None, algorithm: str) -> list[Key]:
        fitting = [key for key in self._keys if algorithm in key.algorithms and (kid is None or key.kid == kid)]
        return fitting[:MOST_TRIED] if kid is not None or len(fitting) == 1 else []

    def _has(self, kid: str) -> bool:
        return any(key.kid == kid for key in self._keys)

    async def _refreshed(self) -> bool:
        """Fetches the keys if they are missing or too old. Waits only for the first keys. Returns whether it waited."""
        if self._keys:
            self._begin_if_due()
            return False
        if self._fetching is not None or self._clock() >= self._next_try:
            await self._fetched()
        if not self._keys:
            raise KeysUnavailable("the keys of the token's issuer cannot be fetched: try again shortly")
        return True

    @property
    def _due(self) -> float:
        """The time when the known keys are fetched again."""
        return max(self._fresh_until, self._next_try)

    def _begin_if_due(self) -> None:
        if self._clock() >= self._due:
            self._begin()

    async def _asked_for(self, kid: str) -> bool:
        """Fetches the keys because of an unknown one, unless that was tried a short time ago."""
        now = self._clock()
        return self._unknown.get(kid, now) <= now and await self._asked()

    async def _asked(self) -> bool:
        now = self._clock()
        if self._fetching is None:
            if now < self._next_for_unknown:
                return False
            self._next_for_unknown = now + UNKNOWN_PAUSE_SECONDS
        await self._fetched()
        return True

    def _remember(self, kid: str) -> None:
        """Remembers that the issuer was asked just now, and has no such key."""
        self._pause()
        self._unknown[kid] = self._clock() + UNKNOWN_SECONDS
        self._unknown.move_to_end(kid)
        if len(self._unknown) > MOST_UNKNOWN:
            self._unknown.popitem(last=False)

    def _pause(self) -> None:
        self._next_for_unknown = max(self._next_for_unknown, self._clock() + UNKNOWN_PAUSE_SECONDS)

    async def _fetched(self) -> None:
        """Waits for the running fetch, or for a new one. The fetch continues if a waiting request is cancelled."""
        await asyncio.shield(self._begin())

    def _begin(self) -> asyncio.Task[None]:
        if self._fetching is None:
            self._fetching = asyncio.create_task(self._fetch())
            self._fetching.add_done_callback(self._ended)
        return self._fetching

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._fetching = None

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                content = await self._source()
            self._keys = public_keys.read(content)
        except (ValueError, OSError, TimeoutError, aiohttp.ClientError) as error:
            self._is_failing = True
            self._next_try = self._clock() + (RETRY_SECONDS if self._keys else FIRST_RETRY_SECONDS)
            if self._keys:
                self._next_for_unknown = max(self._next_for_unknown, self._next_try)
                self._set_timer()
            telemetry.key_fetches.labels("failed").inc()
            reason = str(error) if type(error) is ValueError else type(error).__name__
            logger.warning("issuer_keys_unavailable", issuer=self._issuer, reason=reason, has_older=bool(self._keys))
            return
        self._is_failing = False
        self.fetches += 1
        self._fresh_until = self._clock() + self._lifetime
        self._set_timer()
        telemetry.key_fetches.labels("fetched").inc()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        # It may fire a little early. If it compared the clock then, it would neither fetch nor be set again.
        self._timer = asyncio.get_running_loop().call_later(self._due - self._clock(), self._begin)

    async def close(self) -> None:
        """Cancels the running fetch, and all later ones."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
        if self._timer is not None:
            self._timer.cancel()
