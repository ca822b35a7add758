"""Every environment variable, once. Nothing else in the package reads the environment.

A `Settings` is frozen and made by whoever starts a process (the command line, a test); it is handed
down, never looked up. The command line adds what its options and its configuration file say.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, Literal, Self
from urllib.parse import quote
from uuid import UUID

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

from service import message_texts, urls
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
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

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
    shards: int | None = Field(
        None,
        ge=1,
        le=1024,  # OpenSearch's own limit
        validation_alias=_env("CONVERSATIONS_SHARDS"),
        description="shards of an index that `create` or `reindex` makes; without it 1, or those of the running index",
    )
    replicas: int | None = Field(
        None,
        ge=0,
        le=100,
        validation_alias=_env("CONVERSATIONS_REPLICAS"),
        description="copies of each shard beside the first, in an index that `create` or `reindex` makes; without it "
        "0, or those of the running index",
    )
    refresh_interval: str | None = Field(
        None,
        pattern=r"^(-1|[1-9][0-9]{0,5}(ms|s|m|h))$",
        validation_alias=_env("CONVERSATIONS_REFRESH_INTERVAL"),
        description="how soon searches find what was written, in an index that `create` or `reindex` makes, such as "
        "500ms or 30s, or -1 for never; without it 1s, or that of the running index",
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
        description="production or dev; only dev accepts the secret that docker-compose.yml publishes",
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
    url: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_URL"),
        description="a running service: `search`, `get`, `count`, `delete` and `healthy` ask it",
    )
    token: SecretStr | None = Field(
        None, validation_alias=_env("CONVERSATIONS_TOKEN"), description="the token to ask a running service with"
    )
    token_file: Path | None = Field(
        None, validation_alias=_env("CONVERSATIONS_TOKEN_FILE"), description="file that holds that token"
    )
    organization: UUID | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_ORGANIZATION"),
        description="the organization that `search`, `get`, `count` and `delete` ask for where none is named",
    )

    _url_credentials: tuple[str, SecretStr] | None = PrivateAttr(None)

    @model_validator(mode="wrap")
    @classmethod
    def _take_credentials_out(cls, values: dict[str, Any], validate: ModelWrapValidatorHandler[Self]) -> Self:
        """So that no message, log or command line that holds the URL holds a password."""
        credentials = None
        for name in ("opensearch_url", "OPENSEARCH_URL"):
            if isinstance(values.get(name), str):
                url, credentials = urls.without_credentials(values[name])
                values = {**values, name: url}
        made = validate(values)
        made._url_credentials = credentials
        made._check_credentials()
        return made

    @field_validator("opensearch_url")
    @classmethod
    def _url_is_one_of_a_cluster(cls, value: str | None) -> str | None:
        return None if value is None else urls.of_cluster(value)

    @field_validator("url")
    @classmethod
    def _url_is_one_of_a_service(cls, value: str | None) -> str | None:
        return None if value is None else urls.of_service(value)

    @model_validator(mode="after")
    def _published_secret_is_for_development(self) -> Self:
        secrets = {
            "CONVERSATIONS_TOKEN_SECRET": self.token_secret,
            "CONVERSATIONS_TOKEN_SECRET_PREVIOUS": self.token_secret_previous,
        }
        for name, secret in secrets.items():
            if is_published(secret) and self.environment != "dev":
                raise ValueError(
                    f"{name} must not be the secret that docker-compose.yml publishes, which everybody knows: make "
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
            raise ValueError("OPENSEARCH_URL must hold no user where OPENSEARCH_USER is set")
        if self.opensearch_password is not None and self.opensearch_user is None:
            raise ValueError("OPENSEARCH_USER must be set where OPENSEARCH_PASSWORD is")
        if self.credentials is not None and ":" in self.credentials[0]:
            raise ValueError("OPENSEARCH_USER must hold no colon (RFC 7617)")

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
    def load(
        cls,
        *,
        options: Mapping[str, object] | None = None,
        context: Mapping[str, object] | None = None,
        source: str = "",
    ) -> Self:
        """The settings: an option goes before the environment, that before the context, that before the default.

        Both mappings have names of fields; an option that is None was not given. `source` says where the context's
        values come from, such as "[contexts.prod] of config.toml". Raises Misconfigured naming each option, variable
        or key that is wrong, what came (never a secret) and what is right.
        """
        given = {name: value for name, value in (options or {}).items() if value is not None}
        held = {name: value for name, value in (context or {}).items() if not os.environ.get(variable_of(name))}
        held = {name: value for name, value in held.items() if name not in given}
        try:
            return cls(**{variable_of(name): value for name, value in (held | given).items()})  # type: ignore[arg-type]
        except ValidationError as error:

            def name_of(field: str) -> str:
                if field in given:
                    return f"--{field.replace('_', '-')}"
                return f"{field} in {source}" if field in held else variable_of(field)

            wrong = message_texts.sentences(error, cls.model_fields, name_of, _PATTERNS)
            raise Misconfigured("; ".join(wrong)) from None

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
            BaseModel.__init__(
                copy, **{variable_of(name): value for name, value in values.items()}
            )  # that of BaseSettings reads the environment again
        except ValidationError as error:
            wrong = message_texts.sentences(error, type(self).model_fields, variable_of, _PATTERNS)
            raise Misconfigured("; ".join(wrong)) from None
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


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else name


SECRETS = frozenset(
    name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)  # fields that nobody else may read

_PATTERNS = {
    "alias": "a name of at most 100 lower-case letters, digits and _, which begins with a letter",
    "refresh_interval": "a time in ms, s, m or h, such as 500ms or 30s, or -1 for never",
    "node_heap": "a whole number of megabytes or gigabytes, such as 512m or 2g",
    "organization": "a UUID, such as 6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f",
}


def hand_down(**variables: str | None) -> None:
    """Sets variables for the processes that this one starts; what is None stays as it is."""
    os.environ.update({name: value for name, value in variables.items() if value is not None})
