"""A hook of schemathesis: how to write NDJSON, which the OpenAPI document lacks. For tests/node/test_schemathesis.py."""

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
