"""Keeps the keys of one issuer: fetched once for all waiting requests, and kept while the issuer is down."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable

import aiohttp
import structlog

from service import telemetry
from service.errors import KeysUnavailable
from service.identity import public_keys
from service.identity.key_sources import KeySource
from service.identity.public_keys import Key

UNKNOWN_PAUSE_SECONDS = 30.0  # between two fetches for unknown keys
UNKNOWN_SECONDS = 60.0  # for which an unknown key is refused without a fetch
MOST_UNKNOWN = 1_000
RETRY_SECONDS = 30.0  # after a failed fetch, while there are older keys
FIRST_RETRY_SECONDS = 2.0  # after a failed fetch, while there are none

logger = structlog.get_logger("conversations.keys")


class KeySet:
    """The keys of `issuer`. New keys are found without a restart: after `lifetime`, or when one is used."""

    def __init__(
        self, source: KeySource, *, issuer: str, lifetime: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._source = source
        self._issuer = issuer
        self._lifetime = lifetime
        self._clock = clock
        self._keys: list[Key] = []
        self._fresh_until = self._next_try = self._next_for_unknown = float("-inf")
        self._is_failing = False
        self._unknown: OrderedDict[str, float] = OrderedDict()
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key for a token with this `kid`; without one, the only key for its algorithm. None if there is none.

        Raises KeysUnavailable if the keys could never be fetched.
        """
        waited = await self._refreshed()
        found = self._chosen(kid, algorithm)
        if found is not None or kid is None or self._has(kid):
            return found
        if not waited and not await self._asked_for(kid):
            return None
        found = self._chosen(kid, algorithm)
        if not self._has(kid) and not self._is_failing:
            self._remember(kid)
        return found

    def _chosen(self, kid: str | None, algorithm: str) -> Key | None:
        fitting = [key for key in self._keys if algorithm in key.algorithms and (kid is None or key.kid == kid)]
        is_clear = len(fitting) == 1 or (kid is not None and fitting)
        return fitting[0] if is_clear else None

    def _has(self, kid: str) -> bool:
        return any(key.kid == kid for key in self._keys)

    async def _refreshed(self) -> bool:
        """Fetches the keys if they are missing or too old. Returns whether this waited for a fetch."""
        now = self._clock()
        if self._keys and now < self._fresh_until:
            return False
        if self._fetching is None and now < self._next_try:
            return self._with_older_keys()
        if self._keys and self._is_failing:  # nobody waits for an issuer that is known to be down
            self._begin()
            return False
        await self._fetched()
        self._with_older_keys()
        return True

    def _with_older_keys(self) -> bool:
        if not self._keys:
            raise KeysUnavailable("the keys of the token's issuer cannot be fetched: try again shortly")
        return False

    async def _asked_for(self, kid: str) -> bool:
        """Fetches the keys because of an unknown one, unless that was tried a short time ago."""
        now = self._clock()
        if self._unknown.get(kid, now) > now:
            return False
        if self._fetching is None:
            if now < self._next_for_unknown:
                return False
            self._next_for_unknown = now + UNKNOWN_PAUSE_SECONDS
        await self._fetched()
        return True

    def _remember(self, kid: str) -> None:
        """Remembers that the issuer was asked just now, and has no such key."""
        now = self._clock()
        self._next_for_unknown = max(self._next_for_unknown, now + UNKNOWN_PAUSE_SECONDS)
        self._unknown[kid] = now + UNKNOWN_SECONDS
        self._unknown.move_to_end(kid)
        if len(self._unknown) > MOST_UNKNOWN:
            self._unknown.popitem(last=False)

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
            self._keys = public_keys.read(await self._source())
        except (ValueError, OSError, TimeoutError, aiohttp.ClientError) as error:
            self._is_failing = True
            self._next_try = self._clock() + (RETRY_SECONDS if self._keys else FIRST_RETRY_SECONDS)
            telemetry.key_fetches.labels("failed").inc()
            reason = str(error) if type(error) is ValueError else type(error).__name__
            logger.warning("issuer_keys_unavailable", issuer=self._issuer, reason=reason, has_older=bool(self._keys))
            return
        self._is_failing = False
        self._fresh_until = self._clock() + self._lifetime
        telemetry.key_fetches.labels("fetched").inc()

    async def close(self) -> None:
        """Cancels the running fetch."""
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])
