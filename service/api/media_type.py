"""Checks that a bulk request's body is JSON in UTF-8 without compression. Any other body is refused with 415."""

from __future__ import annotations

import re
from collections.abc import Iterable

from service.errors import UnsupportedEncoding, UnsupportedMediaType

NDJSON = "application/x-ndjson"
ACCEPTED = frozenset(
    {
        NDJSON,
        "application/ndjson",
        "application/jsonl",
        "application/x-jsonl",
        "application/jsonlines",
        "application/x-jsonlines",
        "application/json-lines",
        "application/json",
        "application/octet-stream",
        "application/x-www-form-urlencoded",  # `curl --data-binary` sends this type by default
        "text/plain",
        "text/x-ndjson",
        "text/jsonl",
    }
)
CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^";\s]*)', re.IGNORECASE)


def check_body(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Raises UnsupportedEncoding or UnsupportedMediaType if the headers say that the body is not JSON in UTF-8.

    A body without Content-Type is treated as NDJSON (RFC 9110, 8.3).
    """
    values: dict[bytes, str] = {}
    for name, value in headers:
        if name in (b"content-encoding", b"content-type"):
            text = value.decode("latin-1")
            values[name] = f"{values[name]}, {text}" if name in values else text
    _check_encoding(values.get(b"content-encoding", ""))
    _check_type(values.get(b"content-type", ""))


def _check_encoding(value: str) -> None:
    codings = {coding.strip().lower() for coding in value.split(",")}
    if codings - {"", "identity"}:
        raise UnsupportedEncoding(
            f"Content-Encoding: {_shown(value)} is not supported: send the body without compression"
        )


def _check_type(value: str) -> None:
    media_type = value.partition(";")[0].strip().lower()
    if media_type and media_type not in ACCEPTED:
        raise UnsupportedMediaType(
            f"Content-Type: {_shown(value)} is not supported: send one JSON object a line as {NDJSON}"
        )
    charset = _CHARSET.search(value)
    if charset is not None and charset[1].lower() not in CHARSETS:
        raise UnsupportedMediaType(f"the charset {_shown(charset[1])} is not supported: send the body in UTF-8")


def _shown(value: str) -> str:
    """The first 60 characters of a header's value, in printable ASCII."""
    return ascii(value[:60])[1:-1]
