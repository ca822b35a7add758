"""What schemathesis is told beside the OpenAPI document: how to write NDJSON. tests/node/test_schema.py names this file."""

from __future__ import annotations

import json

import schemathesis
from schemathesis import SerializationContext


@schemathesis.serializer("application/x-ndjson")
def ndjson(_context: SerializationContext, value: object) -> bytes:
    """A text as it is, a list as lines, any other value as one line."""
    if isinstance(value, str | bytes):
        return value.encode("utf-8", "replace") if isinstance(value, str) else value
    values = value if isinstance(value, list) else [value]
    return "\n".join(json.dumps(one) for one in values).encode()
