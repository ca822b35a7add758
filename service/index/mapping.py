"""The mapping in index_mappings/conversations.json, and the two values that show whether an index fits this service.

The mapping's checksum is part of every index's name. The version of the derived fields says how the documents were
written (service/stored_documents.py).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from service.client.responses import Json
from service.stored_documents import DERIVED_VERSION

CHECKSUM_DIGITS = 8


@dataclass(frozen=True, slots=True)
class Mapping:
    """Settings and mappings of an index, the first digits of their checksum, and the version of the derived fields.

    The settings define the analysis. Shards, replicas and the refresh interval are in index_settings.py.
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
    """The folder index_mappings: in an installed package, or at the root of the checkout."""
    packaged = resources.files("service").joinpath("index_mappings")
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "index_mappings"


def checksum(body: Json) -> str:
    """The first 8 hexadecimal digits of the SHA-256 of the body's canonical JSON."""
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(canonical.encode()).hexdigest()[:CHECKSUM_DIGITS]
