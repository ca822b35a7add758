"""The settings of httpx that both clients use."""

from __future__ import annotations

from typing import TypedDict

import httpx

# Idle connections are closed here before the service closes them. If the service closes one just as a request is sent,
# nobody can say whether the request was executed.
IDLE_SECONDS = 5.0


class HttpSettings(TypedDict):
    base_url: str
    headers: dict[str, str]
    timeout: float
    follow_redirects: bool
    limits: httpx.Limits


def http_settings(url: str, token: str, timeout: float) -> HttpSettings:
    """Raises ValueError for an address or a token that cannot be one. The token is never shown."""
    parsed = httpx.URL(url)
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise ValueError(f"{url!r} is no address of a service; write for example 'https://search.example.com'")
    if not token.isascii() or not token.isprintable() or not token or " " in token:
        raise ValueError("the token must be one word of ASCII characters, without spaces and line ends")
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
    # A redirect is never followed, because the token must not go to another place.
    limits = httpx.Limits(max_connections=100, max_keepalive_connections=20, keepalive_expiry=IDLE_SECONDS)
    return {
        "base_url": url.rstrip("/"), "headers": headers, "timeout": timeout, "follow_redirects": False,
        "limits": limits,
    }  # fmt: skip
