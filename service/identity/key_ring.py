"""The API keys that a process of the service knows. It reads them from the cluster again after FRESH_SECONDS.

If that has failed for OLDEST_SECONDS, no key is accepted.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime

import structlog

from service.errors import ConversationsError, KeysUnavailable, Unauthorized
from service.identity.api_keys import ApiKey, Known, is_same, split
from service.identity.caller import Caller

FRESH_SECONDS = 20.0  # after which the keys are read again
OLDEST_SECONDS = 55.0  # older keys are not accepted, so a revoked key is refused after at most 60 seconds
PAUSE_SECONDS = 2.0  # between two reads for an unknown key, and after a failed read

Read = Callable[[], Awaitable[Known]]

logger = structlog.get_logger("conversations.keys")


class KeyRing:
    """Verifies API keys. `read` gets all of them; it runs once for all waiting requests, and only if a key is used."""

    def __init__(self, read: Read, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._read = read
        self._clock = clock
        self._keys: Mapping[str, ApiKey] = {}
        self._unusable: tuple[str, ...] = ()
        self._read_at = self._tried_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None

    async def caller(self, text: str) -> Caller:
        """The caller that a key identifies. Raises Unauthorized, and KeysUnavailable if the keys cannot be read."""
        parts = split(text)
        if parts is None:
            raise Unauthorized("the API key is malformed: send it as it was printed")
        key_id, hashed = parts
        key = await self._find(key_id)
        if key is None or not is_same(key.hash, hashed):
            raise Unauthorized("the API key is not known")
        if (reason := key.ended(datetime.now(UTC))) is not None:
            raise Unauthorized(reason)
        return key.caller(key_id)

    def known(self, text: str) -> Caller | None:
        """The caller that a key identifies, if that is known without reading the cluster."""
        parts = split(text)
        key = None if parts is None else self._keys.get(parts[0])
        if parts is None or key is None or not is_same(key.hash, parts[1]):
            return None
        is_over = key.ended(datetime.now(UTC)) is not None or self._clock() - self._read_at > OLDEST_SECONDS
        return None if is_over else key.caller(parts[0])

    async def _find(self, key_id: str) -> ApiKey | None:
        now = self._clock()
        if now - self._read_at > FRESH_SECONDS or key_id not in self._keys:
            await self._read_again(now)
        if self._clock() - self._read_at > OLDEST_SECONDS:
            raise KeysUnavailable("the API keys cannot be read from OpenSearch now: try again shortly")
        return self._keys.get(key_id)

    async def _read_again(self, now: float) -> None:
        if self._reading is None:
            if now - self._tried_at < PAUSE_SECONDS:
                return
            self._tried_at = now
            self._reading = asyncio.create_task(self._replace(now))
            self._reading.add_done_callback(self._ended)
        await asyncio.shield(self._reading)

    def _ended(self, _task: asyncio.Task[None]) -> None:
        self._reading = None

    async def _replace(self, now: float) -> None:
        """Reads the keys. If that fails, the older ones are used until they are too old."""
        try:
            found = await self._read()
        except ConversationsError as error:
            logger.warning("api_keys_unavailable", reason=str(error), has_older=bool(self._keys))
            return
        if found.unusable != self._unusable:
            logger.warning("api_keys_unusable", keys=found.unusable)
        self._keys, self._unusable = found.keys, found.unusable
        self._read_at = now

    async def close(self) -> None:
        """Cancels the running read."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait([self._reading])
