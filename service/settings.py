"""Every environment variable, once. Nothing else in the package reads the environment.

A `Settings` is frozen and made by whoever starts a process (the command line, a test); it is handed
down, never looked up. The command line adds what its options and its configuration file say.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit
from uuid import UUID

import platformdirs
from pydantic import AliasChoices, Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from service import wording
from service.errors import Misconfigured

PROJECT = "conversation-search"
SECRET_MIN_BYTES = 32  # RFC 7518, 3.2: a key of the size of the hash output or larger


def _env(name: str) -> AliasChoices:
    return AliasChoices(name)


class Settings(BaseSettings):
    """What a process was told: `Settings.load()` from the environment, or by keyword in tests."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    opensearch_url: str | None = Field(
        None,
        validation_alias=_env("OPENSEARCH_URL"),
        description="the cluster to use, such as https://search:9200; without it the local node is used",
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
        description="connections to the cluster that one process keeps at most",
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
        description="the organization that the commands are about where none is named",
    )

    @field_validator(
        "opensearch_url", "opensearch_user", "opensearch_password", "opensearch_ca_file",
        "token_secret", "token_secret_previous", "token_issuer", "traces_endpoint", "java_home",
        "url", "token", "token_file", "organization",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _empty_is_unset(cls, value: object) -> object:
        """Compose files hand on what was not set as an empty text."""
        return None if value == "" else value

    @field_validator("opensearch_url", "url")
    @classmethod
    def _url_is_whole(cls, value: str | None) -> str | None:
        if value is not None:
            check_url(value)
        return value

    @field_validator("token_secret", "token_secret_previous")
    @classmethod
    def _secret_is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SECRET_MIN_BYTES:
            raise ValueError(f"must have at least {SECRET_MIN_BYTES} bytes")
        return value

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

            wrong = wording.sentences(error, cls.model_fields, name_of, _PATTERNS)
            raise Misconfigured("; ".join(wrong)) from None

    def but(self, **changes: object) -> Self:
        """A copy with some values replaced; what is None is left as it was."""
        return self.model_copy(update={name: value for name, value in changes.items() if value is not None})


def environment_names() -> dict[str, str]:
    """Each environment variable with its description, in the order of the README's table."""
    return {
        str(field.validation_alias.choices[0]): field.description or ""
        for field in Settings.model_fields.values()
        if isinstance(field.validation_alias, AliasChoices)
    }


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else name


SECRETS = frozenset(
    name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)
)  # fields that nobody else may read

_PATTERNS = {
    "alias": "a name of at most 100 lower-case letters, digits and _, which begins with a letter",
    "node_heap": "a whole number of megabytes or gigabytes, such as 512m or 2g",
    "organization": "a UUID, such as 6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f",
}


def check_url(value: str) -> None:
    """Raises ValueError, which says what is right, where the value is not the URL of a server."""
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    try:
        parts = urlsplit(value)
        has_host = bool(parts.hostname) and parts.port != 0
    except ValueError:
        has_host = False
    if not has_host or any(character.isspace() or not character.isprintable() for character in value):
        raise ValueError("must name a host, and a port between 1 and 65535, such as http://127.0.0.1:9200")


def hand_down(**variables: str | None) -> None:
    """Sets variables for the processes that this one starts; what is None stays as it is."""
    os.environ.update({name: value for name, value in variables.items() if value is not None})
