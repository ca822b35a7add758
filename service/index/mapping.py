"""The mapping of index_mappings/conversations.json, and the two values that tell whether an index fits this service.

The checksum of the mapping is part of every index's name. The version of what is derived tells how its documents were
written (service/conversation.py).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from service.client.responses import Json
from service.conversation import DERIVED_VERSION

CHECKSUM_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Mapping:
    """Settings and mappings of an index, the first digits of their checksum, and the version of what is derived.

    The settings are the analysis. Shards, replicas and the refresh interval are not part of them (index_settings.py).
    """

    settings: Json
    mappings: Json
    checksum: str
    derived_version: int = DERIVED_VERSION


def load() -> Mapping:
    """The mapping that this version of the service writes and reads."""
    body = json.loads(mapping_folder().joinpath("conversations.json").read_text("utf-8"))
    return Mapping(body["settings"], body["mappings"], checksum(body))


def mapping_folder() -> Traversable:
    """index_mappings/: in the package where it was installed from a wheel, else in the checkout beside it."""
    packaged = resources.files("service").joinpath("index_mappings")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "index_mappings"


def checksum(body: Json) -> str:
    """The first 8 hexadecimal digits of the SHA-256 of the body's canonical JSON."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:CHECKSUM_DIGITS]
