"""Validates the URLs of servers, and removes users and passwords from them."""

from __future__ import annotations

import re
from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr


def without_password(url: str) -> str:
    """The URL for messages. User and password are everything before the last @, as in browsers, so they are removed."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if slashes else url.rpartition("@")[2]


def without_credentials(url: str) -> tuple[str, tuple[str, SecretStr] | None]:
    """Returns the URL without user and password, and the user and password. An invalid URL is returned unchanged."""
    try:
        parts = urlsplit(url)
        if parts.username is None or _has_spaces(url):
            return url, None
        user, password = (unquote(part or "", errors="strict") for part in (parts.username, parts.password))
    except ValueError:
        return url, None
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), (user, SecretStr(password))


def _has_spaces(text: str) -> bool:
    return any(character.isspace() or not character.isprintable() for character in text)


_BETWEEN = re.compile(r"[\s,]+(?=https?://)", re.IGNORECASE)


def nodes(value: str) -> list[str]:
    """The URLs of a cluster's nodes, which commas or spaces separate."""
    return _BETWEEN.split(value)


def cluster_without_credentials(value: str) -> tuple[str, tuple[str, SecretStr] | None]:
    """Like without_credentials, for several URLs. Raises ValueError if they have different users or passwords."""
    found = [without_credentials(url) for url in nodes(value)]
    named = [credentials for _url, credentials in found if credentials is not None]
    if not named:
        return value, None
    if len({(user, password.get_secret_value()) for user, password in named}) > 1:
        raise ValueError("OPENSEARCH_URL must have the same user and password in all of its URLs")
    return ",".join(url for url, _credentials in found), named[0]


def of_cluster(value: str) -> str:
    """Validates the URLs of a cluster's nodes; returns them with commas between. Raises ValueError like of_server."""
    places: dict[tuple[object, ...], str] = {}
    for url in map(of_server, nodes(value)):
        places.setdefault(_place(url), url)
    found = list(places.values())
    if len({url.partition("://")[0] for url in found}) > 1:
        raise ValueError("must have the same scheme, http:// or https://, in all URLs")
    return ",".join(found)


DEFAULT_PORTS = {"http": 9200, "https": 443}  # of opensearch-py


def _place(url: str) -> tuple[object, ...]:
    """The same for all ways to write a valid URL. Two names of one host differ."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or DEFAULT_PORTS.get(parts.scheme), parts.path


def of_server(value: str) -> str:
    """Validates one URL. Raises ValueError, whose message never repeats the URL and its password."""
    if _has_spaces(value):
        raise ValueError("must not contain spaces or control characters")
    if not value.lower().startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "must have a host and a port from 1 to 65535, such as https://search:9200; special characters of a user or "
            "password must be percent-encoded"
        ) from None
    _check_parts(parts)
    return parts.geturl().rstrip("/")


def _check_parts(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise ValueError("must have its user and password in UTF-8, percent-encoded")
    if not parts.hostname:
        raise ValueError("must name a host, such as https://search:9200")
    if set(",;") & set(parts.hostname):
        raise ValueError("must begin with http:// or https:// in each of its URLs")
    if parts.port == 0:
        raise ValueError("must have a port from 1 to 65535")
    if parts.query or parts.fragment:
        raise ValueError("must not have ? or # after its path; in a password, write them as %3F and %23")


def of_service(value: str) -> str:
    """Validates the URL of a running service. It has no user, because a token is sent instead. Raises ValueError."""
    if value != without_password(value):
        raise ValueError("must not contain a user and password: use a token instead")
    return of_server(value)
