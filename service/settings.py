"""Every environment variable, once. Nothing else in the package reads the environment.

A `Settings` is frozen and made by whoever starts a process (the command line, a test); it is handed
down, never looked up.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import SplitResult, quote, unquote, urlsplit

import platformdirs
from pydantic import (
    AliasChoices,
    BaseModel,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.errors import Misconfigured

PROJECT = "conversation-search"
SECRET_MIN_BYTES = 32  # RFC 7518, 3.2: a key of the size of the hash output or larger
# Whoever reads this repository can sign with these: docker-compose.yml has it for the profile dev.
PUBLISHED_SECRETS = frozenset({"for development on this machine only, never elsewhere"})
OPTIONS = {"OPENSEARCH_URL": "--opensearch-url", "CONVERSATIONS_DATA": "--data"}  # that set the same as a variable


def _env(name: str) -> AliasChoices:
    return AliasChoices(name)


class Settings(BaseSettings):
    """What a process was told: `Settings.load()` from the environment, or by keyword in tests."""

    # Compose files hand on what was not set as an empty text: it counts as not set.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True)

    opensearch_url: str | None = Field(
        None,
        validation_alias=_env("OPENSEARCH_URL"),
        description="the cluster to use, such as https://search:9200 or https://user:password@host/path (port 443 for "
        "https, 9200 for http, where none is given); without it the local node is used",
    )
    opensearch_user: str | None = Field(
        None, validation_alias=_env("OPENSEARCH_USER"), description="user name for the cluster"
    )
    opensearch_password: SecretStr | None = Field(
        None, validation_alias=_env("OPENSEARCH_PASSWORD"), description="password for the cluster"
    )
    opensearch_ca_file: Path | None = Field(
        None,
        validation_alias=_env("OPENSEARCH_CA_FILE"),
        description="file with the certificates of the authority that the cluster's certificate comes from",
    )
    opensearch_verify_certs: bool = Field(
        True,
        validation_alias=_env("OPENSEARCH_VERIFY_CERTS"),
        description="check the cluster's certificate; turn it off for experiments only",
    )
    opensearch_connections: int = Field(
        32,
        ge=1,
        le=1000,
        validation_alias=_env("OPENSEARCH_CONNECTIONS"),
        description="connections to the cluster that one process keeps at most, for searches and for all else each",
    )
    alias: str = Field(
        "conversations",
        pattern=r"^[a-z][a-z0-9_]{0,99}$",
        validation_alias=_env("CONVERSATIONS_ALIAS"),
        description="the alias that readers and writers use; index names begin with it",
    )
    request_timeout: float = Field(
        10.0,
        gt=0,
        le=300,
        validation_alias=_env("CONVERSATIONS_REQUEST_TIMEOUT"),
        description="deadline of one API request, in seconds; past it the answer is 504",
    )
    write_lease: float = Field(
        30.0,
        gt=0,
        le=600,
        validation_alias=_env("CONVERSATIONS_WRITE_LEASE"),
        description="seconds within which every writer learns of a new index; a reindex waits so long; "
        "the same for all of a cluster",
    )
    max_ahead: int = Field(
        86_400,
        ge=0,
        le=400_000_000_000,  # past the end of the year 9999, from any clock
        validation_alias=_env("CONVERSATIONS_MAX_AHEAD"),
        description="seconds that updated_on or deleted_on may lie ahead of the clock; what lies further is refused",
    )
    environment: Literal["production", "dev"] = Field(
        "production",
        validation_alias=_env("CONVERSATIONS_ENVIRONMENT"),
        description="production or dev; in dev alone the secret that docker-compose.yml publishes is accepted",
    )
    token_secret: SecretStr | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_SECRET"),
        description="shared secret of HS256 tokens, of 32 bytes or more",
    )
    token_secret_previous: SecretStr | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_SECRET_PREVIOUS"),
        description="the secret before that: tokens and cursors signed with it are still taken, none is made with it",
    )
    token_audience: str = Field(
        "conversations",
        validation_alias=_env("CONVERSATIONS_TOKEN_AUDIENCE"),
        description="the `aud` that a token must carry",
    )
    token_issuer: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_ISSUER"),
        description="the `iss` that a token must carry; not checked when unset",
    )
    organizations_claim: str = Field(
        "organizations",
        validation_alias=_env("CONVERSATIONS_ORGANIZATIONS_CLAIM"),
        description="claim that lists the caller's organizations",
    )
    default_organization_claim: str = Field(
        "default_organization",
        validation_alias=_env("CONVERSATIONS_DEFAULT_ORGANIZATION_CLAIM"),
        description="claim that names the caller's default organization",
    )
    scope_claim: str = Field(
        "scope",
        validation_alias=_env("CONVERSATIONS_SCOPE_CLAIM"),
        description="claim that holds the caller's scopes, separated by spaces",
    )
    log_format: Literal["console", "json"] = Field(
        "console", validation_alias=_env("CONVERSATIONS_LOG_FORMAT"), description="console or json"
    )
    traces_endpoint: str | None = Field(
        None,
        validation_alias=_env("OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="traces go there (OTLP over HTTP); the other OTEL_ variables mean what OpenTelemetry says; "
        "without it nothing is traced",
    )
    telemetry_off: bool = Field(
        False, validation_alias=_env("OTEL_SDK_DISABLED"), description="true: no traces, whatever else is set"
    )
    data: Path = Field(
        default_factory=lambda: platformdirs.user_data_path(PROJECT),
        validation_alias=_env("CONVERSATIONS_DATA"),
        description="folder of the local node: its index, logs, and token secret",
    )
    cache: Path = Field(
        default_factory=lambda: platformdirs.user_cache_path(PROJECT),
        validation_alias=_env("CONVERSATIONS_CACHE"),
        description="folder for the downloaded JDK and OpenSearch",
    )
    java_home: Path | None = Field(
        None,
        validation_alias=_env("JAVA_HOME"),
        description="a JDK; used for the local node instead of the downloaded one if it is 21 or newer",
    )
    node_heap: str = Field(
        "512m",
        pattern=r"^[1-9][0-9]*[mg]$",
        validation_alias=_env("CONVERSATIONS_NODE_HEAP"),
        description="Java heap of the local node",
    )

    _url_credentials: tuple[str, SecretStr] | None = PrivateAttr(None)

    @model_validator(mode="wrap")
    @classmethod
    def _take_credentials_out(cls, values: dict[str, Any], validate: ModelWrapValidatorHandler[Self]) -> Self:
        """So that no message, log or command line that holds the URL holds a password."""
        credentials = None
        for name in ("opensearch_url", "OPENSEARCH_URL"):
            if isinstance(values.get(name), str):
                url, credentials = _without_credentials(values[name])
                values = {**values, name: url}
        made = validate(values)
        made._url_credentials = credentials
        made._check_credentials()
        return made

    @field_validator("opensearch_url")
    @classmethod
    def _url_is_one_of_a_cluster(cls, value: str | None) -> str | None:
        return None if value is None else _cluster_url(value)

    @model_validator(mode="after")
    def _published_secret_is_for_development(self) -> Self:
        secrets = {
            "CONVERSATIONS_TOKEN_SECRET": self.token_secret,
            "CONVERSATIONS_TOKEN_SECRET_PREVIOUS": self.token_secret_previous,
        }
        for name, secret in secrets.items():
            if is_published(secret) and self.environment != "dev":
                raise ValueError(
                    f"{name}: must not be the secret that docker-compose.yml publishes, which everybody knows: make "
                    "one with 'openssl rand -base64 48', or set CONVERSATIONS_ENVIRONMENT=dev on a machine of your own"
                )
        return self

    @field_validator("token_secret", "token_secret_previous")
    @classmethod
    def _secret_is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SECRET_MIN_BYTES:
            raise ValueError(f"must have at least {SECRET_MIN_BYTES} bytes")
        return value

    def _check_credentials(self) -> None:
        if self._url_credentials is not None and self.opensearch_user is not None:
            raise ValueError("OPENSEARCH_URL: must hold no user where OPENSEARCH_USER is set")
        if self.opensearch_password is not None and self.opensearch_user is None:
            raise ValueError("OPENSEARCH_USER: must be set where OPENSEARCH_PASSWORD is")
        if self.credentials is not None and ":" in self.credentials[0]:
            raise ValueError("OPENSEARCH_USER: must hold no colon (RFC 7617)")

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password for the cluster: those in its URL, else OPENSEARCH_USER and OPENSEARCH_PASSWORD."""
        if self._url_credentials is not None:
            user, password = self._url_credentials
            return user, password.get_secret_value()
        if self.opensearch_user is None:
            return None
        return self.opensearch_user, self.opensearch_password.get_secret_value() if self.opensearch_password else ""

    @property
    def authorization(self) -> str | None:
        """The Authorization header for the cluster: in UTF-8, as OpenSearch reads it (RFC 7617, 2.1)."""
        if self.credentials is None:
            return None
        return "Basic " + base64.b64encode(":".join(self.credentials).encode()).decode()

    @classmethod
    def load(cls) -> Self:
        """Reads the environment. Raises Misconfigured naming each variable that is wrong, never its value."""
        try:
            return cls()
        except ValidationError as error:
            raise Misconfigured(f"the environment is wrong: {_problems(error)}") from None

    def but(self, **changes: object) -> Self:
        """A copy with some values replaced; what is None is left as it was.

        Raises Misconfigured naming each setting that is wrong, never its value.
        """
        unknown = changes.keys() - type(self).model_fields.keys()
        if unknown:
            raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
        values = {name: getattr(self, name) for name in type(self).model_fields} | {
            name: value for name, value in changes.items() if value is not None
        }
        if changes.get("opensearch_url") is None:  # else they are not for that cluster
            values["opensearch_url"] = self._url_with_credentials()
        copy = type(self).__new__(type(self))
        try:
            BaseModel.__init__(copy, **values)  # that of BaseSettings reads the environment again
        except ValidationError as error:
            raise Misconfigured(f"the settings are wrong: {_problems(error)}") from None
        return copy

    def _url_with_credentials(self) -> str | None:
        if self.opensearch_url is None or self._url_credentials is None:
            return self.opensearch_url
        user, password = (quote(part, safe="") for part in self.credentials or ("", ""))
        return self.opensearch_url.replace("://", f"://{user}:{password}@", 1)

    def child_environment(self) -> dict[str, str]:
        """The environment of a process that works on the same cluster: passwords go this way, not by its arguments."""
        changed = {"OPENSEARCH_URL": self.opensearch_url or "", "OPENSEARCH_USER": "", "OPENSEARCH_PASSWORD": ""}
        if self.credentials is not None:
            changed["OPENSEARCH_USER"], changed["OPENSEARCH_PASSWORD"] = self.credentials
        return child_environment(**changed)


