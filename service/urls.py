"""URLs of servers: checked, and without the user and password that they may hold."""

from __future__ import annotations

from urllib.parse import SplitResult, unquote, urlsplit

from pydantic import SecretStr


def without_password(url: str) -> str:
    """The URL as a message may show it. User and password may be anything before the last @, as browsers have it."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if slashes else url.rpartition("@")[2]


def without_credentials(url: str) -> tuple[str, tuple[str, SecretStr] | None]:
    """The URL without its user and password, and these. What cannot be taken apart stays, and is refused as a URL."""
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


def of_cluster(value: str) -> str:
    """The URL, checked. Raises ValueError saying what would be right; never repeats what may hold a password."""
    if _has_spaces(value):
        raise ValueError("must hold no spaces or control characters")
    if not value.lower().startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    try:
        parts = urlsplit(value)
        _ = parts.port
    except ValueError:
        raise ValueError(
            "must hold a host and a port of 1 to 65535, such as https://search:9200; special characters of a user or "
            "password must be percent-encoded"
        ) from None
    _check_parts(parts)
    return parts.geturl().rstrip("/")


def _check_parts(parts: SplitResult) -> None:
    if "@" in parts.netloc:
        raise ValueError("must hold a user and a password in UTF-8, percent-encoded")
    if not parts.hostname:
        raise ValueError("must name a host, such as https://search:9200")
    if parts.port == 0:
        raise ValueError("must have a port of 1 to 65535")
    if parts.query or parts.fragment:
        raise ValueError("must end with its path, without ? and #; a password's are written %3F and %23")


def of_service(value: str) -> str:
    """The URL of a running service, checked. It holds no user: a token is sent to it. Raises ValueError."""
    if value != without_password(value):
        raise ValueError("must hold no user and password: a token is needed instead")
    return of_cluster(value)
