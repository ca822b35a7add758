"""The settings of browsers, host names and proxies: origins for CORS, accepted names, and trusted proxies."""

from __future__ import annotations

import ipaddress
import re

from pydantic import AliasChoices as _env
from pydantic import Field, field_validator
from pydantic_settings import BaseSettings

_ORIGIN = re.compile(r"https?://[a-z0-9.-]+(:[0-9]{1,5})?|https?://\[[0-9a-f:]+\](:[0-9]{1,5})?")
_DEFAULT_PORTS = {"http": ":80", "https": ":443"}
_HOST = re.compile(r"[a-z0-9.-]+|\[[0-9a-f:]+\]")


class OriginSettings(BaseSettings):
    """Lists are separated by spaces."""

    cors_origins: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_CORS_ORIGINS"),
        description="origins whose pages may call the API from a browser, separated by spaces, such as "
        "https://app.example.com; without it, none may",
    )
    allowed_hosts: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_ALLOWED_HOSTS"),
        description="host names under which the service answers, without ports, separated by spaces; /health answers "
        "under any name, and the address for operators under any IP address; without it, all names are accepted",
    )

    trusted_proxies: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TRUSTED_PROXIES"),
        description="addresses and networks of proxies whose X-Forwarded-For is trusted, separated by spaces, such as "
        "10.0.0.0/8; without it, the header is ignored",
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _proxies_are_networks(cls, value: str | None) -> str | None:
        if value is None:
            return None
        try:
            networks = [ipaddress.ip_network(part) for part in value.split()]
        except ValueError:
            networks = []
        if not networks:
            raise ValueError("must be addresses or networks, such as 10.0.0.7 10.1.0.0/16")
        return " ".join(map(str, networks))

    @field_validator("cors_origins")
    @classmethod
    def _origins_are_exact(cls, value: str | None) -> str | None:
        """Without default ports, because browsers leave them out of the header Origin."""
        origins = _each(
            value, _ORIGIN, "be origins, such as https://app.example.com: scheme and host, without a path or *"
        )
        return origins and " ".join(
            origin.removesuffix(_DEFAULT_PORTS[origin.partition(":")[0]]) for origin in origins.split()
        )

    @field_validator("allowed_hosts")
    @classmethod
    def _hosts_are_names(cls, value: str | None) -> str | None:
        return _each(value, _HOST, "be host names, such as search.example.com: without a port or *")


def _each(value: str | None, pattern: re.Pattern[str], must: str) -> str | None:
    """The parts in lower case. Raises ValueError unless all match."""
    if value is None:
        return None
    parts = value.lower().split()
    if not parts or not all(pattern.fullmatch(part) for part in parts):
        raise ValueError(f"must {must}")
    return " ".join(parts)
