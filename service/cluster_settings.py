"""The settings for calls to the nodes of a cluster, and for nodes that fail."""

from __future__ import annotations

from pathlib import Path

from pydantic import AliasChoices as _env
from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings

from service import urls


class ClusterSettings(BaseSettings):
    opensearch_url: str | None = Field(
        None,
        validation_alias=_env("OPENSEARCH_URL"),
        description="URL of the cluster, such as https://search:9200 or https://user:password@host/path (the default "
        "port is 443 for https and 9200 for http), or the URLs of several of its nodes, separated by commas or spaces; "
        "without it, the local node is used",
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
        description="file with the certificates of the authority that signed the cluster's certificate",
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
        description="maximum connections of one process to the cluster: this many for searches, and as many for "
        "everything else",
    )
    opensearch_slow_share: float = Field(
        0.25,
        gt=0,
        le=1,
        validation_alias=_env("OPENSEARCH_SLOW_SHARE"),
        description="share of its deadline after which an unanswered read is also sent to another node; 1 turns this "
        "off",
    )
    opensearch_failures: int = Field(
        3,
        ge=1,
        le=1000,
        validation_alias=_env("OPENSEARCH_FAILURES"),
        description="failures in a row (no connection, or no answer in time) after which nothing is sent to a node "
        "until it answers a probe",
    )
    opensearch_probe_seconds: float = Field(
        1.0,
        ge=0.1,
        le=60,
        validation_alias=_env("OPENSEARCH_PROBE_SECONDS"),
        description="seconds from one probe of a node that failed to the next; a probe that gets no answer takes 1.5 s",
    )

    @field_validator("opensearch_url")
    @classmethod
    def _url_is_one_of_a_cluster(cls, value: str | None) -> str | None:
        return None if value is None else urls.of_cluster(value)
