"""Where an issuer's keys come from: a file, a URL, or the URL that the issuer itself names (OpenID Connect discovery).

Answers are limited in size and time, and redirects are not followed. A URL must be https, except on this machine.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar
from urllib.parse import SplitResult, urlsplit

import aiohttp
import msgspec

FETCH_SECONDS = 5.0
MOST_BYTES = 1_000_000
DISCOVERY = "/.well-known/openid-configuration"

KeySource = Callable[[], Awaitable[bytes]]
"""Fetches a key set. Raises ValueError, OSError, TimeoutError or aiohttp's ClientError."""


class Named(msgspec.Struct):
    """The part of a configuration that names its issuer. Subclasses add the members that they need."""

    issuer: str


class KeyConfiguration(Named):
    """The part of an issuer's configuration that leads to its keys."""

    jwks_uri: str = ""


Kind = TypeVar("Kind", bound=Named)


def of_file(path: Path) -> KeySource:
    async def fetch() -> bytes:
        return await asyncio.to_thread(path.read_bytes)

    return fetch


def of_url(url: str, trusted: ssl.SSLContext) -> KeySource:
    async def fetch() -> bytes:
        return await _get(url, trusted)

    return fetch


def of_discovery(issuer: str, trusted: ssl.SSLContext) -> KeySource:
    """The keys at the `jwks_uri` of the issuer's configuration, which must name exactly this issuer."""

    async def fetch() -> bytes:
        found = await configuration(issuer, trusted, KeyConfiguration)
        if not may_name(issuer, found.jwks_uri):
            raise ValueError("its configuration names keys at a URL without https")
        return await _get(found.jwks_uri, trusted)

    return fetch


async def configuration(issuer: str, trusted: ssl.SSLContext, kind: type[Kind]) -> Kind:
    """A part of the issuer's own configuration. Raises what a KeySource raises: ValueError if it names another issuer.

    Members that `kind` does not have may be of any type. Null counts as missing, because some programs write it so.
    """
    content = await _get(issuer.rstrip("/") + DISCOVERY, trusted)
    try:
        members = msgspec.json.decode(content, type=dict[str, object])
        found = msgspec.convert({name: value for name, value in members.items() if value is not None}, kind)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        raise ValueError("its configuration is not an OpenID Connect configuration") from None
    if found.issuer != issuer:
        raise ValueError("its configuration names another issuer")
    return found


def may_name(issuer: str, url: str) -> bool:
    """Whether a URL in the issuer's configuration is followed: https to any host, http to its own host and port.

    So no issuer can cause http requests to other servers on this machine.
    """
    if not is_safe(url):
        return False
    own, named = urlsplit(issuer), urlsplit(url)
    return named.scheme == "https" or (own.scheme, _server(own)) == (named.scheme, _server(named))


def _server(parts: SplitResult) -> tuple[str | None, int]:
    """The host, and the port of an http URL."""
    return parts.hostname, parts.port or 80


def is_safe(url: str) -> bool:
    """Whether nobody can change the answer on its way: https, or a server on this machine."""
    try:
        parts = urlsplit(url)
        host, _port = parts.hostname, parts.port
    except ValueError:
        return False
    return bool(host) and (parts.scheme == "https" or (parts.scheme == "http" and _is_loopback(host or "")))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


async def _get(url: str, trusted: ssl.SSLContext) -> bytes:
    timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
    async with (
        aiohttp.ClientSession(timeout=timeout) as session,
        session.get(url, ssl=trusted, allow_redirects=False, headers={"Accept": "application/json"}) as answer,
    ):
        if answer.status != 200:
            raise ValueError(f"its server answered {answer.status}")
        content = bytearray()
        async for part in answer.content.iter_chunked(65_536):
            content += part
            if len(content) > MOST_BYTES:
                raise ValueError(f"its server answered with more than {MOST_BYTES:,} bytes")
        return bytes(content)
