"""The settings for calls to the nodes of a cluster, and for nodes that fail."""

from __future__ import annotations

from pydantic import AliasChoices as _env
from pydantic import Field
from pydantic_settings import BaseSettings


class ClusterSettings(BaseSettings):
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
