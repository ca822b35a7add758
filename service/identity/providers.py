"""Where people sign in: what the page must know about each issuer at which it is a client (OpenID Connect)."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import msgspec
import structlog

from service.identity import key_sources
from service.identity.issuers import Issuer, trusted
from service.identity.key_sources import Named, may_name

PATIENCE_SECONDS = 2.0  # that the page waits for an issuer whose configuration is not known yet
RETRY_SECONDS = 10.0  # after an issuer could not be asked
ORIGIN = re.compile(r"https?://[\w.:\[\]-]+", re.ASCII)  # what a Content-Security-Policy may contain

logger = structlog.get_logger("conversations.sign_in")


class Configuration(Named):
    """The part of an issuer's configuration that the page needs."""

    authorization_endpoint: str = ""
    token_endpoint: str = ""
    end_session_endpoint: str | None = None
    response_modes_supported: tuple[str, ...] = ("query", "fragment")  # the standard's default
    authorization_response_iss_parameter_supported: bool = False


Read = Callable[[str], Awaitable[Configuration]]


class Provider(msgspec.Struct, frozen=True):
    """An issuer as the page sees it. `says_issuer`: its answers name it, so the page refuses answers that do not."""

    issuer: str
    client_id: str
    scope: str
    parameters: dict[str, str]
    authorization_endpoint: str
    token_endpoint: str
    end_session_endpoint: str | None
    says_issuer: bool


def origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


class Providers:
    """The issuers at which people sign in, as their own configurations describe them.

    The configuration of each is fetched when the page is first requested, and again after `lifetime` (seconds). While
    an issuer is down, its last configuration is used; if there is none, the issuer is left out.
    """

    def __init__(
        self, issuers: Sequence[Issuer], read: Read, *, lifetime: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._issuers = {one.issuer: one for one in issuers if one.client_id is not None and one.issuer is not None}
        self._read = read
        self._lifetime = lifetime
        self._clock = clock
        self._known: dict[str, Provider] = {}
        self._next_try = dict.fromkeys(self._issuers, float("-inf"))
        self._asking: dict[str, asyncio.Task[None]] = {}

    async def known(self) -> list[Provider]:
        """The providers that can be used now. Waits only for those whose configuration is not known yet."""
        if not self._issuers:
            return []
        now = self._clock()
        for name in self._issuers:
            if now >= self._next_try[name] and name not in self._asking:
                self._asking[name] = asyncio.create_task(self._ask(name))
        waiting = [task for name, task in self._asking.items() if name not in self._known]
        if waiting:
            await asyncio.wait(waiting, timeout=PATIENCE_SECONDS)
        return [self._known[name] for name in self._issuers if name in self._known]

    async def _ask(self, name: str) -> None:
        wait = RETRY_SECONDS
        try:
            self._known[name] = provider(self._issuers[name], await self._read(name))
            wait = self._lifetime
        except (ValueError, OSError, aiohttp.ClientError) as error:  # OSError: also TimeoutError
            logger.warning("sign_in_unavailable", issuer=name, reason=str(error) or type(error).__name__)
        finally:
            self._next_try[name] = self._clock() + wait
            self._asking.pop(name, None)

    async def close(self) -> None:
        """Cancels the running requests to issuers."""
        tasks = list(self._asking.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reader(ca_file: Path | None) -> Read:
    """Asks issuers over the network."""

    async def read(issuer: str) -> Configuration:
        return await key_sources.configuration(issuer, trusted(ca_file), Configuration)

    return read


def provider(issuer: Issuer, found: Configuration) -> Provider:
    """The issuer as a provider. Raises ValueError if people cannot sign in there."""
    ends = [found.end_session_endpoint] if found.end_session_endpoint else []
    if not all(may_name(found.issuer, url) for url in (found.authorization_endpoint, found.token_endpoint, *ends)):
        raise ValueError("its configuration lacks an endpoint to sign in, or has one without https")
    if not ORIGIN.fullmatch(origin(found.token_endpoint)):
        shown = urlsplit(found.token_endpoint).netloc.rpartition("@")[2]  # without a password
        raise ValueError(
            f"the host of the token_endpoint in its configuration, {shown!r}, may have only ASCII letters, digits, "
            "dots, hyphens and a port, without a user name: correct it at the issuer"
        )
    if "fragment" not in found.response_modes_supported:
        raise ValueError("it does not support response_mode=fragment")
    return Provider(
        issuer=found.issuer,
        client_id=issuer.client_id or "",
        scope=" ".join(dict.fromkeys(("openid", *issuer.client_scopes))),
        parameters=dict(issuer.more_parameters),
        authorization_endpoint=found.authorization_endpoint,
        token_endpoint=found.token_endpoint,
        end_session_endpoint=found.end_session_endpoint or None,
        says_issuer=found.authorization_response_iss_parameter_supported,
    )
