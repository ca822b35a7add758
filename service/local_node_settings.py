"""The settings of the local node: its folders, its Java and its heap."""

from __future__ import annotations

from pathlib import Path

import platformdirs
from pydantic import AliasChoices as _env
from pydantic import Field
from pydantic_settings import BaseSettings

PROJECT = "conversation-search"
HEAP = "512m"


class LocalNodeSettings(BaseSettings):
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
        description="a JDK that the local node uses instead of the downloaded one, if it is 21 or newer",
    )
    node_heap: str = Field(
        HEAP,
        pattern=r"^[1-9][0-9]*[mg]$",
        validation_alias=_env("CONVERSATIONS_NODE_HEAP"),
        description="Java heap of the local node",
    )
