"""The conversations of the sample, as its file holds them."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from service.query.parameters import EXAMPLE_ORGANIZATION


def sample_rows(samples: Path) -> list[dict[str, Any]]:
    with gzip.open(samples / "conversations.ndjson.gz", "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return [row for row in rows if row["organization_uid"] == EXAMPLE_ORGANIZATION]
