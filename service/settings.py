"""The settings, and all environment variables. No other module reads the environment.

`Settings` is frozen. The command line (or a test) creates one and passes it on; there is no global instance. The
command line adds the values of its options and of its configuration file.
"""

from __future__ import annotations

import base64
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Literal, Self
from urllib.parse import quote
from uuid import UUID

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
from pydantic_settings import SettingsConfigDict

from service import message_texts, secret_files, urls
from service.cluster_settings import ClusterSettings
from service.errors import Misconfigured
from service.limit_settings import LimitSettings
from service.local_node_settings import LocalNodeSettings
from service.origin_settings import OriginSettings
from service.token_settings import TokenSettings

SECRET_MIN_BYTES = 32  # RFC 7518, 3.2: a key of the size of the hash output or larger
# Everybody who can read this repository can sign tokens with these. docker-compose.yml has one for the profile dev.
PUBLISHED_SECRETS = frozenset({"for development on this machine only, never elsewhere"})
OPTIONS = {"OPENSEARCH_URL": "--opensearch-url", "CONVERSATIONS_DATA": "--data"}  # options instead of variables


_env = AliasChoices  # the name of an environment variable


class Settings(ClusterSettings, LocalNodeSettings, OriginSettings, LimitSettings, TokenSettings):
    """The settings of a process. `Settings.load()` reads the environment; tests pass keyword arguments."""

    # Compose files pass an empty string for a variable that is not set, so an empty one counts as not set.
    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

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
        description="number of shards of a new index; the default is 1 for `create`, and that of the running index for "
        "`reindex`",
    )
    replicas: int | None = Field(
        None,
        ge=0,
        le=100,
        validation_alias=_env("CONVERSATIONS_REPLICAS"),
        description="number of replicas of each shard of a new index; the default for `create` is 1 if several nodes "
        "hold data, else 0, and that of the running index for `reindex`",
    )
    routing_partition: int | None = Field(
        None,
        ge=1,
        le=1023,
        validation_alias=_env("CONVERSATIONS_ROUTING_PARTITION"),
        description="number of shards of a new index over which the conversations of each organization are spread; "
        "above 1, the index needs more shards than this number; the default is 1 for `create`, and that of the running "
        "index for `reindex`",
    )
    refresh_interval: str | None = Field(
        None,
        pattern=r"^(-1|[1-9][0-9]{0,5}(ms|s|m|h))$",
        validation_alias=_env("CONVERSATIONS_REFRESH_INTERVAL"),
        description="refresh interval of a new index, after which searches find a write, such as 500ms or 30s, or -1 "
        "for never; the default is 1s for `create`, and that of the running index for `reindex`",
    )
    request_timeout: float = Field(
        10.0,
        gt=0,
        le=300,
        validation_alias=_env("CONVERSATIONS_REQUEST_TIMEOUT"),
        description="seconds within which the response to an API request must begin; later, it is 504; a request with "
        "a body has up to 60 s more to send it, and the later parts of an export are not limited",
    )
    write_lease: float = Field(
        30.0,
        gt=0,
        le=600,
        validation_alias=_env("CONVERSATIONS_WRITE_LEASE"),
        description="seconds within which every writer learns of a new index, and for which a reindex waits; it must "
        "be the same for all processes of a cluster",
    )
    max_ahead: int = Field(
        86_400,
        ge=0,
        le=400_000_000_000,  # past the end of the year 9999, from any clock
        validation_alias=_env("CONVERSATIONS_MAX_AHEAD"),
        description="seconds that updated_on or deleted_on may lie ahead of the clock; later times are refused",
    )
    environment: Literal["production", "dev"] = Field(
        "production",
        validation_alias=_env("CONVERSATIONS_ENVIRONMENT"),
        description="production or dev; only dev accepts the secret that docker-compose.yml publishes",
    )
    log_format: Literal["console", "json"] = Field(
        "console", validation_alias=_env("CONVERSATIONS_LOG_FORMAT"), description="console or json"
    )
    audit_file: Path | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_AUDIT_FILE"),
        description="file to which the audit trail is appended, as JSON, by the service and by commands that work on "
        "the cluster; it must be writable when the service starts; without it, only the log has the trail",
    )
    traces_endpoint: str | None = Field(
        None,
        validation_alias=_env("OTEL_EXPORTER_OTLP_ENDPOINT"),
        description="URL to which traces are sent (OTLP over HTTP); the other OTEL_ variables work as in "
        "OpenTelemetry; without it, tracing is off",
    )
    telemetry_off: bool = Field(False, validation_alias=_env("OTEL_SDK_DISABLED"), description="true turns tracing off")
    url: str | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_URL"),
        description="URL of a running service, which `search`, `get`, `count`, `delete` and `healthy` use",
    )
    token: SecretStr | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN"),
        description="the token for requests to the service at CONVERSATIONS_URL",
    )
    token_file: Path | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_TOKEN_FILE"),
        description="file that contains the token, if CONVERSATIONS_TOKEN is not set",
    )
    organization: UUID | None = Field(
        None,
        validation_alias=_env("CONVERSATIONS_ORGANIZATION"),
        description="the default organization of `search`, `get`, `count` and `delete`",
    )

    _url_credentials: tuple[str, SecretStr] | None = PrivateAttr(None)

    @model_validator(mode="wrap")
    @classmethod
    def _take_credentials_out(cls, values: dict[str, object], validate: ModelWrapValidatorHandler[Self]) -> Self:
        """Removes user and password from the URLs, so that no message, log or command line shows them."""
        credentials = None
        for name in ("opensearch_url", "OPENSEARCH_URL"):
            if isinstance(given := values.get(name), str):
                url, credentials = urls.cluster_without_credentials(given)
                values = {**values, name: url}
        made = validate(secret_files.read(values))
        made._url_credentials = credentials
        made._check_credentials()
        return made

    @field_validator("*")
    @classmethod
    def _text_is_utf_8(cls, value: object) -> object:
        text = value.get_secret_value() if isinstance(value, SecretStr) else value
        if isinstance(text, str) and not text.isascii():
            try:
                text.encode()
            except UnicodeEncodeError:
                raise ValueError("must be UTF-8") from None
        return value

    @field_validator("url")
    @classmethod
    def _url_is_one_of_a_service(cls, value: str | None) -> str | None:
        return None if value is None else urls.of_service(value)

    @model_validator(mode="after")
    def _published_secret_is_for_development(self) -> Self:
        secrets = {
            "CONVERSATIONS_TOKEN_SECRET": self.token_secret,
            "CONVERSATIONS_TOKEN_SECRET_PREVIOUS": self.token_secret_previous,
            "CONVERSATIONS_CURSOR_SECRET": self.cursor_secret,
        }
        for name, secret in secrets.items():
            if is_published(secret) and self.environment != "dev":
                raise ValueError(
                    f"{name} must not be the secret that docker-compose.yml publishes, which everybody knows: make "
                    "one with 'openssl rand -base64 48', or set CONVERSATIONS_ENVIRONMENT=dev on a machine of your own"
                )
        return self

    @field_validator("token_secret", "token_secret_previous", "cursor_secret")
    @classmethod
    def _secret_is_long_enough(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and len(value.get_secret_value().encode()) < SECRET_MIN_BYTES:
            raise ValueError(f"must have at least {SECRET_MIN_BYTES} bytes")
        return value

    def _check_credentials(self) -> None:
        if self._url_credentials is not None and self.opensearch_user is not None:
            raise ValueError("OPENSEARCH_URL must not contain a user if OPENSEARCH_USER is set")
        if self.opensearch_password is not None and self.opensearch_user is None:
            raise ValueError("OPENSEARCH_USER must be set if OPENSEARCH_PASSWORD is set")
        if self.credentials is not None and ":" in self.credentials[0]:
            raise ValueError("OPENSEARCH_USER must not contain a colon (RFC 7617)")

    @property
    def credentials(self) -> tuple[str, str] | None:
        """User and password for the cluster, from its URL, or else from OPENSEARCH_USER and OPENSEARCH_PASSWORD."""
        if self._url_credentials is not None:
            user, password = self._url_credentials
            return user, password.get_secret_value()
        if self.opensearch_user is None:
            return None
        return self.opensearch_user, self.opensearch_password.get_secret_value() if self.opensearch_password else ""

    @property
    def authorization(self) -> str | None:
        """The Authorization header for the cluster. User and password are in UTF-8 (RFC 7617, 2.1)."""
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
        """Reads the settings. Options override the environment, which overrides the context, then come the defaults.

        The keys of `options` and `context` are names of fields. An option that is None is ignored. `source` describes
        the origin of the context, such as "[contexts.prod] of config.toml". Raises Misconfigured with each option,
        variable or key that is not valid, its value (unless it is a secret) and what is allowed.
        """
        by_option = {name: value for name, value in (options or {}).items() if value is not None}
        by_context = {
            name: value
            for name, value in (context or {}).items()
            if name not in by_option and not os.environ.get(variable_of(name))
        }
        values = {variable_of(name): value for name, value in (by_context | by_option).items()}
        try:
            return cls(**values)  # type: ignore[arg-type]
        except ValidationError as error:

            def name_of(field: str) -> str:
                if field in by_option:
                    return f"--{field.replace('_', '-')}"
                return f"{field} in {source}" if field in by_context else variable_of(field)

            wrong = message_texts.sentences(error, cls.model_fields, name_of, _PATTERNS)
            raise Misconfigured("; ".join(wrong)) from None

    def but(self, **changes: object) -> Self:
        """A copy with some values replaced. A value of None keeps the current one.

        Raises Misconfigured with each setting that is not valid. Its message never shows a secret.
        """
        if unknown := changes.keys() - type(self).model_fields.keys():
            raise TypeError(f"no such settings: {', '.join(sorted(unknown))}")
        values = {name: getattr(self, name) for name in type(self).model_fields} | {
            name: value for name, value in changes.items() if value is not None
        }
        if changes.get("opensearch_url") is None:  # the old credentials must not be sent to another cluster
            values["opensearch_url"] = self._url_with_credentials()
        copy = type(self).__new__(type(self))
        try:
            # BaseSettings.__init__ would read the environment again
            BaseModel.__init__(copy, **{variable_of(name): value for name, value in values.items()})
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
        """The environment of a child process for the same cluster, with the password, which must not be an argument."""
        changed = dict.fromkeys(("OPENSEARCH_USER", "OPENSEARCH_PASSWORD", "OPENSEARCH_PASSWORD_FILE"), "")
        changed["OPENSEARCH_URL"] = self.opensearch_url or ""
        if self.credentials is not None:
            changed["OPENSEARCH_USER"], changed["OPENSEARCH_PASSWORD"] = self.credentials
        return child_environment(**changed)


def is_published(secret: SecretStr | None) -> bool:
    """Whether the secret is published in this repository."""
    return secret is not None and secret.get_secret_value().strip() in PUBLISHED_SECRETS


def environment_names() -> dict[str, str]:
    """Each environment variable with its description. The tables in docs/settings.md have the same texts."""
    return {
        str(field.validation_alias.choices[0]): field.description or ""
        for field in Settings.model_fields.values()
        if isinstance(field.validation_alias, AliasChoices)
    }


def child_environment(*, without: Collection[str] = (), **changes: str) -> dict[str, str]:
    """This process's environment for a child process, without the variables in `without` and with `changes`."""
    return {name: value for name, value in os.environ.items() if name not in without} | changes


def variable_of(name: str) -> str:
    """The environment variable of a field."""
    alias = Settings.model_fields[name].validation_alias
    return str(alias.choices[0]) if isinstance(alias, AliasChoices) else name


# Names of the fields that are secrets.
SECRETS = frozenset(name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))

_PATTERNS = {
    "alias": "a name of at most 100 lower-case letters, digits and _, which begins with a letter",
    "refresh_interval": "a time in ms, s, m or h, such as 500ms or 30s, or -1 for never",
    "node_heap": "a whole number of megabytes or gigabytes, such as 512m or 2g",
    "organization": "a UUID, such as 6f2c1d1e-8a4b-4c3d-9e5f-0a1b2c3d4e5f",
}


def hand_down(**variables: str | None) -> None:
    """Sets environment variables for child processes. A value of None leaves a variable unchanged."""
    os.environ.update({name: value for name, value in variables.items() if value is not None})