def is_published(secret: SecretStr | None) -> bool:
    """Whether everybody knows the secret, because this repository holds it."""
    return secret is not None and secret.get_secret_value().strip() in PUBLISHED_SECRETS


def without_password(url: str) -> str:
    """The URL as a message may show it. User and password may be anything before the last @, as browsers have it."""
    scheme, slashes, rest = url.partition("://")
    return f"{scheme}://{rest.rpartition('@')[2]}" if slashes else url.rpartition("@")[2]


def _problems(error: ValidationError) -> str:
    """Each variable that is wrong, with the option that sets the same, and what would be right; no values."""
    return "; ".join(
        f"{_name(item['loc'])}{item['msg'].removeprefix('Value error, ')}"
        for item in error.errors(include_input=False, include_url=False)
    )


def _name(location: tuple[int | str, ...]) -> str:
    """Empty where the message itself names the variables, as those that concern several do."""
    name = ".".join(map(str, location))
    field = Settings.model_fields.get(name)
    if field is not None and isinstance(field.validation_alias, AliasChoices):
        name = str(field.validation_alias.choices[0])
    option = f" ({OPTIONS[name]})" if name in OPTIONS else ""
    return f"{name}{option}: " if name else ""


def _without_credentials(url: str) -> tuple[str, tuple[str, SecretStr] | None]:
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


def _cluster_url(value: str) -> str:
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


def environment_names() -> dict[str, str]:
    """Each environment variable with its description, in the order of the README's table."""
    return {
        str(field.validation_alias.choices[0]): field.description or ""
        for field in Settings.model_fields.values()
        if isinstance(field.validation_alias, AliasChoices)
    }


def child_environment(*, without: Collection[str] = (), **changes: str) -> dict[str, str]:
    """The environment for a child process: this process's own, without some variables and with some changed."""
    return {name: value for name, value in os.environ.items() if name not in without} | changes
